"""Starts zygotes: one for each interpreter and set of preloaded modules, shared by all runs of this process.

A zygote is an ordinary Python of the user's choice that loads `environment/zygote.py` without sfnrun. It ends when this
process ends or closes it. A process that forks from this one forgets the zygotes, because they are not its own.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from sfnrun.errors import UnavailableError
from sfnrun.tasks.lambdas.environment import wire

__all__ = ["Zygote", "discard", "find_python", "remove_directory", "zygote_for"]

# What Lambda's runtime has imported when it imports a handler (awslambdaric 4.2.2 on Python 3.11 to 3.13). Functions
# find only these in sys.modules, so that a function's own `queue.py` or `email.py` is imported as it is there.
_RUNTIME_MODULES = (
    "abc atexit collections contextlib copyreg decimal enum functools importlib io itertools json keyword linecache "
    "logging math numbers operator os re reprlib string textwrap threading time token tokenize traceback types "
    "warnings weakref"
)

# The stubs stand for packages whose __init__ would load sfnrun.
_BOOT = f"""\
import sys
del sys.path[0]
for name in "{_RUNTIME_MODULES}".split():
    __import__(name)
before = set(sys.modules)
import types
root, control, tmp, *preload = sys.argv[1:]
for name in ("sfnrun", "sfnrun.tasks", "sfnrun.tasks.lambdas"):
    stub = types.ModuleType(name)
    stub.__path__ = ["/".join((root, *name.split(".")))]
    sys.modules[name] = stub
from sfnrun.tasks.lambdas.environment.zygote import main
main(int(control), tmp, preload, before)
"""

_ROOT = str(Path(__file__).resolve().parents[3])
# Variables that a Python needs to start; an environment has none of them but those that it is given.
_VARIABLES = frozenset({"HOME", "LANG", "LD_LIBRARY_PATH", "PATH"})
# Above the descriptors that a new process has.
_LOWEST_DESCRIPTOR = 10

Key = tuple[str, tuple[str, ...]]


class Zygote:
    """A running zygote. `tmp` is the directory for the files of its environments."""

    def __init__(self, python: str, preload: Sequence[str]) -> None:
        self.python = python
        self.tmp = os.path.join(
            os.environ.get("TMPDIR") or "/tmp",
            f"sfnrun-{os.getpid()}-{os.urandom(6).hex()}",
        )
        os.mkdir(self.tmp, 0o700)
        self._is_used = False
        self._lock = Lock()
        self._connection, other = socket.socketpair()
        with other:
            control = os.dup(other.fileno())
            try:
                self._pid = self._start(control, preload)
            finally:
                os.close(control)

    def _start(self, control: int, preload: Sequence[str]) -> int:
        variables = {name: value for name, value in os.environ.items() if name in _VARIABLES or name.startswith("LC_")}
        variables["PYTHONHASHSEED"] = "0"  # sets have the same order in every run
        arguments = [self.python, "-c", _BOOT, _ROOT, str(_LOWEST_DESCRIPTOR), self.tmp, *preload]
        actions: list[Any] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, control, _LOWEST_DESCRIPTOR),
        ]
        try:
            return os.posix_spawn(self.python, arguments, variables, file_actions=actions)
        except OSError as error:
            self._connection.close()
            os.rmdir(self.tmp)
            message = f"cannot start {self.python}: {error.strerror}"
            raise UnavailableError(message, "set `python` in sfnrun.yaml") from None

    @cached_property
    def version(self) -> tuple[int, int]:
        """The version of its Python. Raises UnavailableError if it does not start."""
        frame = wire.receive(self._connection)
        if frame is None:
            discard(self)
            raise UnavailableError(f"{self.python} ended while it started", "run it with -c 'import json, logging'")
        major, minor = frame.header["version"]
        return major, minor

    def spawn(self, header: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Start an environment. Raises OSError if the zygote has ended."""
        data = wire.pack(wire.SPAWN, dict(header))
        with self._lock:
            self._is_used = True
            sent = socket.send_fds(self._connection, [data], list(descriptors))
            self._connection.sendall(data[sent:])

    def close(self, *, wait: bool = True) -> None:
        """End it with all its environments."""
        self._connection.close()
        if not self._is_used:  # it may still import, and has nothing to clean up
            with suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
                os.rmdir(self.tmp)
        if not wait:
            return
        with suppress(ChildProcessError):  # something else has waited for all children of this process
            os.waitpid(self._pid, 0)

    def forget(self) -> None:
        """Let go of it without ending it."""
        self._connection.close()


def find_python(wanted: str | None, root: Path) -> str | None:
    """The interpreter that runs functions of a project; None for that of sfnrun.

    `wanted` is a version or a path; without it VIRTUAL_ENV decides, or a `.venv` in the project's directory.
    """
    if wanted is None:
        places = [Path(path) for path in (os.environ.get("VIRTUAL_ENV"), root / ".venv") if path]
        found = next((path for place in places if (path := place / "bin" / "python").exists()), None)
        return None if found is None or found.parent.parent.resolve() == Path(sys.prefix).resolve() else str(found)
    if not wanted.replace(".", "").isdigit():
        return str(root / wanted)
    if wanted == ".".join(map(str, sys.version_info[: wanted.count(".") + 1])):
        return None
    # The shims of pyenv exist for every version, and start none that is not selected.
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if not folder.endswith("shims")]
    folders += sorted(Path("~/.pyenv/versions").expanduser().glob(f"{wanted}*/bin"), reverse=True)
    found = next((path for folder in folders if (path := folder / f"python{wanted}").exists()), None)
    if found is None:
        raise UnavailableError(f"Python {wanted} not found", "install it, or set `python` in sfnrun.yaml to its path")
    return str(found)


_zygotes: dict[Key, Zygote] = {}
_lock = Lock()


def zygote_for(python: str, preload: Sequence[str] = ()) -> Zygote:
    """The zygote of an interpreter, which is started if it does not run yet."""
    key = (python, tuple(preload))
    with _lock:
        zygote = _zygotes.get(key)
        if zygote is None:
            zygote = _zygotes[key] = Zygote(python, preload)
        return zygote


def discard(zygote: Zygote) -> None:
    """Let the next call of `zygote_for` start another one, because this one has ended."""
    with _lock:
        for key, known in list(_zygotes.items()):
            if known is zygote:
                del _zygotes[key]
    zygote.close()
    remove_directory(zygote.tmp)


def remove_directory(path: str) -> None:
    """Remove a directory of environments with what they left in it."""
    try:
        os.rmdir(path)
    except OSError:
        from shutil import rmtree

        rmtree(path, ignore_errors=True)


@atexit.register
def _close_all() -> None:
    with _lock:
        while _zygotes:
            _zygotes.popitem()[1].close(wait=False)


def _forget_all() -> None:
    while _zygotes:
        _zygotes.popitem()[1].forget()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_all)
