"""Two executions side by side, and walking through one."""

from pathlib import Path
from typing import Any

import pytest
from history.worn import recorded

import sfnrun
from sfnrun.history.diff import in_order, side_by_side
from sfnrun.history.recording import Recording, read
from sfnrun.view.diff import diff_lines
from sfnrun.view.stepper import Travel

PASS = {"Type": "Pass", "End": True}


def ran(folder: Path, name: str, definition: dict[str, Any], input: Any, **options: Any) -> Recording:
    return read(sfnrun.run(definition, input, store=folder, name=name, seed=1, **options).history)


def one_state(**fields: Any) -> dict[str, Any]:
    return {"StartAt": "A", "States": {"A": {**PASS, **fields}}}


def told(left: Recording, right: Recording, **options: Any) -> list[tuple[str, str]]:
    rows = list(side_by_side(in_order(left), in_order(right)))
    return [(line.kind, line.text) for line in diff_lines(rows, ("l", "r"), width=65, **options)]


def columns(left: str, right: str) -> str:
    return f"{left:<32} │ {right}"


def test_the_same_is_said_in_a_word(tmp_path: Path):
    left, right = (ran(tmp_path, name, one_state(), {"a": 1}) for name in "lr")
    assert told(left, right) == [("good", "no difference in 4 events")]


def test_from_the_first_difference_with_what_changed(tmp_path: Path):
    left = ran(tmp_path, "l", one_state(ResultPath="$.x"), {"a": 1})
    right = ran(tmp_path, "r", one_state(Result=2, ResultPath="$.x"), {"a": 1})
    assert told(left, right) == [
        ("faint", "2 events are the same"),
        ("text", columns("  l", "r")),
        ("faint", columns("    1 ExecutionStarted", "  1 ExecutionStarted")),
        ("faint", columns("    2 PassStateEntered A", "  2 PassStateEntered A")),
        ("warn", columns("~   3 PassStateExited A", "  3 PassStateExited A")),
        ("change", 'output.x: {"a":1} → 2'),
        ("warn", columns("~   4 ExecutionSucceeded", "  4 ExecutionSucceeded")),
        ("change", 'output.x: {"a":1} → 2'),
    ]


def test_what_only_one_has(tmp_path: Path):
    left = ran(tmp_path, "l", one_state(), {})
    longer = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": PASS}}
    right = ran(tmp_path, "r", longer, {})
    assert [kind for kind, _ in told(left, right)] == ["faint", "text", "faint", "faint", "good", "good", "faint"]


def test_most_is_kept_and_the_rest_counted(tmp_path: Path):
    states = {f"S{number}": {"Type": "Pass", "Next": f"S{number + 1}"} for number in range(30)} | {"S30": PASS}
    left, right = (ran(tmp_path, name, {"StartAt": "S0", "States": states}, name) for name in "lr")
    assert told(left, right, most=5)[-1] == ("faint", "… 57 more events (--all shows them)")
    assert told(left, right, most=None)[-1][0] == "change"


def test_the_order_of_branches_does_not_count(tmp_path: Path):
    function = "arn:aws:lambda:us-east-1:123456789012:function:f"
    branch = {"Type": "Task", "Resource": function, "End": True}
    both = [{"StartAt": name, "States": {name: branch}} for name in ("A", "B")]
    definition = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": both, "End": True}}}

    def slow(state: str) -> Any:
        return lambda request: sfnrun.Reply(1, duration_ms=5000 if request.state == state else 0)

    left, right = (ran(tmp_path, name, definition, {}, tasks=slow(name)) for name in "AB")
    assert [event.type for event in left.events()] == [event.type for event in right.events()]
    assert [event.fiber for event in left.events()] != [event.fiber for event in right.events()]
    assert told(left, right) == [("good", "no difference in 16 events")]


