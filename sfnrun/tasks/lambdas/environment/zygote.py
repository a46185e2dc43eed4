"""A single-threaded Python that forks execution environments: a fork takes 2 ms where a new Python takes 25.

sfnrun starts one zygote for each interpreter and sends it a SPAWN for each environment, with three descriptors: the
environment's socket, the write end of its log, and the write end of its status. The zygote writes the pid into the
status, and when the process has ended how it ended. It reaps the process only when sfnrun has closed the read end:
until then the pid belongs to no other process, and sfnrun can signal it. When sfnrun ends, in whatever way, the socket
is at its end: the zygote kills all environments and removes their files.

sys.modules of a function contains what is imported here, so that is what Lambda's runtime imports. The zygote keeps
what else it needs by reference and removes it from sys.modules.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import sys
from collections import namedtuple
from collections.abc import Iterable, Iterator

from sfnrun.tasks.lambdas.environment import isolation, wire, worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["main"]

_STATUS = struct.Struct("!i")

# An environment's process: the write end of its status, its pidfd (-1: none), and the variable that its children have.
_Child = namedtuple("_Child", "status process mark")


def main(control: int, tmp: str, preload: list[str], before: Iterable[str]) -> None:
    """Serve SPAWNs until sfnrun ends; in a forked child, be an environment.

    `tmp` is the directory of the environments' files, `before` are the modules that Lambda's runtime has imported.
    """
    os.setsid()
    isolation.adopt_orphans()
    for name in set(sys.modules).difference(before):
        del sys.modules[name]
    for name in preload:
        __import__(name)
    connection = socket.socket(fileno=control)
    connection.sendall(wire.pack(wire.HELLO, {"version": list(sys.version_info[:2])}))
    # Pages of objects that the collector does not visit stay shared with the children.
    gc.collect()
    gc.freeze()
    visible = isolation.below_tmp([*sys.path, sys.prefix, sys.base_prefix])
    worker.main(visible, *_Zygote(connection, tmp).serve())


class _Zygote:
    def __init__(self, connection: socket.socket, tmp: str) -> None:
        self._connection = connection
        self._tmp = tmp
        self._pid = os.getpid()
        self._children: dict[int, Any] = {}
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._wakeup = -1 if hasattr(os, "pidfd_open") else self._watch_signals()

    def serve(self) -> tuple[dict[str, Any], int, int]:
        """Serve until sfnrun ends. In a child: the header of its SPAWN, its socket and its log."""
        control = self._connection.fileno()
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == control:
                    spawned = self._spawn()
                    if spawned is not None:
                        return spawned
                elif descriptor == self._wakeup:
                    os.read(descriptor, 512)
                    self._look_at_all()
                else:
                    self._look_at(descriptor)

    def _spawn(self) -> tuple[dict[str, Any], int, int] | None:
        frame, descriptors = wire.receive_with_descriptors(self._connection, 3)
        if frame is None:
            self._end()
        assert frame is not None
        connection, log, status = descriptors
        try:
            pid = os.fork()
        except OSError:  # no process or memory left: the status ends without a pid
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        if pid == 0:
            self._leave_to_child(status)
            isolation.die_with(self._pid)
            return frame.header, connection, log
        os.close(connection)
        os.close(log)
        process = os.pidfd_open(pid) if self._wakeup < 0 else -1
        self._children[pid] = _Child(status, process, os.fsencode(frame.header["mark"]))
        if process >= 0:
            self._poll.register(process, select.POLLIN)
        self._report(pid, pid)
        return None

    def _leave_to_child(self, status: int) -> None:
        """Close what belongs to the zygote alone."""
        self._connection.close()
        os.close(status)
        for child in self._children.values():
            os.close(child.status)
            if child.process >= 0:
                os.close(child.process)
        if self._wakeup >= 0:
            signal.set_wakeup_fd(-1)
            os.close(self._wakeup)

    def _look_at(self, descriptor: int) -> None:
        """A process has ended, or sfnrun has taken notice of an end."""
        for pid, child in self._children.items():
            if descriptor == child.process:
                info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                assert info is not None
                status = info.si_status if info.si_code == os.CLD_EXITED else -info.si_status
                self._poll.unregister(child.process)
                os.close(child.process)
                self._children[pid] = child._replace(process=-1)
                self._ended(pid, status)
                return
            if descriptor == child.status:
                self._reap(pid)
                return

    def _ended(self, pid: int, status: int) -> None:
        if self._report(pid, status):
            self._poll.register(self._children[pid].status, 0)  # reports the end of its reader
        else:
            self._reap(pid)

    def _report(self, pid: int, number: int) -> bool:
        try:
            os.write(self._children[pid].status, _STATUS.pack(number))
        except OSError:  # sfnrun has no interest in it any more
            return False
        return True

    def _reap(self, pid: int) -> None:
        child = self._children.pop(pid)
        with contextlib.suppress(KeyError):
            self._poll.unregister(child.status)
        os.close(child.status)
        _kill_group(pid)
        _wait_for(pid)
        self._kill_orphans(child.mark)

    def _kill_orphans(self, mark: bytes) -> None:
        """Kill processes that left the group of an environment that has ended, and reap those that have ended."""
        for pid in _children_of(self._pid):
            if pid not in self._children:
                if mark in _variables_of(pid):
                    _kill(pid)
                    _wait_for(pid)
                else:
                    _wait_for(pid, os.WNOHANG)

    def _end(self) -> None:
        """Sfnrun has ended: so do all environments."""
        for pid in self._children:
            _kill_group(pid)
        while True:
            for pid in _children_of(self._pid):
                _kill(pid)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
        _remove(self._tmp)
        os._exit(0)

    def _watch_signals(self) -> int:
        """Without pidfds, the ends of processes are noticed by SIGCHLD."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._poll.register(read, select.POLLIN)
        return read

    def _look_at_all(self) -> None:
        for pid, child in list(self._children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                del self._children[pid]
                with contextlib.suppress(OSError):
                    os.write(child.status, _STATUS.pack(code))
                os.close(child.status)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:  # it has not begun its session yet, or is gone
        _kill(pid)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _wait_for(pid: int, options: int = 0) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, options)


def _children_of(pid: int) -> Iterator[int]:
    """The children of a single-threaded process; none where the system does not tell."""
    for each in _read(f"/proc/{pid}/task/{pid}/children").split():
        yield int(each)


def _variables_of(pid: int) -> bytes:
    return _read(f"/proc/{pid}/environ")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _remove(directory: str) -> None:
    """Remove a directory and all that is in it."""
    for folder, folders, files in os.walk(directory, topdown=False):
        for name in files:
            _try(os.unlink, os.path.join(folder, name))
        for name in folders:
            path = os.path.join(folder, name)
            _try(os.unlink if os.path.islink(path) else os.rmdir, path)
    _try(os.rmdir, directory)


def _try(action: Any, path: str) -> None:
    with contextlib.suppress(OSError):
        action(path)
