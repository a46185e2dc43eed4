"""Histories of every format that there ever was stay readable; their files are never written again, only added to."""

from __future__ import annotations

from pathlib import Path

import pytest

import sfnrun
from sfnrun.history.listing import summary_of
from sfnrun.history.recording import FORMAT, read

FILES = sorted((Path(__file__).parent / "formats").glob("*.jsonl"))


def test_every_format_has_a_file() -> None:
    assert [read(file).start["sfnrun"] for file in FILES] == list(range(1, FORMAT + 1))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_format_is_read_and_replayed(file: Path) -> None:
    recording = read(file)
    result = sfnrun.replay(recording.path)
    assert (result.status, result.event_count) == ("SUCCEEDED", 98)
    assert result.events == [event.to_aws() for event in recording.events()]
    seen = summary_of(file)
    assert (seen.status, seen.machine) == ("SUCCEEDED", "StateMachine")
    kinds = {line["answer"] for line in recording.of_kind("answer")}
    assert kinds == {"Failed", "Redriven", "Slept", "Started", "Submitted", "Succeeded"}
    assert {line["note"] for line in recording.of_kind("note")} == {"log", "resumed", "retry", "wait"}
