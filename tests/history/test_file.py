"""The history file: what is written comes back, values once, whatever is in them; and what is no history is told so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sfnrun.effects import Answered, Failed, Resumed, Slept, Started, Stopped, Submitted, Succeeded, TimedOut
from sfnrun.errors import HistoryError
from sfnrun.history.file import BATCH, INLINE, HistoryFile
from sfnrun.history.lock import is_held
from sfnrun.history.recording import FORMAT, read
from sfnrun.payload import Payload
from sfnrun.record import Event, Note

START = {"name": "n", "start_time": 1000}
LARGE = "x" * (INLINE + 1)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode("utf-8", "surrogatepass").split("\n")[:-1]]


@pytest.fixture
def file(tmp_path: Path) -> HistoryFile:
    history = HistoryFile(tmp_path / "n.jsonl", START)
    yield history
    history.close()


def written(file: HistoryFile) -> tuple[dict[str, Any], ...]:
    """What was written, as it is read back; the start line is left out."""
    file.close()
    return tuple(dict(line) for line in read(file.path).lines)


# --- what is written comes back ---

EVENTS = [
    ("PassStateEntered", {"name": "A", "input": Payload({"x": 1})}, {"name": "A", "input": '{"x":1}'}),
    ("PassStateExited", {"name": 'quote " and \\', "output": Payload(LARGE)},
     {"name": 'quote " and \\', "output": f'"{LARGE}"'}),
    ("MapStateStarted", {"length": 3}, {"length": 3}),
    ("MapIterationStarted", {"index": 0, "name": "M"}, {"index": 0, "name": "M"}),
    ("TaskScheduled", {"parameters": Payload([1]), "taskCredentials": {"roleArn": "r"}},
     {"parameters": "[1]", "taskCredentials": {"roleArn": "r"}}),
    ("PassStateExited", {"assignedVariables": {"v": Payload(LARGE), "w": Payload(None)}},
     {"assignedVariables": {"v": f'"{LARGE}"', "w": "null"}}),
    ("ExecutionFailed", {"error": "E", "cause": "line\r\nbreak\u2028 and ü"},
     {"error": "E", "cause": "line\r\nbreak\u2028 and ü"}),
    ("LambdaFunctionStarted", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("type", "details", "told"), EVENTS)
@pytest.mark.parametrize("fiber", ["", "1.0/2.7"])
def test_an_event_comes_back(type: str, details: Any, told: Any, fiber: str, file: HistoryFile) -> None:
    file.event(Event(5, 4, 1250, type, fiber, details))
    envelope = {"event": type, "at": 250, "previous": 4, **({"fiber": fiber} if fiber else {})}
    assert written(file) == ({**envelope, **told},)


ANSWERS = [
    (Started(), {}),
    (Started("w1"), {"worker_name": "w1"}),
    (Submitted(Payload({"id": 1})), {"output": '{"id":1}'}),
    (Succeeded(Payload(LARGE), {"outcome": "hit"}), {"output": f'"{LARGE}"', "note": {"outcome": "hit"}}),
    (Failed(None), {}),
    (Failed("E", 'why "so"'), {"error": "E", "cause": 'why "so"'}),
    (TimedOut(heartbeat=True), {"heartbeat": True}),
    (Slept(), {}),
    (Resumed("skip", Payload(1)), {"action": "skip", "input": "1"}),
    (Stopped("E"), {"error": "E"}),
]


@pytest.mark.parametrize(("answer", "told"), ANSWERS, ids=lambda value: type(value).__name__)
def test_an_answer_comes_back(answer: Any, told: Any, file: HistoryFile) -> None:
    file.answer(Answered(1300, ":1", answer))
    line = {"answer": type(answer).__name__, "at": 300, "key": ":1", **told}
    assert written(file) == (line,)


def test_a_note_comes_back(file: HistoryFile) -> None:
    file.note(Note("log", 1001, "1.0", "A", {"text": "printed"}))
    assert written(file) == ({"note": "log", "at": 1, "fiber": "1.0", "state": "A", "details": {"text": "printed"}},)


TEXTS = [
    '{"a": 1.0,  "b":[1e5, -0]}',
    '"half \\ud800 of a pair"',
    '"\u2028\u2029\x85"',
    "123456789012345678901234567890",
    "[" * 990 + "]" * 990,
    '{\n  "pretty": [\n    1\n  ]\n}',
    '{\r\n  "windows": 1\r\n}',
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("padding", ["", " " * INLINE], ids=["in its line", "in a line of its own"])
def test_a_text_comes_back_as_it_was(text: str, padding: str, file: HistoryFile) -> None:
    payload = Payload.parse(text + padding)
    file.event(Event(2, 0, 1000, "PassStateEntered", "", {"input": payload}))
    assert written(file)[0]["input"] == text + padding


def test_half_a_surrogate_pair_that_came_as_a_character(file: HistoryFile) -> None:
    file.event(Event(2, 0, 1000, "ExecutionFailed", "", {"cause": "\ud800"}))
    assert written(file)[0]["cause"] == "\ud800"


def test_a_large_value_is_written_once(file: HistoryFile) -> None:
    payload = Payload(LARGE)
    for id in range(2, 102):
        file.event(Event(id, id - 1, 1000, "PassStateEntered", "", {"name": "S", "input": payload}))
    file.close()
    raw = lines_of(file.path)
    assert [line["json"] for line in raw if "value" in line] == [LARGE]
    assert {line["input"] for line in raw if "event" in line} == {1}
    assert {line["input"] for line in read(file.path).lines} == {f'"{LARGE}"'}


def test_a_value_is_written_once_in_each_file(tmp_path: Path) -> None:
    payload = Payload(LARGE)
    for name in ("a", "b"):
        file = HistoryFile(tmp_path / f"{name}.jsonl", START)
        file.event(Event(2, 0, 1000, "PassStateEntered", "", {"input": payload}))
        assert written(file)[0]["input"] == f'"{LARGE}"'


def test_events_are_kept_back_until_there_is_a_batch(file: HistoryFile) -> None:
    for id in range(BATCH - 1):
        file.event(Event(id, 0, 1000, "PassStateEntered", "", {}))
    assert len(read(file.path).lines) == 0
    file.event(Event(BATCH, 0, 1000, "PassStateEntered", "", {}))
    assert len(read(file.path).lines) == BATCH


def test_fsync_is_called_for_every_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    file = HistoryFile(tmp_path / "n.jsonl", START, fsync=True)
    before = len(synced)
    file.answer(Answered(1000, ":1", Slept()))
    file.flush()
    file.flush()
    assert len(synced) == before + 1
    file.close()


def test_an_execution_has_one_owner(file: HistoryFile) -> None:
    assert is_held(file.path)
    with pytest.raises(HistoryError, match="execution 'n' is running in another process"):
        HistoryFile.reopen(file.path)
    file.close()
    assert not is_held(file.path)


def test_a_history_that_was_cut_off_is_gone_on_with(file: HistoryFile) -> None:
    """Without what is left of its last line, and without writing a large value again."""
    file.event(Event(2, 0, 1000, "PassStateEntered", "", {"input": Payload(LARGE)}))
    file.close()
    with file.path.open("ab") as torn:
        torn.write(b'{"event":"PassSta')
    again, recording = HistoryFile.reopen(file.path)
    assert len(recording.lines) == 1
    again.event(Event(3, 2, 1000, "PassStateExited", "", {"output": Payload(LARGE)}))
    assert [line.get("input", line.get("output")) for line in written(again)] == [f'"{LARGE}"'] * 2
    assert sum("value" in line for line in lines_of(file.path)) == 1


# --- what is no history, or not a whole one ---

GOOD = '{"sfnrun":1,"start_time":0}\n{"event":"ExecutionStarted","at":0,"previous":0,"input":"{}"}\n'
UNREADABLE = {
    "empty": ("", r"file .* is empty"),
    "blank lines": ("\n\n", "is empty"),
    "something else": ("hello\nworld\n", "is not an sfnrun history"),
    "something else on one line": ("hello", "is not an sfnrun history"),
    "JSON of something else": ('{"events": []}\n', "is not an sfnrun history"),
    "a list": ("[1]\n", "line 1: not an object"),
    "the start cut off": ('{"sfnrun":1,"start_t', "is not an sfnrun history"),
    "a newer format": (f'{{"sfnrun":{FORMAT + 1},"start_time":0}}\n',
                       rf"has format {FORMAT + 1}, but this version of sfnrun reads formats up to {FORMAT}"),
    "a damaged line": (GOOD + '{"event":"Pass\n{}\n', "is damaged: line 3: not JSON"),
    "a line that is no object": (GOOD + "7\n", "is damaged: line 3: not an object"),
    "a blank line": (GOOD + "\n" + GOOD.splitlines()[1] + "\n", "is damaged: line 3: not JSON"),
    "a value that was never written": (GOOD + '{"event":"PassStateEntered","at":0,"previous":0,"input":7}\n',
                                       "line 3: value 7 not found"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_told_so(what: str, tmp_path: Path) -> None:
    content, message = UNREADABLE[what]
    path = tmp_path / "h.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(HistoryError, match=message) as refused:
        read(path)
    assert str(path) in refused.value.message


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(HistoryError, match="is not an sfnrun history"):
        read(tmp_path / "h.jsonl")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="history not found") as refused:
        read(tmp_path / "h.jsonl")
    assert "trace list" in refused.value.hint


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"cannot read history .*: Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_dropped(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    line = '{"event":"PassStateEntered","at":0,"previous":0,"name":"é€😀"}'.encode()
    path.write_bytes(GOOD.encode() + line[:cut])
    recording = read(path)
    assert [one["event"] for one in recording.lines] == ["ExecutionStarted"]
    assert not recording.complete


def test_line_ends_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert [one["event"] for one in read(path).lines] == ["ExecutionStarted"]


@pytest.mark.parametrize("end", ["ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"])
def test_a_recording_with_an_end_is_complete(end: str, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(GOOD + f'{{"event":"{end}","at":0,"previous":1}}\n', encoding="utf-8")
    assert read(path).complete


# --- what a crash or a full disk leaves ---


def test_the_torn_line_of_a_crash_is_gone_before_anything_is_written(file: HistoryFile) -> None:
    """Otherwise a second crash, in the middle of a shorter line, would leave a piece of the first."""
    file.event(Event(1, 0, 1000, "PassStateEntered", "", {"name": "A"}))
    file.close()
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + b'{"event":"PassStateExited","at":')
    again, recording = HistoryFile.reopen(file.path)
    assert file.path.read_bytes() == whole
    assert len(list(recording.lines)) == 1
    again.event(Event(2, 1, 1000, "PassStateExited", "", {"name": "A"}))
    again.close()
    assert [line["event"] for line in lines_of(file.path)[1:]] == ["PassStateEntered", "PassStateExited"]


def test_a_write_that_takes_only_a_part_is_continued(file: HistoryFile) -> None:
    class Halting:
        """A file on a disk that fills up: a write takes at most seven bytes."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: Any) -> int:
            return self.file.write(bytes(data[:7]))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    file._file = Halting(file._file)
    file.event(Event(5, 4, 1250, "PassStateEntered", "", {"name": "A", "input": Payload(LARGE)}))
    assert written(file) == (
        {"event": "PassStateEntered", "at": 250, "previous": 4, "name": "A", "input": f'"{LARGE}"'},
    )
