"""An execution whose process died goes on from its history: what was answered is not asked again, deadlines stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cases import definition_of
from running import run

import sfnrun
from sfnrun import DivergenceError, Reply, Request, SfnrunError, TaskFailed
from sfnrun.api.caching import CacheOptions
from sfnrun.api.options import moment
from sfnrun.history.file import HistoryFile
from sfnrun.history.listing import summaries
from sfnrun.history.lock import is_held
from sfnrun.history.recording import read
from sfnrun.record import Note

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"


def task(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA + name, **fields}


def machine(**states: Any) -> dict[str, Any]:
    return definition_of({"states": states})


class World:
    """Answers requests with a function, and remembers them."""

    def __init__(self, answer: Any = lambda request: {}) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Any:
        self.asked.append(request)
        return self.answer(request)

    @property
    def states(self) -> list[str]:
        return [request.state for request in self.asked]


def cut(path: Path, until: str, keep: bool = True, torn: bytes = b"") -> Path:
    """Cut a history after (or before) the first line that has a text, as kill -9 does."""
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if until.encode() in line)
    path.write_bytes(b"".join(lines[: at + keep]) + torn)
    return path


def recorded(folder: Path, definition: Any, world: Any, **options: Any) -> Path:
    result = run(definition, options.pop("input", None), tasks=world, store=folder, name="n", **options)
    assert result.history is not None
    return result.history


TWO = machine(A=task(Next="B"), B=task(End=True))


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    before = World(lambda request: {"by": request.state})
    path = cut(recorded(tmp_path, TWO, before), '"name":"B"')
    after = World(lambda request: {"by": request.state})
    result = sfnrun.resume(path, tasks=after)
    assert (result.status, result.output) == ("SUCCEEDED", {"by": "B"})
    assert after.states == ["B"]


def test_a_task_in_flight_is_asked_again_under_the_same_id(tmp_path: Path) -> None:
    before = World()
    path = cut(recorded(tmp_path, TWO, before), '"Succeeded"', keep=False)
    after = World()
    result = sfnrun.resume(path, tasks=after)
    first, again = before.asked[0], after.asked[0]
    assert (first.key, first.id, first.state, first.attempt) == (again.key, again.id, again.state, again.attempt)
    types = [event["type"] for event in result.events]
    assert types.count("LambdaFunctionStarted") == 2, "one for each task, though the first was started twice"


def test_retries_keep_their_count(tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        raise TaskFailed("E", str(request.attempt))

    definition = machine(A=task(Retry=[{"ErrorEquals": ["E"], "MaxAttempts": 3}], End=True))
    path = recorded(tmp_path, definition, World(answer))
    alone = read(path).lines
    cut(path, '"attempt":2')
    after = World(answer)
    result = sfnrun.resume(path, tasks=after)
    assert [request.attempt for request in after.asked] == [2, 3]
    assert (result.status, result.cause) == ("FAILED", "3")
    assert [line for line in read(path).lines if line.get("note") != "resumed"] == list(alone)


def test_a_wait_keeps_its_end_under_the_real_clock(tmp_path: Path) -> None:
    definition = machine(W={"Type": "Wait", "Seconds": 3600, "End": True})
    began = int(time.time() * 1000) - 3_599_900
    path = recorded(tmp_path, definition, None, start_time=began)
    cut(path, "WaitStateEntered")
    path.write_text(path.read_text().replace('"clock":"virtual"', '"clock":"real"'))
    result = sfnrun.resume(path)
    assert result.status == "SUCCEEDED"
    assert 3_600 <= result.took.total_seconds() < 3_605


def test_a_virtual_clock_goes_on_where_it_stood(tmp_path: Path) -> None:
    definition = machine(A=task(Next="W"), W={"Type": "Wait", "Seconds": 60, "End": True})
    world = World(lambda request: Reply({}, duration_ms=1000))
    path = recorded(tmp_path, definition, world, start_time=5_000)
    cut(path, "WaitStateEntered")
    result = sfnrun.resume(path, tasks=world)
    assert (result.started, result.ended) == (moment(5_000), moment(66_000))


def test_a_task_has_its_time_anew(tmp_path: Path) -> None:
    """Its process was dead for a day: that is no reason for a TimeoutSeconds of a minute to be over."""
    definition = machine(A=task(TimeoutSeconds=60, End=True))
    path = recorded(tmp_path, definition, World(), start_time=int(time.time() * 1000) - 86_400_000)
    cut(path, '"Started"')
    path.write_text(path.read_text().replace('"clock":"virtual"', '"clock":"real"'))
    assert sfnrun.resume(path, tasks=World(lambda request: 1)).output == 1


@pytest.mark.parametrize("torn", [b"", b"{", b'{"event":"Lamb', '{"answer":"Succeeded","output":"é'.encode()[:-1]])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = recorded(tmp_path, TWO, World())
    alone = read(path).lines
    cut(path, '"Started"', torn=torn)
    sfnrun.resume(path, tasks=World())
    assert [line for line in read(path).lines if line.get("note") != "resumed"] == list(alone)


def test_large_values_are_still_written_once(tmp_path: Path) -> None:
    large = "x" * 10_000
    definition = machine(A=task(Next="P"), P={"Type": "Pass", "Next": "B"}, B=task(End=True))
    path = recorded(tmp_path, definition, World(lambda request: large), input=large)
    times = path.read_text().count(large)
    cut(path, "PassStateExited")
    sfnrun.resume(path, tasks=World(lambda request: large))
    assert path.read_text().count(large) <= times


def test_the_definition_is_the_recorded_one(tmp_path: Path) -> None:
    file = tmp_path / "machine.asl.json"
    file.write_text(json.dumps(TWO))
    path = cut(recorded(tmp_path, file, World()), '"Started"')
    file.write_text("{}")
    assert sfnrun.resume(path, tasks=World()).status == "SUCCEEDED"


def test_functions_are_found_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/f.py").write_text("def handler(event, context): return {'from': 'mine'}\n")
    result = sfnrun.run(machine(A=task(End=True)), functions="mine", store=tmp_path, name="n")
    assert result.history is not None
    cut(result.history, '"Started"')
    assert sfnrun.resume(result.history).output == {"from": "mine"}


def test_tasks_that_nobody_answers_are_told_before_anything_is_written(tmp_path: Path) -> None:
    path = cut(recorded(tmp_path, TWO, World()), '"Started"')
    before = path.read_bytes()
    with pytest.raises(sfnrun.SfnrunError, match="A") as refused:
        sfnrun.resume(path)
    assert type(refused.value).__name__ == "UnansweredTaskError"
    assert path.read_bytes() == before
    assert not is_held(path)


def test_one_that_has_ended_cannot_be_resumed(tmp_path: Path) -> None:
    path = recorded(tmp_path, TWO, World())
    with pytest.raises(SfnrunError, match="has already ended"):
        sfnrun.resume(path, tasks=World())


def test_a_history_that_does_not_come_out_of_its_definition_diverges(tmp_path: Path) -> None:
    path = cut(recorded(tmp_path, TWO, World()), '"Succeeded"')
    path.write_text(path.read_text().replace('"TaskStateEntered"', '"PassStateEntered"'))
    with pytest.raises(DivergenceError):
        sfnrun.resume(path, tasks=World())


def test_an_execution_has_one_owner(tmp_path: Path) -> None:
    seen = {}

    def answer(request: Request) -> Any:
        path = tmp_path / "n.jsonl"
        seen["held"] = is_held(path)
        seen["status"] = [each.status for each in summaries(tmp_path)]
        with pytest.raises(SfnrunError, match="is running in another process"):
            sfnrun.resume(path, tasks=World())
        return {}

    path = recorded(tmp_path, machine(A=task(End=True)), World(answer))
    assert seen == {"held": True, "status": ["RUNNING"]}
    assert not is_held(path)
    assert [each.status for each in summaries(tmp_path)] == ["SUCCEEDED"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    path = cut(recorded(tmp_path, TWO, World()), '"Started"')
    script = (
        "import os, sys, pathlib\n"
        "from sfnrun.history.file import HistoryFile\n"
        "file, _ = HistoryFile.reopen(pathlib.Path(sys.argv[1]))\n"
        "if os.fork(): os._exit(0)\n"
        "os.close(1)\n"
        "sys.stdin.read()\n"  # the child outlives its parent
    )
    child = subprocess.Popen([sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()
    assert child.wait() == 0
    assert not is_held(path)
    assert child.stdin is not None
    child.stdin.close()
    child.stdout.close()


def test_a_crashed_one_is_listed_as_such(tmp_path: Path) -> None:
    path = recorded(tmp_path, TWO, World())
    assert [each.status for each in summaries(tmp_path)] == ["SUCCEEDED"]
    cut(path, '"Started"')
    assert [each.status for each in summaries(tmp_path)] == ["CRASHED"]
    sfnrun.resume(path, tasks=World())
    assert [each.status for each in summaries(tmp_path)] == ["SUCCEEDED"]


def test_an_index_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    recorded(tmp_path, TWO, World())
    expected = summaries(tmp_path)
    for damage in (b"", b"{", b'{"format":99,"files":{}}', b"\xff"):
        (tmp_path / ".index").write_bytes(damage)
        assert summaries(tmp_path) == expected


def test_what_happened_before_is_told_too(tmp_path: Path) -> None:
    class Ear:
        def __init__(self) -> None:
            self.events: list[int] = []
            self.notes: list[str] = []

        def event(self, event: Any) -> None:
            self.events.append(event.id)

        def note(self, note: Any) -> None:
            self.notes.append(note.kind)

    ear = Ear()

    def answer(request: Request) -> Any:
        request.log(f"hello from {request.state}")
        return {}

    path = cut(recorded(tmp_path, TWO, World(answer)), '"Succeeded"')
    result = sfnrun.resume(path, tasks=World(answer), listener=ear)
    assert ear.events == [event["id"] for event in result.events] == list(range(1, 13))
    assert ear.notes == ["log", "resumed", "log"], "what A said before, what B says now"


def test_all_is_synced_before_a_task_is_asked_if_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    before: list[int] = []
    recorded(tmp_path, TWO, World(lambda request: before.append(len(synced))), fsync=True)
    assert before == [3, 4], "its folder and its first line, too"
    assert len(synced) == 5
    synced.clear()
    recorded(tmp_path / "other", TWO, World())
    assert synced == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to try")
def test_a_full_disk_is_told_and_the_rest_can_be_resumed(tmp_path: Path) -> None:
    path = cut(recorded(tmp_path, TWO, World()), '"Started"')
    file, _ = HistoryFile.reopen(path)
    before = file._file
    with open("/dev/full", "wb", buffering=0) as full:
        file._file = full
        file.note(Note("log", 0, "", "A", {"text": "x"}))
        with pytest.raises(SfnrunError, match=r"cannot write history .*: No space left"):
            file.flush()
    before.close()
    assert sfnrun.resume(path, tasks=World()).status == "SUCCEEDED"


@pytest.mark.parametrize(("asked", "options"), [([], {}), (["B"], {"cache": CacheOptions(off=True)})])
def test_what_another_execution_kept_is_not_asked_again(asked: list[str], options: Any, tmp_path: Path) -> None:
    settings = tmp_path / "sfnrun.yaml"
    settings.write_text("tasks: {B: {cache: {ttl: 1h}}}")
    sfnrun.run(TWO, tasks=World(), config=settings, seed=1)
    path = cut(recorded(tmp_path, TWO, World(), seed=1), '"Succeeded"')
    after = World()
    result = sfnrun.resume(path, tasks=after, config=settings, **options)
    assert (after.states, result.status) == (asked, "SUCCEEDED")
    notes = [line["details"]["outcome"] for line in read(path).lines if line.get("note") == "cache"]
    assert notes == (["hit"] if not asked else ["bypass"])
