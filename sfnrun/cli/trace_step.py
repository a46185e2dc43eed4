"""`sfnrun trace replay --step`: the execution is replayed at once, then a person walks through it, both ways."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sfnrun.history.recording import Recording
    from sfnrun.record import Event, Note

__all__ = ["step_through"]


def step_through(recording: Recording, definition: str | None) -> None:
    """Walk through the events of a replay, up to where it diverged, and raise the DivergenceError at the end."""
    from sfnrun.api.replay import replay_of
    from sfnrun.errors import DivergenceError
    from sfnrun.view.stepper import Travel, open_terminal

    heard, diverged, ending = _Heard(), None, []
    terminal = open_terminal()
    try:
        replay_of(recording, definition=definition, listener=heard)
    except DivergenceError as divergence:
        diverged = divergence
        ending = [divergence.message, f"recorded  {divergence.recorded}", f"now       {divergence.now}"]

    def write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()

    if heard.happened:
        Travel(heard.happened, terminal.readline, write, ending)()
    if diverged is not None:
        raise diverged


class _Heard:
    """Keeps the events and notes of a replay."""

    def __init__(self) -> None:
        self.happened: list[Event | Note] = []

    def event(self, event: Event) -> None:
        self.happened.append(event)

    def note(self, note: Note) -> None:
        self.happened.append(note)
