"""Executions are stopped from outside: where they run, or, if their process is dead, where their history is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sfnrun
from sfnrun import SfnrunError
from sfnrun.history.lock import is_held
from sfnrun.history.recording import read

TASK = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": True}
WAITS = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "Next": "T"}, "T": TASK}}
WORKS = {"StartAt": "T", "States": {"T": TASK}}

SCRIPT = """
import json, sys, time, sfnrun
def answer(request):
    print("asked", flush=True)
    time.sleep(3600)
sfnrun.run(json.loads(sys.argv[1]), tasks=answer, store=sys.argv[2], name="n", clock="real")
"""


@pytest.fixture(params=[WAITS, WORKS], ids=["waits", "works"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """An execution in a process of its own that would take an hour."""
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(request.param), str(tmp_path)], stdout=subprocess.PIPE
    )
    path = tmp_path / "n.jsonl"
    deadline = time.monotonic() + 30
    while not (is_held(path) and b"StateEntered" in path.read_bytes()):
        if request.param is WAITS and is_held(path):
            break  # it has nothing to write before the wait is over
        assert time.monotonic() < deadline
    yield path, process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_one_that_runs_elsewhere_is_stopped(running: tuple[Path, subprocess.Popen[bytes]]) -> None:
    path, process = running
    result = sfnrun.stop(path, error="Enough", cause="said the test")
    assert (result.status, result.error, result.cause) == ("ABORTED", "Enough", "said the test")
    assert process.wait(10) == 0
    last = sfnrun.replay(path).events[-1]
    assert last["executionAbortedEventDetails"] == {"error": "Enough", "cause": "said the test"}
    assert [file.name for file in path.parent.iterdir()] == ["n.jsonl"], "nothing is left beside the history"


def test_a_real_kill_is_resumed_or_stopped(running: tuple[Path, subprocess.Popen[bytes]]) -> None:
    path, process = running
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not is_held(path)
    assert not read(path).complete
    result = sfnrun.stop(path)
    assert result.status == "ABORTED"
    assert sfnrun.replay(path).status == "ABORTED"
    with pytest.raises(SfnrunError, match="has already ended"):
        sfnrun.stop(path)


def test_a_stop_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sfnrun.history.file import HistoryFile

    result = sfnrun.run(WORKS, tasks=lambda request: 1, store=tmp_path, name="n")
    path: Any = result.history
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    deaf, _ = HistoryFile.reopen(path)
    with pytest.raises(SfnrunError, match=r"did not stop within 0.01 seconds"):
        sfnrun.stop(path, timeout=0.01)
    assert not path.with_suffix(".stop").exists()
    deaf.close()
