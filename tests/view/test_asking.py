import pytest
from telling import START, Teller

from sfnrun.effects import Pause, Resumed
from sfnrun.errors import UsageError
from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.view.listeners import Paced, speed_of
from sfnrun.view.stepper import Stepper, edit_in_editor, open_terminal


def pause(type="Task"):
    return Pause("key", "Charge", type, "", Payload({"n": 1}))


def stepper(answers, edit=None):
    written = []
    given = iter(answers)
    return Stepper(lambda: next(given), written.append, edit), written


@pytest.mark.parametrize(
    ("answers", "action"),
    [
        (["\n"], "run"),
        (["n\n"], "run"),
        (["s\n"], "skip"),
        (["q\n"], "quit"),
        ([""], "quit"),
        (["?\n", "x\n", "d\n", "q\n"], "quit"),
    ],
)
def test_a_key_decides(answers, action):
    step, _ = stepper(answers)
    assert step(pause()) == Resumed(action, None)


def test_continue_asks_no_more():
    step, written = stepper(["c\n"])
    assert step(pause()) == step(pause()) == Resumed("run", None)
    assert sum("> " in text for text in written) == 1


@pytest.mark.parametrize("type", ["Choice", "Fail"])
def test_what_has_no_next_cannot_be_skipped(type):
    step, written = stepper(["s\n", "\n"])
    assert step(pause(type)).action == "run"
    assert f"  a {type} state cannot be skipped\n" in written
    assert not any("s skip" in text for text in written)


@pytest.mark.parametrize(
    ("answers", "output"),
    [(['s {"b": 2}\n'], {"b": 2}), (["s [1\n", "s 7\n"], 7), (["e\n", "s\n"], {"n": 2}), (["s\n"], None)],
)
def test_a_state_is_skipped_with_an_output(answers, output):
    step, written = stepper(answers, edit=lambda text: text.replace("1", "2"))
    resumed = step(pause())
    assert (resumed.action, resumed.input and resumed.input.value) == ("skip", output)
    assert any("Charge skipped with" in text for text in written)


@pytest.mark.parametrize("key", ["?", "h", "x"])
def test_any_other_key_shows_the_help(key):
    step, written = stepper([f"{key}\n", "\n"])
    step(pause())
    assert any("s [JSON]" in text for text in written)


def test_the_data_can_be_edited():
    step, written = stepper(["e\n", "\n"], edit=lambda text: text.replace("1", "2"))
    choice = step(pause())
    assert choice.input is not None
    assert choice.input.value == {"n": 2}
    assert any('"n": 1' in text for text in written)
    assert any('"n": 2' in text for text in written)


def test_what_is_no_json_changes_nothing():
    step, written = stepper(["e\n", "\n"], edit=lambda text: "{")
    choice = step(pause())
    assert choice.input.value == {"n": 1}
    assert any("input unchanged" in text for text in written)


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
    with pytest.raises(UsageError, match="interactive terminal"):
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
