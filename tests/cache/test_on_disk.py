"""What the folder promises beyond what all backends do: it is nobody else's, nothing is unpickled, it is bounded."""

import gc
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sfnrun.cache.backend import Replacement, TooLarge, Unavailable
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.backends.memory import MemoryBackend

from .world import World

KEY, OTHER = "a" * 40, "b" * 40
ROOT = Path(__file__).resolve().parents[2]


def test_the_folder_is_nobody_elses(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    backend = DiskBackend(folder)
    backend.put(KEY, b"1" * 50_000, None)
    backend.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_connections_end_with_their_threads_and_with_the_backend(tmp_path, monkeypatch):
    """One that is left open is a warning from Python 3.13 on."""
    made, connect = [], sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: made.append(connect(*given, **named)) or made[-1])
    backend, gate = DiskBackend(tmp_path / "cache"), threading.Barrier(3)
    backend.put(KEY, b"1", None)
    threads = [threading.Thread(target=lambda: (gate.wait(30), backend.lookup(KEY))) for _ in range(3)]
    before = len(made)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == before + 3
    del threads, thread
    gc.collect()
    assert [is_open(one) for one in made[before:]] == [False] * 3
    assert backend.lookup(KEY).value == b"1"
    backend.close()
    assert not any(map(is_open, made))


def is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


class Touch:
    """A pickle that leaves a trace if anybody opens it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def planted(folder: Path, **columns: object) -> None:
    """A row of the attacker's in the folder."""
    with sqlite3.connect(folder / "cache.db") as connection:
        names = ", ".join(columns)
        connection.execute(f"INSERT INTO Cache ({names}) VALUES ({', '.join('?' * len(columns))})", [*columns.values()])
    connection.close()


def test_a_planted_pickle_is_not_opened(tmp_path):
    folder, trace = tmp_path / "cache", tmp_path / "owned"
    DiskBackend(folder).put(OTHER, b"1", None)
    bomb = pickle.dumps(Touch(trace))
    (folder / "bomb.val").write_bytes(bomb)
    now = time.time()
    planted(folder, key=KEY, raw=1, mode=4, value=bomb, store_time=now, access_time=now)
    planted(folder, key="c" * 40, raw=1, mode=4, filename="bomb.val", store_time=now, access_time=now)
    planted(folder, key=bomb, raw=0, mode=1, value=b"1", store_time=now, access_time=now)
    backend = DiskBackend(folder)
    assert backend.lookup(KEY).value == b""
    assert backend.lookup("c" * 40).value == b""
    assert not backend.release(KEY, "", Replacement(None, b"x", None))
    assert dict(backend.scan())[OTHER] == b"1"
    backend.put(KEY, b"2", None)
    assert backend.lookup(KEY).value == b"2"
    backend.clear()
    backend.close()
    assert not trace.exists()
    pickle.loads(bomb).close()  # the bomb is a real one
    assert trace.exists()


@pytest.mark.parametrize("filename", ["../precious", "/tmp/x.val", "ab/cd/../../../precious"])
def test_planted_file_names_lead_nowhere(filename, tmp_path):
    folder, precious = tmp_path / "cache", tmp_path / "precious"
    precious.write_bytes(b"precious")
    DiskBackend(folder).put(OTHER, b"1", None)
    planted(folder, key=KEY, raw=1, mode=2, filename=filename, store_time=1.0, access_time=1.0)
    backend = DiskBackend(folder)
    assert backend.lookup(KEY).value == b""
    backend.put(KEY, b"2", None)
    backend.clear()
    backend.close()
    assert precious.read_bytes() == b"precious"


def test_settings_of_others_are_refused(tmp_path):
    DiskBackend(tmp_path).put(OTHER, b"1", None)
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        connection.execute("INSERT INTO Settings VALUES ('get', 'owned')")
        connection.execute("UPDATE Settings SET value = 'nonsense' WHERE key = 'eviction_policy'")
    connection.close()
    backend = DiskBackend(tmp_path)
    with pytest.raises(Unavailable, match="settings of another program: get"):
        backend.lookup(OTHER)
    backend.clear()
    backend.put(OTHER, b"2", None)
    assert backend.lookup(OTHER).value == b"2"
    backend.close()


