"""Why `bursar up` does not start."""


class StartRefused(Exception):
    """One clear sentence for the person at the terminal: what is wrong, and the remedy."""

    exit_code = 1


class StopRequested(Exception):
    """Ctrl-C or SIGTERM while preparing: stop what was started."""
