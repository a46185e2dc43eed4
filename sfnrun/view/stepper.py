"""Interactive stepping at a terminal: through an execution as it runs, or through a recorded one, both ways.

Both have the same keys. A step of an execution is a state that is about to be executed, once for each time it is
entered, in branches and items too; a step of a recording is a StateEntered event, and one more for the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import IO

from sfnrun.effects import Pause, Resumed
from sfnrun.errors import UsageError
from sfnrun.history.timeline import Timeline
from sfnrun.payload import Payload, plain
from sfnrun.record import Event, Note
from sfnrun.view.changes import summary
from sfnrun.view.line import MARKS
from sfnrun.view.pretty_json import pretty
from sfnrun.view.text import clean, counted, duration

__all__ = ["Stepper", "Travel", "edit_in_editor", "open_terminal"]

# A state that has no Next to skip to.
_UNSKIPPABLE = ("Choice", "Fail")
_SHOWN_LINES = 30
_DATA_LINES = 1_000

_RUN_MENU = "[Enter] next  s skip  e edit  c continue  d data  q quit  ? help > "
_RUN_HELP = """\
  Enter     execute this state
  s [JSON]  skip it: JSON, or its input, is its output
  e         edit its input
  d         all of its input
  c         continue without stopping
  q         quit: the execution ends ABORTED
"""


class Stepper:
    """Prompts before each state; `read` and `write` are the two ends of a terminal, `edit` changes a text."""

    def __init__(
        self, read: Callable[[], str], write: Callable[[str], object], edit: Callable[[str], str] | None = None
    ) -> None:
        self._read = read
        self._write = write
        self._edit = edit or edit_in_editor
        self._continues = False

    def __call__(self, pause: Pause) -> Resumed:
        if self._continues:
            return Resumed()
        where = f"  in {pause.fiber}" if pause.fiber else ""
        self._write(f"\n● {clean(pause.state)}  {pause.type}{where}\n")
        self._show(pause.input, _SHOWN_LINES)
        payload: Payload | None = None
        while True:
            self._write(_RUN_MENU if pause.type not in _UNSKIPPABLE else _RUN_MENU.replace("s skip  ", ""))
            answer = self._read()
            key, _, rest = answer.strip().partition(" ")
            if not answer or key == "q":
                return Resumed("quit")
            if key in ("", "n", "c"):
                self._continues = key == "c"
                return Resumed("run", payload)
            if key == "s":
                skipped = self._skipped(pause, rest, payload)
                if skipped is not None:
                    return skipped
            elif key == "e":
                payload = self._edited(payload or pause.input)
            elif key == "d":
                self._show(payload or pause.input, _DATA_LINES)
            else:
                self._write(_RUN_HELP)

    def _skipped(self, pause: Pause, text: str, payload: Payload | None) -> Resumed | None:
        if pause.type in _UNSKIPPABLE:
            self._write(f"  a {pause.type} state cannot be skipped\n")
            return None
        try:
            output = Payload.parse(text) if text else payload
        except ValueError as error:
            self._write(f"  invalid JSON: {error}\n")
            return None
        self._write(f"  {clean(pause.state)} skipped with\n")
        self._show(output or pause.input, _SHOWN_LINES)
        return Resumed("skip", output)

    def _edited(self, payload: Payload) -> Payload:
        """The input as it is after editing, which is shown; unchanged if it is not JSON."""
        text = self._edit("\n".join(pretty(payload.value)) + "\n")
        try:
            edited = Payload.parse(text)
        except ValueError as error:
            self._write(f"  invalid JSON, input unchanged: {error}\n")
            return payload
        if edited.value == payload.value:
            self._write("  input unchanged\n")
            return payload
        self._show(edited, _SHOWN_LINES)
        return Payload(edited.value)

    def _show(self, payload: Payload, most: int) -> None:
        lines = list(pretty(payload.value, indent="  "))
        self._write("".join(f"{clean(line)}\n" for line in lines[:most]))
        if len(lines) > most:
            self._write(f"  … {counted(len(lines) - most, 'more line')}; d shows all\n")


def open_terminal() -> IO[str]:
    """The terminal, even where stdin is a file. Raises UsageError if there is none."""
    try:
        return open("/dev/tty", encoding="utf-8", errors="replace")
    except OSError:
        hint = "remove --step, or run sfnrun in a terminal"
        raise UsageError("--step needs an interactive terminal", hint) from None


def edit_in_editor(text: str) -> str:
    """The text after $VISUAL, $EDITOR or vi. Raises UsageError if the editor cannot be started."""
    import shlex
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.NamedTemporaryFile("w+", suffix=".json", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            subprocess.run([*shlex.split(editor), file.name], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"the editor {editor!r} failed: {error}", "set EDITOR to an installed editor") from None
        with open(file.name, encoding="utf-8") as edited:
            return edited.read()


_REPLAY_MENU = "[Enter] next  b back  g PLACE go  d data  c continue  q quit  ? help > "
_REPLAY_HELP = """\
  Enter     to the next state
  b         back to the state before
  g PLACE   to a state by its name, or to an event by its number
  . ,       to the next event, to the event before
  d         the data of this event
  o         the states that are open
  c         continue to the end
  q         quit
