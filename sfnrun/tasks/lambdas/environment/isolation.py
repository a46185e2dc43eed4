"""What an environment's process has for itself: a session, a death with its parent, limits, a directory /tmp.

Everything here is done in the child of a fork, before the function's code is imported.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterable, Sequence

__all__ = ["adopt_orphans", "below_tmp", "die_with", "is_alone", "limit_files", "peak_kb", "private_tmp"]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_REC_PRIVATE = 0x4000 | 0x40000

# Lambda's limit of open files (recorded: init_environment, 2026-02).
OPEN_FILES = 1024

_TMP = "/tmp"  # it is what a function writes to

if sys.platform == "linux":
    _libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of processes whose parent among this one's descendants ends."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """End this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


def limit_files() -> None:
    """Set the limit of open files that Lambda has, or the lower one of this system."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def peak_kb() -> int:
    """The most memory that this process has used, in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def is_alone() -> bool:
    """Whether nothing else runs in the environment: this process has one thread and no children."""
    try:
        if os.stat("/proc/self/task").st_nlink > 3:  # "." and ".." and one thread
            return False
        descriptor = os.open("/proc/thread-self/children", os.O_RDONLY)
    except OSError:
        return False
    try:
        return not os.read(descriptor, 1)
    finally:
        os.close(descriptor)


def private_tmp(directory: str, visible: Sequence[str]) -> bool:
    """Mount a directory as /tmp for this process alone; return whether the system allows that.

    `visible` are the paths `below_tmp` that stay visible, such as the function's code in a test's temporary directory.
    Ubuntu's AppArmor and Docker's default seccomp profile refuse it to ordinary users.
    """
    if sys.platform != "linux":
        return False
    try:
        _unshare()
        _mount(b"none", b"/", _MS_REC_PRIVATE)
        # Opened after unshare: a mount of a descriptor of another namespace fails with EINVAL.
        own = os.open(directory, os.O_PATH)
        below = [(path, os.open(path, os.O_PATH)) for path in visible if os.path.exists(path)]
        _mount(b"/proc/self/fd/%d" % own, _TMP.encode(), _MS_BIND)
    except OSError:
        return False
    for path, descriptor in below:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            os.makedirs(path, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT))
        _mount(b"/proc/self/fd/%d" % descriptor, os.fsencode(path), _MS_BIND)
        os.close(descriptor)
    os.close(own)
    return True


def below_tmp(paths: Iterable[str]) -> list[str]:
    """The paths that are below /tmp, without those below another one."""
    found: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths}):
        if path.startswith(_TMP + os.sep) and not any(path.startswith(other + os.sep) for other in found):
            found.append(path)
    return found


def _unshare() -> None:
    """Give this process a mount namespace; for that, users other than root need a user namespace too."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and _libc.unshare(_CLONE_NEWNS) == 0:
        return
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _mount(source: bytes, target: bytes, flags: int) -> None:
    if _libc.mount(source, target, None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")
