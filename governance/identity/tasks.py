"""Who was logged in, in the background."""

from celery import shared_task

from governance.identity.sessions import forget_sessions


@shared_task(ignore_result=True, expires=3600)  # type: ignore[untyped-decorator] # celery carries no types
def forget_ended_sessions() -> None:
    """Forget the sessions that are over; any number of times."""
    forget_sessions()
