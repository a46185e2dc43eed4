"""Real servers on free loopback ports, and the four places where answers are kept, each with the faults it can have."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sfnrun.cache.backend import Backend, Unavailable
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.backends.memcached import MemcachedBackend
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.cache.backends.redis import RedisBackend
from sfnrun.cache.backends.redis import _Node as RedisNode
from sfnrun.config import CacheSettings

COMMANDS = {
    "redis": [
        *("redis-server", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"),
        *("--repl-diskless-sync-delay", "0", "--port"),
    ],
    "memcached": ["memcached", "-l", "127.0.0.1", "-m", "64", "-p"],
}
AS_ROOT = {"redis": [], "memcached": ["-u", "root"] if os.name == "posix" and os.geteuid() == 0 else []}


@dataclass
class Server:
    """A server process that can be killed, stopped, and started again on its port."""

    kind: str
    folder: Path
    options: list[str] = field(default_factory=list)
    port: int = 0
    process: subprocess.Popen | None = None

    def start(self) -> "Server":
        while not self._started(self.port or free_port()):
            assert not self.port, f"{self.kind} ended at once"  # a new one's port may have been taken meanwhile
        return self

    def _started(self, port: int) -> bool:
        command = [*COMMANDS[self.kind], str(port), *AS_ROOT[self.kind], *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
        until = time.monotonic() + 60
        while not self._answers(port):
            assert time.monotonic() < until, f"{command} does not answer"
            if self.process.poll() is not None:
                return False
        self.port = port
        return True

    def _answers(self, port: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall({"redis": b"PING\r\n", "memcached": b"version\r\n"}[self.kind])
                return connection.recv(7) in (b"+PONG\r\n", b"VERSION", b"-NOAUTH")
        except OSError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        _pid, status = os.waitpid(self.process.pid, os.WUNTRACED)  # it may answer for a while yet
        assert os.WIFSTOPPED(status)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def say(self, line: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENT) as connection:
            connection.sendall(line + b"\r\n")
            return connection.recv(100)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def installed(kind: str) -> None:
    if shutil.which(COMMANDS[kind][0]):
        return
    reason = f"{COMMANDS[kind][0]} IS NOT INSTALLED: nothing here was tested (apt-get install redis-server memcached)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def servers(tmp_path_factory) -> Iterator[dict[str, Server]]:
    running: dict[str, Server] = {}
    yield running
    for server in running.values():
        server.process.kill()
        server.process.wait()


@pytest.fixture
def server(servers, tmp_path_factory):
    """`server("redis")` is a running one, empty; `server("redis", n=2)` another."""
    used: list[Server] = []

    def running(kind: str, n: int = 1, options: tuple[str, ...] = ()) -> Server:
        installed(kind)
        name = f"{kind} {n} {options}"
        if name not in servers:
            servers[name] = Server(kind, tmp_path_factory.mktemp(kind), list(options)).start()
        there = servers[name]
        if there.process.poll() is not None:
            there.start()
        there.say({"redis": b"FLUSHALL", "memcached": b"flush_all"}[kind])
        used.append(there)
        return there

    yield running
    for there in used:
        there.wake()


class Clock:
    """Seconds of real time that pass when told to; what circuit breakers look at in tests."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Place:
    """A backend and the world's ways to hurt it. `down`, `up` and `flush` mean the same for all four."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self.backend = backend
        self.clock = clock

    def up(self) -> None:
        self.clock.seconds += 60


class ServerPlace(Place):
    def __init__(self, backend: Backend, clock: Clock, server: Server) -> None:
        super().__init__(backend, clock)
        self.server = server

    def down(self) -> None:
        self.server.kill()

    def up(self) -> None:
        self.server.start()
        super().up()

    def hang(self) -> None:
        self.server.hang()
        self._limit(IMPATIENT)

    def wake(self, seconds: float = 60) -> None:
        self.server.wake()
        self._limit(PATIENT)
        self.clock.seconds += seconds

    def _limit(self, seconds: float) -> None:
        """Give the connections another timeout: one that a hung server exceeds soon, or that a busy one never does."""
        for node in nodes_of(self.backend):
            if isinstance(node, RedisNode):
                pool = node.calls.connection_pool
                pool.connection_kwargs |= {"socket_timeout": seconds, "socket_connect_timeout": seconds}
                for connection in node._idle:
                    connection.socket_timeout = seconds
                    if connection._sock is not None:
                        connection._sock.settimeout(seconds)
            else:
                node._timeout = seconds
                for client in node._idle:
                    client.timeout = client.connect_timeout = seconds
                    if client.sock is not None:
                        client.sock.settimeout(seconds)

    def flush(self) -> None:
        self.server.say({"redis": b"FLUSHALL", "memcached": b"flush_all"}[self.server.kind])


def nodes_of(backend: Backend) -> list:
    return [backend._primary] if isinstance(backend, RedisBackend) else list(backend._nodes.values())


class DiskPlace(Place):
    def down(self) -> None:
        """The folder is gone, and a file is in its place."""
        self.backend.close()
        self.backend.folder.mkdir(exist_ok=True)
        self.backend.folder.rename(self.backend.folder.with_name("aside"))
        self.backend.folder.write_text("not a folder")

    def up(self) -> None:
        self.backend.folder.unlink()
        super().up()

    def flush(self) -> None:
        other = DiskBackend(self.backend.folder)
        other.clear()
        other.close()


class MemoryPlace(Place):
    """Memory cannot be out of reach; here it plays so, with what a lost node loses."""

    def down(self) -> None:
        def refuse(*arguments, **named):
            raise Unavailable("memory: lost")

        self.backend.clear()
        for name in ("lookup", "release", "put", "delete", "add", "counts"):
            setattr(self.backend, name, refuse)

    def up(self) -> None:
        for name in ("lookup", "release", "put", "delete", "add", "counts"):
            delattr(self.backend, name)
        super().up()

    def flush(self) -> None:
        self.backend.clear()


PLACES = ("memory", "disk", "redis", "memcached")
PATIENT = 30.0  # seconds; a server that works answers sooner on any machine
IMPATIENT = 0.2


def redis_on(port: int, **options) -> RedisBackend:
    """A backend on a server of ours, with a timeout that no load of the machine reaches."""
    return RedisBackend(port=port, **{"timeout": PATIENT, **options})


def memcached_on(*ports: int, **options) -> MemcachedBackend:
    """The same for memcached; one node for each port."""
    return MemcachedBackend([("127.0.0.1", port) for port in ports], **{"timeout": PATIENT, **options})


def patient(address: str) -> CacheSettings:
    return CacheSettings(backend=address, timeout_ms=round(PATIENT * 1000))


@pytest.fixture
def place_of(server, tmp_path):
    """`place_of("redis")` opens that backend."""
    opened: list[Place] = []

    def open_place(kind: str) -> Place:
        clock = Clock()
        if kind == "memory":
            place = MemoryPlace(MemoryBackend(), clock)
        elif kind == "disk":
            place = DiskPlace(DiskBackend(tmp_path / "cache", timeout=PATIENT, clock=clock), clock)
        elif kind == "redis":
            running = server("redis")
            place = ServerPlace(redis_on(running.port, clock=clock), clock, running)
        else:
            running = server("memcached")
            place = ServerPlace(memcached_on(running.port, clock=clock), clock, running)
        opened.append(place)
        return place

    yield open_place
    for place in opened:
        place.backend.close()


@pytest.fixture(params=PLACES)
def place(request, place_of) -> Place:
    return place_of(request.param)
