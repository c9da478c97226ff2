"""The console for an ASGI server: `uvicorn governance.config.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.config.settings")
application = get_asgi_application()
