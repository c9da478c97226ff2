"""The listening sockets, made once by the supervisor and inherited by the children."""

import errno
import socket

from governance.config.supervisor.errors import StartRefused

_BACKLOG = 4096


def listen(host: str, port: int, *, variable: str) -> socket.socket:
    """Return a listening socket. Raises StartRefused with the variable to set when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartRefused(_why(host, port, variable, error)) from error
    listener.set_inheritable(True)
    return listener


def is_free(host: str, port: int) -> bool:
    """Say whether the port could be listened on now."""
    try:
        listen(host, port, variable="").close()
    except StartRefused:
        return False
    return True


def _why(host: str, port: int, variable: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use by another program. Stop it, or set {variable} to a free port."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} needs more rights than this user has. Set {variable} to a port above 1023."
    return f"Port {port} on {host} cannot be listened on ({error.strerror}). Mend BURSAR_HOST or {variable}."
