"""What the console process answers."""

from django.urls import include, path

urlpatterns = [path("", include("governance.console.urls"))]
