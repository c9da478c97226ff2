"""The console for an ASGI server: `uvicorn governance.config.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.config.settings")
os.environ.setdefault("BURSAR_DATABASE_POOL", "10")
application = get_asgi_application()
