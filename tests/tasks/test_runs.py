"""Functions in executions: timeouts, retries, items side by side, what they print; under both clocks."""

from __future__ import annotations

import io
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asking import ARN, INVOKE

import sfnrun
from sfnrun.config import FunctionSettings, Settings
from sfnrun.errors import UnansweredTaskError
from sfnrun.record import Event, Note

CLOCKS = ["virtual", "real"]
MODES = ["in-process", "process"]


@pytest.fixture
def door(monkeypatch) -> Iterator[SimpleNamespace]:
    """A module by which a test reaches into a handler; what waits in front of it may go on at the end."""
    opened = SimpleNamespace(event=threading.Event())
    monkeypatch.setitem(sys.modules, "door", opened)
    yield opened
    opened.event.set()


class Heard:
    """A listener that keeps what handlers print."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def event(self, event: Event) -> None: ...

    def note(self, note: Note) -> None:
        if note.kind == "log":
            self.lines.append(note.details["text"])


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[sfnrun.Result, list[str]]]:
    """Run a machine of one Task whose function `f` has this text; the result, and what was told."""

    def run_task(text: str, clock: str, given: Any = None, *, mode: str = "", timeout: float = 3, **state: Any) -> Any:
        (tmp_path / "f.py").write_text(textwrap.dedent(text))
        task = {"Type": "Task", "Resource": f"{ARN}:f", "End": True, **state}
        settings = FunctionSettings(timeout=timeout, mode=mode or None)
        config = Settings(functions_dir=tmp_path, functions={"f": settings})
        heard = Heard()
        definition = {"StartAt": "S", "States": {"S": task}}
        result = sfnrun.run(definition, given, config=config, clock=clock, listener=heard, seed=1)
        return result, heard.lines

    return run_task


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_timeout(clock: str, mode: str, run, door) -> None:
    wait = "import door\nwait = door.event.wait" if mode == "in-process" else "from time import sleep as wait"
    module = f"{wait}\nprint('cold')\ndef handler(event, context): wait(30)"
    retry = (
        [{"ErrorEquals": ["Sandbox.Timedout"], "MaxAttempts": 1, "IntervalSeconds": 1}] if clock == "virtual" else []
    )
    result, lines = run(module, clock, mode=mode, timeout=0.05, Retry=retry)
    assert (result.status, result.error) == ("FAILED", "Sandbox.Timedout")
    assert result.cause.endswith(' Error: Task timed out after 0.05 seconds"}')
    assert lines.count("cold") == 1 + len(retry), "the retry finds a cold function"
    assert lines[-1].startswith("f timed out after 0.05 s; to allow more")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_slow_import_is_no_timeout(clock: str, mode: str, run) -> None:
    module = "import time\ntime.sleep(1.2)\ndef handler(event, context): return 'in time'"
    result, _ = run(module, clock, mode=mode, timeout=1)
    assert result.output == "in time"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("clock", CLOCKS)
def test_what_functions_print_is_in_the_trace_alone(clock: str, mode: str, run, capfd) -> None:
    module = "def handler(event, context):\n    print('hello')\n    return event"
    result, lines = run(module, clock, {"a": 1}, mode=mode)
    assert result.output == {"a": 1}
    assert lines == ["hello"]
    assert capfd.readouterr() == ("", "")


HOSTILE = {
    "raises in a thread": (
        "from threading import Thread\n"
        "def handler(e, c):\n    t = Thread(target=lambda: 1 / 0)\n    t.start()\n    t.join()"
    ),
    "exits": "import sys\ndef handler(e, c): sys.exit(1)",
    "is no function": "handler = {}",
    "returns itself": "def handler(e, c): return handler",
    "returns a deep value": "def handler(e, c):\n    v = []\n    for _ in range(100_000): v = [v]\n    return v",
    "returns a huge value": "def handler(e, c): return 'x' * 10_000_000",
    "returns a value over 256 KB": "def handler(e, c): return 'x' * 300_000",
    "returns NaN": "def handler(e, c): return float('nan')",
    "has a result that breaks": (
        "class D(dict):\n    def items(self): raise RuntimeError\ndef handler(e, c): return D(a=1)"
    ),
    "raises an error that breaks": (
        "class E(Exception):\n    def __str__(self): raise self\ndef handler(e, c): raise E"
    ),
    "raises a BaseException": "class E(BaseException): pass\ndef handler(e, c): raise E",
    "deletes stdout": "import sys\ndef handler(e, c): del sys.stdout; del sys.stderr",
    "closes everything": "import sys\ndef handler(e, c): sys.stdout.close(); sys.stderr.close(); sys.stdin.close()",
    "breaks os.environ": "import os\ndef handler(e, c): os.environ.clear(); os.environ[1] = 2",
    "wants another module's handler": "from elsewhere import handler",
    "imports itself": "import f\nhandler = f.handler",
    "is not Python": "<?php echo 1; ?>",
    "is binary": "\x00\x01",
}


@pytest.mark.parametrize(("clock", "mode"), [("virtual", "in-process"), ("real", "in-process"), ("real", "process")])
@pytest.mark.parametrize("module", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_hostile_functions_fail_or_succeed_and_nothing_else(
    module: str, clock: str, mode: str, run, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    result, _ = run(module, clock, mode=mode)
    assert result.status in ("SUCCEEDED", "FAILED")
    assert "sfnrun/tasks" not in (result.cause or "")
    assert "sfnrun" not in capsys.readouterr().err


@pytest.mark.parametrize("mode", MODES)
def test_items_run_side_by_side_in_one_function(mode: str, tmp_path: Path, door) -> None:
    if mode == "in-process":
        wait = "import door\nwait = door.all_here.wait"
        door.all_here = threading.Barrier(8)
    else:  # each waits until all have begun
        wait = (
            "import os, time\n"
            "def wait(seconds):\n"
            f"    open(os.path.join({str(tmp_path)!r}, f'here-{{os.getpid()}}'), 'w').close()\n"
            f"    while len([n for n in os.listdir({str(tmp_path)!r}) if n.startswith('here')]) < 8: time.sleep(0.01)"
        )
    (tmp_path / "f.py").write_text(
        f"{wait}\nprint('cold')\ndef handler(event, context):\n    wait(10)\n    print(event)\n    return event"
    )
    parameters = {"FunctionName": "f", "Payload.$": "$"}
    task = {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, "OutputPath": "$.Payload", "End": True}
    processor = {"StartAt": "T", "States": {"T": task}}
    definition = {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": processor, "End": True}}}
    heard = Heard()
    settings = FunctionSettings(timeout=20, mode=mode)
    config = Settings(functions_dir=tmp_path, functions={"f": settings})
    result = sfnrun.run(definition, list(range(8)), config=config, clock="real", listener=heard)
    assert result.output == list(range(8))
    cold_starts = 1 if mode == "in-process" else 8
    assert sorted(heard.lines) == ["0", "1", "2", "3", "4", "5", "6", "7", *["cold"] * cold_starts]


def test_a_machine_that_nobody_answers_does_not_start(tmp_path: Path) -> None:
    definition = {"StartAt": "S", "States": {"S": {"Type": "Task", "Resource": f"{ARN}:f", "End": True}}}
    with pytest.raises(UnansweredTaskError) as caught:
        sfnrun.run(definition, config=Settings(functions_dir=tmp_path), store=tmp_path / "history")
    assert caught.value.message == "no handler or mock for 1 Task:\n  S (<definition>:1:26) calls the function f"
    assert not (tmp_path / "history").exists()