def test_a_broken_database_is_out_of_reach_until_cleared(tmp_path):
    (tmp_path / "cache.db").write_bytes(b"no database at all" * 100)
    (tmp_path / "notes.txt").write_text("mine")
    backend = DiskBackend(tmp_path)
    with pytest.raises(Unavailable, match="not a database"):
        backend.lookup(KEY)
    backend.clear()
    backend.put(KEY, b"1", None)
    assert backend.lookup(KEY).value == b"1"
    assert (tmp_path / "notes.txt").read_text() == "mine"
    backend.close()


def test_a_read_only_folder_is_out_of_reach(tmp_path):
    """Root writes everywhere but into /proc."""
    folder = Path("/proc/sfnrun") if os.geteuid() == 0 else tmp_path / "fast" / "cache"
    if os.geteuid():
        folder.parent.mkdir(mode=0o500)
    backend = DiskBackend(folder)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={"a": 5})
    assert world.price() == 5
    assert world.price() == 5
    assert len(world.said) == 1
    assert world.calls == {"GetPrice": 2}


FULL = """
import resource, signal, sys
sys.path[:0] = [{root!r}]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
from pathlib import Path
from sfnrun.cache.backends.disk import DiskBackend
from tests.cache.world import World
import tempfile
backend = DiskBackend({folder!r})
database = {{str(n): "x" * 20_000 for n in range(60)}}
world = World(backend, Path(tempfile.mkdtemp()), {{"GetPrice": "60s"}}, database=database)
for n in range(60):
    assert world.price(str(n)) == "x" * 20_000
for n in range(60):
    assert world.price(str(n)) == "x" * 20_000
assert world.calls["GetPrice"] > 60
print(len(world.said), world.said)
"""


def test_a_full_disk_is_no_error(tmp_path):
    """A file may not grow beyond 400 KB; the answers are right all the same, and it is said once."""
    program = FULL.format(root=str(ROOT), folder=str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 "), done.stdout


@pytest.mark.parametrize(("eviction", "survivor"), [("lru", "used last"), ("lfu", "used often")])
@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_bounded_and_the_least_used_go_first(kind, eviction, survivor, tmp_path):
    limit = 600_000
    backend = MemoryBackend(limit, eviction) if kind == "memory" else DiskBackend(tmp_path, limit, eviction)
    keys = {name: f"{n:040x}" for n, name in enumerate(["used often", "used last"])}
    for key in keys.values():
        backend.put(key, b"x" * 40_000, None)
    for name, times in (("used often", 9), ("used last", 1)):
        for _ in range(times):
            backend.lookup(keys[name])
    for n in range(100, 140):
        if eviction == "lru":
            backend.lookup(keys["used last"])
        backend.put(f"{n:040x}", b"x" * 40_000, None)
    assert backend.lookup(keys[survivor]).value is not None
    assert len(dict(backend.scan())) < 20
    facts = backend.info()
    assert facts.evictions >= 25
    assert facts.limit_bytes == limit
    assert facts.size_bytes <= limit + 40_000
    with pytest.raises(TooLarge):
        backend.put(KEY, b"x" * (limit + 1), None)
    backend.close()


def test_a_miss_can_say_evicted(tmp_path):
    backend = DiskBackend(tmp_path / "cache", 400_000)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={str(n): "x" * 40_000 for n in range(30)})
    for n in range(30):
        world.price(str(n))
    assert world.ask("GetPrice", {"sku": "0"}).note["reason"] == "evicted"
    backend.close()


def test_a_lock_that_is_held_costs_a_store_and_no_hit(tmp_path):
    backend = DiskBackend(tmp_path / "cache", timeout=0.05)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={"a": 5, "b": 6})
    world.price("a")
    other = sqlite3.connect(tmp_path / "cache" / "cache.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert world.ask("GetPrice", {"sku": "a"}).note["outcome"] == "hit"
    assert world.ask("GetPrice", {"sku": "b"}).note["kept"] is False
    other.execute("ROLLBACK")
    other.close()
    backend.close()
