"""Django's settings. Everything that differs between installations comes from `governance.core.environment`."""

import os
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from psycopg.conninfo import conninfo_to_dict

from governance.config.broker import PREFETCHED_MESSAGES, QUEUE, TASK_SECONDS, broker_settings
from governance.config.logs import configure_structlog, logging_settings
from governance.core.database_url import DatabaseRole
from governance.core.environment import DATABASE_VARIABLES, Environment, EnvironmentInvalid, read_environment
from governance.identity.optional import HAS_SAML

BASE_DIR = Path(__file__).resolve().parents[2]
ENVIRONMENT: Environment = read_environment(os.environ)

_role = os.environ.get("BURSAR_DATABASE_ROLE", "console")
if _role not in DATABASE_VARIABLES:
    raise EnvironmentInvalid(f"BURSAR_DATABASE_ROLE is {_role!r}: it must be one of {', '.join(DATABASE_VARIABLES)}.")
DATABASE_ROLE: DatabaseRole = _role


def _database(role: DatabaseRole) -> dict[str, Any]:
    parts = conninfo_to_dict(ENVIRONMENT.database_url(role))
    options: dict[str, Any] = {
        name: value for name, value in parts.items() if name not in ("dbname", "user", "password", "host", "port")
    }
    options["application_name"] = f"bursar-{role}"
    if ENVIRONMENT.database_pool:
        # Under ASGI every request has its own thread: connections are shared through a pool instead of kept by it.
        options["pool"] = {"min_size": 1, "max_size": ENVIRONMENT.database_pool, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts["dbname"],
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": parts.get("port", ""),
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
    }


DEBUG = False
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = [*ENVIRONMENT.allowed_hosts, "localhost", "127.0.0.1", "[::1]"]
_is_https = ENVIRONMENT.public_console_url.startswith("https://")
CSRF_TRUSTED_ORIGINS = [ENVIRONMENT.public_console_url]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    *(["allauth.socialaccount.providers.saml"] if HAS_SAML else []),
    "csp",
    "django_htmx",
    "pgtrigger",
    "governance.audit",
    "governance.teams",
    "governance.connections",
    "governance.prompts",
    "governance.catalog",
    "governance.keys",
    "governance.tokens",
    "governance.ledger",
    "governance.budgets",
    "governance.policy",
    "governance.metering",
    "governance.alerts",
    "governance.jobs",
    "governance.identity",
    "governance.chargeback",
    "governance.console",
    "governance.api",
    "governance.commands",
    "governance.config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "governance.identity.middleware.SecondFactorMiddleware",
    "governance.console.middleware.no_store",
]

ROOT_URLCONF = "governance.config.urls"
ASGI_APPLICATION = "governance.config.asgi.application"
WSGI_APPLICATION = "governance.config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]

DATABASES = {"default": _database(DATABASE_ROLE)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# --- Log-in
AUTH_USER_MODEL = "teams.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_REDIRECT_URL = "/"
LOGIN_URL = "account_login"
ACCOUNT_ADAPTER = "governance.identity.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
# One address each; another one takes its place only when a letter to it was answered.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_FORMS = {"reset_password": "governance.identity.passwords.ResetForm"}
SOCIALACCOUNT_ADAPTER = "governance.identity.social.SocialAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"provider_class": "governance.identity.oidc.Provider"},
    "saml": {"provider_class": "governance.identity.saml.Provider"},
}
SOCIALACCOUNT_STORE_TOKENS = False
# The page's policy lets forms go nowhere else; the state is bound to the session either way.
SOCIALACCOUNT_LOGIN_ON_GET = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _is_https
MFA_TOTP_ISSUER = "Bursar"
MFA_ADAPTER = "governance.identity.second_factor.SecondFactorAdapter"
MFA_PASSKEY_LOGIN_ENABLED = True
# Nobody signs up, so nobody can lock the owner of an address out with it.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# --- Sessions and headers
SESSION_COOKIE_NAME = "__Host-bursar-session" if _is_https else "bursar-session"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _is_https
CSRF_COOKIE_NAME = "__Host-bursar-csrf" if _is_https else "bursar-csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = _is_https
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _is_https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _is_https else None
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# --- Static files: served from where they lie, so that nothing needs collecting
STATIC_URL = "/static/"
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 300

# --- Management API: what its views do not say themselves
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "governance.api.schema.Schema",
    "UNAUTHENTICATED_USER": None,
    # What type an answer has follows from Accept and from the address, and from no query.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Bursar",
    "DESCRIPTION": "The management API: what people do in the console, for programs.",
    "VERSION": "1",
    "SERVERS": [{"url": "/"}],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["governance.api.schema.finish"],
}

# --- Background work
_broker = broker_settings(ENVIRONMENT.broker_url, ENVIRONMENT.database_url(DATABASE_ROLE))
CELERY_BROKER_URL = _broker.url
CELERY_BROKER_TRANSPORT = _broker.transport
CELERY_BROKER_TRANSPORT_OPTIONS = _broker.options
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_DEFAULT_QUEUE = QUEUE
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = TASK_SECONDS
CELERY_TASK_SOFT_TIME_LIMIT = TASK_SECONDS - 60
CELERY_WORKER_PREFETCH_MULTIPLIER = PREFETCHED_MESSAGES
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "governance.config.beat.SingleScheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(ENVIRONMENT.home / "beat-schedule")

# --- E-mail: without a server, letters are put into a folder
DEFAULT_FROM_EMAIL = ENVIRONMENT.email_from
EMAIL_TIMEOUT = 10
if ENVIRONMENT.email_server is None:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(ENVIRONMENT.home / "mail")
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = ENVIRONMENT.email_server.host
    EMAIL_PORT = ENVIRONMENT.email_server.port
    EMAIL_HOST_USER = ENVIRONMENT.email_server.user
    EMAIL_HOST_PASSWORD = ENVIRONMENT.email_server.password
    EMAIL_USE_TLS = ENVIRONMENT.email_server.security == "starttls"
    EMAIL_USE_SSL = ENVIRONMENT.email_server.security == "tls"

LOGGING = logging_settings(ENVIRONMENT.log_level)
configure_structlog()