"""


class Travel:
    """Prompts where to go in a recorded execution; `read` and `write` are its two ends.

    `happened` are the events and notes in order. `ending` are lines to print at the last event: how the execution
    ended, or where a replay diverged.
    """

    def __init__(
        self,
        happened: Sequence[Event | Note],
        read: Callable[[], str],
        write: Callable[[str], object],
        ending: Sequence[str] = (),
    ) -> None:
        self._happened = happened
        self._events = [event for event in happened if isinstance(event, Event)]
        self._read = read
        self._write = write
        self._ending = ending
        self._at = 0
        self._commands: dict[str, Callable[[str], bool]] = {
            "": lambda _: self._to(self._next_stop(1)),
            "n": lambda _: self._to(self._next_stop(1)),
            "b": lambda _: self._to(self._next_stop(-1)),
            ".": lambda _: self._to(self._at + 1),
            ",": lambda _: self._to(self._at - 1),
            "g": self._go,
            "d": self._data,
            "o": self._open_states,
            "c": lambda _: self._to(len(self._events) - 1),
        }

    def __call__(self) -> None:
        """Step until the user quits."""
        self._to(self._next_stop(1))
        while True:
            self._write(_REPLAY_MENU)
            answer = self._read()
            command, _, rest = answer.strip().partition(" ")
            if not answer or command == "q":
                return
            act = self._commands.get(command)
            if act is None:
                self._write(_REPLAY_HELP)
            else:
                act(rest.strip())

    # --- moving ---

    def _next_stop(self, step: int) -> int:
        """The next or last entry of a state, or the first or last event."""
        at = self._at + step
        while 0 < at < len(self._events) - 1 and not self._events[at].type.endswith("StateEntered"):
            at += step
        return at

    def _to(self, at: int) -> bool:
        if not 0 <= at < len(self._events):
            self._write("  that is the end\n" if at > 0 else "  that is the beginning\n")
            return False
        self._at = at
        self._show()
        return True

    def _go(self, to: str) -> bool:
        """To an event by its number, or to the next visit of a state; after the last visit to the first."""
        if to.isdigit():
            found = next((at for at, event in enumerate(self._events) if event.id == int(to)), None)
        else:
            order = [*range(self._at + 1, len(self._events)), *range(self._at + 1)]
            found = next((at for at in order if self._is_entry(at, to)), None)
        if found is None:
            self._write(f"  {'event' if to.isdigit() else 'state'} {clean(to)} not found\n")
            return False
        return self._to(found)

    def _is_entry(self, at: int, name: str) -> bool:
        event = self._events[at]
        return event.type.endswith("StateEntered") and event.details["name"] == name

    # --- showing ---

    def _show(self) -> None:
        event = self._events[self._at]
        since = duration(event.at - self._events[0].at)
        visit = None if event.type.startswith("Execution") else self._timeline().visit_in(event.fiber)
        state = clean(str(event.details.get("name") or (visit.name if visit else "")))
        where = f"  in {event.fiber}" if event.fiber else ""
        self._write(f"\n● {event.id}/{self._events[-1].id}  +{since}  {f'{event.type} {state}'.rstrip()}{where}\n")
        before = visit.input if visit is not None and event.type.endswith("StateExited") else None
        data = event.details.get("output")
        if isinstance(before, Payload) and isinstance(data, Payload):
            for change in summary(before.value, data.value):
                self._write(f"  {MARKS[change.kind][0]} {change.text}\n")
        for name in ("error", "cause"):
            if event.details.get(name):
                self._write(f"  {name}: {clean(str(event.details[name]))}\n")
        if self._at == len(self._events) - 1:
            self._write("".join(f"  {line}\n" for line in self._ending))

    def _timeline(self) -> Timeline:
        """What has happened up to the current event."""
        timeline, last = Timeline(), self._events[self._at]
        for happened in self._happened:
            if isinstance(happened, Event):
                timeline.event(happened)
            else:
                timeline.note(happened)
            if happened is last:
                break
        return timeline

    def _data(self, _: str) -> bool:
        for name, value in self._events[self._at].details.items():
            lines = list(pretty(plain(value), indent="    "))
            self._write(f"  {name}\n")
            self._write("".join(f"{clean(line)}\n" for line in lines[:_DATA_LINES]))
            if len(lines) > _DATA_LINES:
                self._write(f"    … {counted(len(lines) - _DATA_LINES, 'more line')}\n")
        return True

    def _open_states(self, _: str) -> bool:
        visits = self._timeline().open.values()
        for visit in visits:
            self._write(f"  {clean(visit.name)}{f'  in {visit.fiber}' if visit.fiber else ''}\n")
        if not visits:
            self._write("  no open states\n")
        return True
