"""The scheduler of Celery's beat: one per database, however many hosts start one."""

from typing import Any

import psycopg
import structlog
from celery.beat import PersistentScheduler
from django.conf import settings

from governance.config.heartbeat import BEAT, write_heartbeat

_LOCK = 7_246_101  # any number that nothing else in this database locks
_WAITING_SECONDS = 5.0
_LONGEST_SLEEP_SECONDS = 5.0

log = structlog.get_logger(__name__)


class SingleScheduler(PersistentScheduler):  # type: ignore[misc] # celery carries no types
    """Ticks only while it holds an advisory lock; the others stand by and take over when its session ends."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._session: psycopg.Connection | None = None
        super().__init__(*arguments, **options)

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Hand out what is due. Returns how many seconds to sleep."""
        try:
            if not self._holds_lock():
                return _WAITING_SECONDS
            if self._session is not None:
                write_heartbeat(self._session, BEAT)
        except psycopg.OperationalError as error:
            log.warning("beat_lost_the_database", error=str(error))
            self._session = None
            return _WAITING_SECONDS
        sleep_seconds: float = super().tick(*arguments, **options)
        return min(sleep_seconds, _LONGEST_SLEEP_SECONDS)

    def close(self) -> None:
        """Write the schedule's state and let another scheduler take over."""
        super().close()
        if self._session is not None:
            self._session.close()

    def _holds_lock(self) -> bool:
        if self._session is not None:
            return True
        session = psycopg.connect(settings.ENVIRONMENT.database_url("worker"), autocommit=True, connect_timeout=5)
        row = session.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        if row is None or not row[0]:
            session.close()
            return False
        self._session = session
        return True
