"""The settings with throw-away secrets, for tools that read the code without running it (mypy)."""

import base64
import os
import secrets
import tempfile

os.environ.setdefault("BURSAR_HOME", tempfile.gettempdir() + "/bursar-no-home")
os.environ.setdefault("BURSAR_SECRET_KEY", secrets.token_urlsafe(48))
os.environ.setdefault("BURSAR_KEY_PEPPER", secrets.token_urlsafe(48))
os.environ.setdefault("BURSAR_SEALING_KEYS", "checks:" + base64.b64encode(secrets.token_bytes(32)).decode())
os.environ.setdefault("DATABASE_URL", "postgresql://nobody@/bursar?host=/nonexistent")
os.environ.setdefault("BURSAR_CONSOLE_DATABASE_URL", os.environ["DATABASE_URL"])

from governance.config.settings import *  # noqa: F403
