"""Stopping before every state: what the person is shown, and what they may answer.

The protocol, for whoever runs the machine: before a state is executed (once for each time it is entered, not for its
retries; in branches and items too) `step(StepView) -> StepChoice` is called. The choice says how to go on:
"run" executes the state, with `input` in place of its input if that is not None; "skip" leaves it by its Next (or
ends the branch) with `input`, or its own input, as its output; "quit" stops the execution as Ctrl-C does.
A Choice or a Fail has no Next to skip to: there "skip" is not offered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import IO, Literal, NamedTuple, Protocol

from sfnrun.errors import UsageError
from sfnrun.payload import Payload
from sfnrun.view.measures import clean

__all__ = ["StepChoice", "StepView", "Stepper", "edit_in_editor", "open_terminal"]


class StepView(Protocol):
    """A state that is about to be executed: its name and type, the fiber it runs in, and its raw input."""

    @property
    def state(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def fiber(self) -> str: ...

    @property
    def input(self) -> Payload: ...


class StepChoice(NamedTuple):
    """How to go on; see the module."""

    action: Literal["run", "skip", "quit"] = "run"
    input: Payload | None = None


_UNSKIPPABLE = ("Choice", "Fail")
_SHOWN_LINES = 30


class Stepper:
    """Asks a person at a terminal; `read` and `write` are its two ends, `edit` changes a text."""

    def __init__(
        self, read: Callable[[], str], write: Callable[[str], object], edit: Callable[[str], str] | None = None
    ) -> None:
        self._read = read
        self._write = write
        self._edit = edit or edit_in_editor
        self._going_on = False

    def __call__(self, view: StepView) -> StepChoice:
        if self._going_on:
            return StepChoice()
        self._show(view)
        payload: Payload | None = None
        while True:
            self._write(f"[Enter] run  {'' if view.type in _UNSKIPPABLE else 's skip  '}e edit  c continue  q quit > ")
            answer = self._read()
            key = answer.strip().lower()[:1]
            if not answer or key == "q":
                return StepChoice("quit")
            if key == "e":
                payload = self._edited(payload or view.input)
            elif key == "s" and view.type not in _UNSKIPPABLE:
                self._write(f"  {clean(view.state)} skipped\n")
                return StepChoice("skip", payload)
            elif key in ("", "r", "c"):
                self._going_on = key == "c"
                return StepChoice("run", payload)

    def _show(self, view: StepView) -> None:
        where = f"  in {view.fiber}" if view.fiber else ""
        self._write(f"\n● {clean(view.state)}  {view.type}{where}\n")
        lines = _pretty(view.input).splitlines()
        self._write("".join(f"  {line}\n" for line in lines[:_SHOWN_LINES]))
        if len(lines) > _SHOWN_LINES:
            self._write(f"  … {len(lines) - _SHOWN_LINES} more lines\n")

    def _edited(self, payload: Payload) -> Payload:
        """The data as the person left it; what is not JSON is told and left as it was."""
        text = self._edit(_pretty(payload) + "\n")
        try:
            edited = Payload.parse(text)
        except ValueError as error:
            self._write(f"  not JSON, so nothing changed: {error}\n")
            return payload
        return payload if edited.value == payload.value else Payload(edited.value)


def _pretty(payload: Payload) -> str:
    return json.dumps(payload.value, indent=2, ensure_ascii=False)


def open_terminal() -> IO[str]:
    """The person's terminal, even where stdin is a file. Raises UsageError if there is none."""
    try:
        return open("/dev/tty", encoding="utf-8", errors="replace")
    except OSError:
        raise UsageError(
            "--step asks a person, and there is no terminal to ask on", "leave --step out, or run it in a terminal"
        ) from None


def edit_in_editor(text: str) -> str:
    """The text after $VISUAL or $EDITOR (else vi) had it. Raises UsageError if the editor cannot be started."""
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
            raise UsageError(f"the editor {editor!r} failed: {error}", "set EDITOR to one that runs here") from None
        with open(file.name, encoding="utf-8") as edited:
            return edited.read()
