import pytest
from telling import START, Teller

from sfnrun.errors import UsageError
from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.view.pace import Paced, speed_of
from sfnrun.view.step import StepChoice, Stepper, edit_in_editor, open_terminal


class View:
    def __init__(self, type="Task", input=None):
        self.state, self.type, self.fiber, self.input = "Charge", type, "", Payload(input or {"n": 1})


def stepper(answers, edit=None):
    written = []
    given = iter(answers)
    return Stepper(lambda: next(given), written.append, edit), written


@pytest.mark.parametrize(
    ("answers", "action"),
    [(["\n"], "run"), (["r\n"], "run"), (["s\n"], "skip"), (["q\n"], "quit"), ([""], "quit"), (["?\n", "Q\n"], "quit")],
)
def test_a_key_decides(answers, action):
    step, _ = stepper(answers)
    assert step(View()) == StepChoice(action, None)


def test_continue_asks_no_more():
    step, written = stepper(["c\n"])
    assert step(View()) == step(View()) == StepChoice("run", None)
    assert sum("> " in text for text in written) == 1


@pytest.mark.parametrize("type", ["Choice", "Fail"])
def test_what_has_no_next_cannot_be_skipped(type):
    step, written = stepper(["s\n", "\n"])
    assert step(View(type)).action == "run"
    assert not any("skip" in text for text in written)


def test_the_data_can_be_edited():
    step, written = stepper(["e\n", "\n"], edit=lambda text: text.replace("1", "2"))
    choice = step(View())
    assert choice.input is not None
    assert choice.input.value == {"n": 2}
    assert any('"n": 1' in text for text in written)


def test_what_is_no_json_changes_nothing():
    step, written = stepper(["e\n", "\n"], edit=lambda text: "{")
    choice = step(View())
    assert choice.input.value == {"n": 1}
    assert any("not JSON" in text for text in written)


def test_the_editor_is_the_persons_own(monkeypatch, tmp_path):
    editor = tmp_path / "edit.sh"
    editor.write_text('#!/bin/sh\necho \'{"edited": true}\' > "$2"\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{editor} --wait")
    assert edit_in_editor("{}") == '{"edited": true}\n'
    monkeypatch.setenv("EDITOR", str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="missing"):
        edit_in_editor("{}")


def test_without_a_terminal_nobody_is_asked(monkeypatch):
    def refuse(*args, **options):
        raise OSError

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UsageError, match="no terminal"):
        open_terminal()


class Ears:
    def __init__(self):
        self.heard = []

    def event(self, event):
        self.heard.append(event.type)

    def note(self, note):
        self.heard.append(note.kind)


def test_a_replay_keeps_its_pace():
    ears, slept = Ears(), []
    tell = Teller(Paced(ears, 10, sleep=slept.append))
    tell.event("ExecutionStarted", input={})
    tell.event("WaitStateEntered", name="W", input={})
    tell.event("WaitStateExited", after=5000, name="W", output={})
    tell.note("log", "W", after=500, text="x")
    assert slept == [0.5, 0.05]
    assert ears.heard == ["ExecutionStarted", "WaitStateEntered", "WaitStateExited", "log"]


def test_at_full_speed_nothing_waits():
    slept = []
    paced = Paced(Ears(), None, sleep=slept.append)
    paced.event(Event(1, 0, START, "A", "", {}))
    paced.event(Event(2, 1, START + 1000, "B", "", {}))
    assert slept == []


@pytest.mark.parametrize(("text", "speed"), [("10", 10), ("10x", 10), ("0.5", 0.5), ("max", None)])
def test_speeds(text, speed):
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "fast", "inf", "nan", ""])
def test_no_speeds(text):
    with pytest.raises(UsageError, match="--speed"):
        speed_of(text)
