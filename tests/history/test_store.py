"""The directory of histories as a Store: names, order, owners and summaries."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import sfnrun
from sfnrun.api.options import moment
from sfnrun.errors import ApiError, HistoryError, UnavailableError
from sfnrun.history.store import FolderStore, open_store

MACHINE = {"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}}
FAILING = {"StartAt": "S", "States": {"S": {"Type": "Fail", "Error": "E", "Cause": "why"}}}


def recorded(folder: Path, name: str, definition: Any = MACHINE, **options: Any) -> FolderStore:
    sfnrun.run(definition, name=name, store=folder, **options)
    return FolderStore(folder)


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    store = recorded(tmp_path, "n")
    start = dict(store.read("n").start)
    before = store.path("n").read_bytes()
    with pytest.raises(ApiError, match=f"^Execution Already Exists: '{start['arn']}'$") as refused:
        store.create(start)
    assert (refused.value.code, refused.value.exit_code) == ("ExecutionAlreadyExists", 1)
    assert store.path("n").read_bytes() == before


def test_an_execution_has_one_owner(tmp_path: Path) -> None:
    store = recorded(tmp_path, "n")
    journal, recording = store.open("n")
    assert recording.start["name"] == "n"
    with store.lock("n") as owned:
        assert not owned
    with pytest.raises(HistoryError):
        store.open("n")
    journal.close()
    with store.lock("n") as owned:
        assert owned


@pytest.mark.parametrize("use", ["open", "read", "describe"])
def test_a_missing_execution_is_a_history_error(tmp_path: Path, use: str) -> None:
    with pytest.raises(HistoryError):
        getattr(FolderStore(tmp_path), use)("n")


def test_a_file_that_is_not_a_history_is_listed_and_refused(tmp_path: Path) -> None:
    store = recorded(tmp_path, "n")
    store.path("m").write_text("something else\n")
    assert {each.name: each.status for each in store.list()} == {"n": "SUCCEEDED", "m": "UNREADABLE"}
    with pytest.raises(HistoryError):
        store.describe("m")


def test_a_summary_says_what_describe_execution_says(tmp_path: Path) -> None:
    start = 1_767_225_600_000
    store = recorded(tmp_path, "n", FAILING, seed=1)
    summary = store.describe("n")
    assert summary == store.list()[0]
    assert (summary.name, summary.machine, summary.type, summary.clock) == ("n", "StateMachine", "STANDARD", "virtual")
    assert summary.arn == "arn:aws:states:us-east-1:123456789012:execution:StateMachine:n"
    assert (summary.status, summary.error, summary.cause) == ("FAILED", "E", "why")
    assert summary.started == summary.ended == datetime.fromtimestamp(start / 1000, UTC)
    assert summary.took == timedelta()


def test_the_execution_that_was_started_last_comes_first(tmp_path: Path) -> None:
    """By its start under the real clock; a virtual one began when its file was written, whatever time it simulates."""
    day = 86_400_000
    for number, (name, clock, start) in enumerate(
        [("long-ago", "real", 50 * day), ("seeded", "virtual", 10 * day), ("now", "real", 99 * day)]
    ):
        store = recorded(tmp_path, name, clock=clock, start_time=moment(start))
        os.utime(store.path(name), ns=(day * 60 * 10**6, day * (60 - number) * 10**6))
    os.utime(store.path("seeded"), ns=(0, day * 60 * 10**6))
    assert [each.name for each in store.list()] == ["now", "seeded", "long-ago"]


def test_only_directories_are_stores() -> None:
    with pytest.raises(UnavailableError, match="unsupported store: postgresql://db"):
        open_store("postgresql://db")
    store = FolderStore("here")
    assert open_store(store) is store
