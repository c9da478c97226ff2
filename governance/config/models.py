"""Signs of life of the background processes, which nobody can ask over a port."""

from django.db import models


class Heartbeat(models.Model):
    """When a background process last did its work: `beat` hands out tasks, `worker` carries them out."""

    name = models.TextField(primary_key=True)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.beaten_at:%Y-%m-%d %H:%M:%S}"