def test_what_differs_in_every_call_is_only_counted(tmp_path: Path):
    def answer(price: int) -> Any:
        ids = {"SdkResponseMetadata": {"RequestId": f"id-{price}"}, "SdkHttpMetadata": {"HttpHeaders": {"Date": price}}}
        return lambda request: {"Price": price, **ids}

    get = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {}, "End": True}
    machine = {"StartAt": "Get", "States": {"Get": get}}
    left, right = (ran(tmp_path, f"p{price}", machine, {}, tasks=answer(price)) for price in (1, 2))
    assert [line for line in told(left, right) if line[0] in ("change", "more")][:2] == [
        ("change", "output.Price: 1 → 2"),
        ("more", "… 2 differences in the SDK's metadata"),
    ]


# --- walking ---


class Person:
    """Types what it was told to, and reads what is shown."""

    def __init__(self, *typed: str) -> None:
        self.typed = [f"{line}\n" for line in typed]
        self.shown = ""

    def read(self) -> str:
        return self.typed.pop(0) if self.typed else ""

    def write(self, text: str) -> None:
        self.shown += text

    def stops(self) -> list[str]:
        return [line.partition("  ")[0].removeprefix("● ") for line in self.shown.splitlines() if line.startswith("●")]


def walked(recording: Recording, *typed: str) -> Person:
    person = Person(*typed)
    Travel(list(recording.events()), person.read, person.write, ["that was it"])()
    return person


WALKS = [
    (["q"], [2]),
    (["", "", "q"], [2, 10, 12]),
    (["n", "n", "b", "b", "b", "q"], [2, 10, 12, 10, 2, 1]),
    ([".", ".", ",", "q"], [2, 3, 4, 3]),
    (["g Each", "q"], [2, 25]),
    (["g Count", "g Count", "g Count", "q"], [2, 10, 14, 10]),
    (["g 12", "q"], [2, 12]),
    (["c", ".", "q"], [2, 50]),
    (["g 1", "b", ",", "q"], [2, 1]),
]


@pytest.mark.parametrize(("typed", "stops"), WALKS)
def test_going_both_ways(typed: list[str], stops: list[int], tmp_path: Path):
    recording = recorded(tmp_path)
    assert [int(stop.partition("/")[0]) for stop in walked(recording, *typed).stops()] == stops


def test_the_data_of_an_event(tmp_path: Path):
    shown = walked(recorded(tmp_path), "g 3", "d").shown
    assert '  resource\n    "arn:aws:lambda' in shown
    assert '  input\n    { "n": 0, "items": [1, 2, 3] }\n' in shown


def test_what_a_state_changed_is_shown_when_it_is_left(tmp_path: Path):
    shown = walked(recorded(tmp_path), "g 9").shown
    assert "● 9/50  +2 s  TaskStateExited Ask" in shown
    assert "  + $.asked: " in shown


def test_states_that_are_open(tmp_path: Path):
    recording = recorded(tmp_path)
    entered = next(event.id for event in recording.events() if event.fiber == "1.0")
    assert "  Both\n  Sleep  in 1.0\n" in walked(recording, f"g {entered}", "o").shown


def test_how_it_ended_stands_at_the_end(tmp_path: Path):
    assert walked(recorded(tmp_path), "c").shown.count("  that was it\n") == 1


@pytest.mark.parametrize("typed", ["x", "g Nowhere", "g 999"])
def test_a_slip_is_told_and_changes_nothing(typed: str, tmp_path: Path):
    person = walked(recorded(tmp_path), typed, "q")
    assert "g PLACE   to a state" in person.shown or "not found" in person.shown
    assert len(person.stops()) == 1


@pytest.mark.parametrize("typed", ["?", "help"])
def test_every_command_is_explained_in_a_line(typed: str, tmp_path: Path):
    said = walked(recorded(tmp_path), typed, "q").shown.replace(" > ", " >\n")  # a terminal shows the Enter
    for command in ("Enter", "b", ". ,", "g PLACE", "d", "o", "c", "q"):
        assert f"\n  {command}  " in said
    assert max(map(len, said.splitlines())) <= 80
