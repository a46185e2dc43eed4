"""resume, redrive, stop, what the list tells of them, and replay as a test, as a shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CODE = "def handler(event, context):\n    return {'id': 1}\n"
BROKEN = "def handler(event, context):\n    raise RuntimeError('no')\n"
HISTORIES = Path(".sfnrun/executions")


def cut(name: str, until: str) -> None:
    """What kill -9 leaves of a history."""
    path = HISTORIES / f"{name}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if until.encode() in line)
    path.write_bytes(b"".join(lines[: at + 1]) + b'{"torn')


@pytest.fixture
def order(definition, function):
    """A machine whose second Task can be broken."""
    first, second = function("reserve", CODE), function("charge", CODE)
    del first["End"]
    return definition({"Reserve": {**first, "Next": "Charge"}, "Charge": second}, name="order.asl.json")


@pytest.fixture
def crashed(sfn, order):
    assert sfn("execute", order, "--name", "one", "-q").code == 0
    cut("one", '"Succeeded"')


def test_a_crashed_one_is_resumed(sfn, crashed):
    assert sfn("trace", "list").out.split()[:2] == ["one", "CRASHED"]
    done = sfn("resume", "one")
    assert (done.code, done.out) == (0, '{"id": 1}\n')
    trace = [["↻", "resumed"], ["✓", "Reserve"], ["✓", "Charge"]]
    assert [line.split()[:2] for line in done.err.splitlines()[:3]] == trace
    assert sfn("trace", "list").out.split()[:2] == ["one", "SUCCEEDED"]
    assert sfn("trace", "replay", "one", "-q") == (0, '{"id": 1}\n', "")
    assert [line.split()[:2] for line in sfn("trace", "show", "one").out.splitlines()[:3]] == trace


def test_last_is_the_last_that_can_be_resumed(sfn, crashed, hello):
    assert sfn("execute", hello, "--name", "after").code == 0
    assert sfn("resume", "-q") == (0, '{"id": 1}\n', "")
    done = sfn("resume", "last")
    assert (done.code, done.out) == (2, "")
    assert "no execution in .sfnrun/executions has crashed" in done.err


def test_all_of_them_are_resumed(sfn, order):
    for name in ("one", "two", "three"):
        assert sfn("execute", order, "--name", name, "-q").code == 0
    for name in ("one", "three"):
        cut(name, '"Started"')
    done = sfn("resume", "--all", "-q")
    assert (done.code, done.out) == (0, '{"id": 1}\n{"id": 1}\n')
    assert sfn("trace", "list", "--status", "SUCCEEDED").out.count("SUCCEEDED") == 3
    done = sfn("resume", "--all")
    assert (done.code, done.out) == (0, "")
    assert "no execution in .sfnrun/executions has crashed" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no execution in .sfnrun/executions has crashed"),
        (["one", "--all"], "--all cannot be combined with a RUN"),
        (["one"], "has already ended (SUCCEEDED)"),
        (["on"], "did you mean 'one'?"),
    ],
)
def test_what_cannot_be_resumed_is_told(sfn, order, arguments, message):
    assert sfn("execute", order, "--name", "one", "-q").code == 0
    done = sfn("resume", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_failed_one_is_redriven_when_its_handler_is_mended(sfn, order, function, folder):
    function("charge", BROKEN)
    assert sfn("execute", order, "--name", "one", "-q").code == 1
    done = sfn("redrive", "one", "-q")
    assert (done.code, done.out) == (1, "")
    assert "RuntimeError" in done.err
    function("charge", CODE)
    done = sfn("redrive", "one")
    assert (done.code, done.out) == (0, '{"id": 1}\n')
    assert "redriven, redrive 2" in done.err
    done = sfn("redrive", "one")
    assert (done.code, done.out) == (1, "")
    assert "SUCCEEDED and cannot be redriven" in done.err


def test_a_redrive_from_elsewhere_with_something_else(sfn, order, function, definition, folder):
    function("charge", BROKEN)
    assert sfn("execute", order, "--name", "one", "-q").code == 1
    mended = definition({"Reserve": {"Type": "Pass", "Next": "Charge"}, "Charge": {"Type": "Pass", "End": True}})
    (folder / "input.json").write_text('{"edited": true}')
    done = sfn("redrive", "one", "--from", "Reserve", "-i", "input.json", "--definition", mended, "-q")
    assert done == (0, '{"edited": true}\n', "")
    assert sfn("trace", "replay", "one", "-q") == (0, '{"edited": true}\n', "")
    line = next(line for line in (HISTORIES / "one.jsonl").read_text().splitlines() if "Redriven" in line)
    recorded = json.loads(line)
    assert (recorded["state"], recorded["input"], recorded["file"]) == ("Reserve", '{"edited": true}', mended)


def test_a_crashed_one_can_be_stopped(sfn, crashed):
    done = sfn("stop", "one", "--error", "Enough", "--cause", "for today")
    assert done == (0, "", "one ABORTED\n")
    assert sfn("trace", "list").out.split()[-1] == "Enough"
    done = sfn("stop", "one")
    assert (done.code, done.out) == (1, "")
    assert "has already ended" in done.err


FOUND = [
    (["--status", "failed"], ["bad"]),
    (["--status", "SUCCEEDED", "--status", "FAILED"], ["bad", "good"]),
    (["--machine", "goo*"], ["good"]),
    (["--machine", "x"], []),
    (["--since", "1h"], ["bad", "good"]),
    (["--since", "2099-01-01"], []),
    (["--text", "Over"], ["bad"]),
    (["--text", "NotThere"], []),
]


@pytest.mark.parametrize(("arguments", "names"), FOUND, ids=[" ".join(arguments) for arguments, _ in FOUND])
def test_executions_are_found(sfn, definition, arguments, names):
    good = definition({"A": {"Type": "Pass", "End": True}}, name="good.asl.json")
    bad = definition({"F": {"Type": "Fail", "Error": "Over"}}, name="bad.asl.json")
    sfn("execute", good, "--name", "good", "-q")
    sfn("execute", bad, "--name", "bad", "-q")
    done = sfn("trace", "list", *arguments)
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == names
    assert ("no matching executions (2 in" in done.err) == (not names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--status", "BAD"], "unknown status 'BAD'"), (["--since", "soon"], "invalid time for --since")],
)
def test_what_cannot_be_looked_for_is_told(sfn, hello, arguments, message):
    sfn("execute", hello, "-q")
    done = sfn("trace", "list", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_many_histories_are_checked(sfn, definition, folder):
    one = definition({"A": {"Type": "Pass", "Result": {"n": 1}, "End": True}}, name="one.asl.json")
    two = definition({"A": {"Type": "Pass", "Result": {"n": 2}, "End": True}}, name="two.asl.json")
    for name, file in (("a", one), ("b", one), ("c", two)):
        assert sfn("execute", file, "--name", name, "-q").code == 0
    pattern = str(HISTORIES / "*.jsonl")
    done = sfn("trace", "replay", "--check", pattern)
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        f"✓ {HISTORIES}/a.jsonl  SUCCEEDED, 4 events",
        f"✓ {HISTORIES}/b.jsonl  SUCCEEDED, 4 events",
        f"✓ {HISTORIES}/c.jsonl  SUCCEEDED, 4 events",
        "3 histories replayed, none diverged",
    ]
    done = sfn("trace", "replay", "--check", pattern, "--definition", one, "-q")
    assert done.code == 3
    assert done.err.splitlines() == [
        f"✗ {HISTORIES}/c.jsonl",
        "in state 'A': output of PassStateExited differs",
        "  one.asl.json:4:5",
        '    4 |     "A": {',
        "      |     ^^^",
        '  recorded  {"n":2}',
        '  now       {"n":1}',
        "    ~ $.n: 2 → 1",
        "3 histories replayed, 1 diverged",
    ]
    (HISTORIES / "d.jsonl").write_text("{}\n")
    done = sfn("trace", "replay", "--check", pattern)
    assert done.code == 2
    assert "is not an sfnrun history" in done.err
    assert sfn("trace", "replay", "a", "b").code == 2
    assert sfn("trace", "replay", "--check", "nowhere/*.jsonl").code == 2
