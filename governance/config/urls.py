"""What the console process answers."""

from django.urls import include, path

from governance.config import health

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("api/v1/", include("governance.api.urls")),
    path("scim/v2/", include("governance.identity.scim.urls")),
    path("", include("governance.console.urls")),
]
