"""Executions that AWS ran and recorded, run here over what the world answered there: the same histories come out."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[2] / "../shared/conformance"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="conformance data not found (../shared/conformance)")

EXACT = 0.99  # of the recordings, every event, id, member and text

# Recordings that cannot come out the same, each with its reason; anything else that differs is news.
KNOWN = {
    "test_ecs_task_service::TestTaskServiceECS::test_run_task_sync": "the definition's own text was replaced in it"
}


def module_at(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@cache
def check() -> Any:
    return module_at(SHARED / "check.py", "conformance_check")


@cache
def executions() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each recorded execution with what comes out here; an `exception` for one that cannot be run."""
    adapter = module_at(Path(__file__).with_name("adapter.py"), "conformance_adapter")
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for case in check().load_cases(SHARED / "aws_histories"):
        if case["kind"] != "execution" or not check().usable(case) or "Map DISTRIBUTED" in check().features(case):
            continue
        try:
            found.append((case, adapter.run_case(check().strip(case))))
        except Exception as error:  # one that cannot be run is one that differs
            found.append((case, {"exception": f"{type(error).__name__}: {error}"}))
    return found


def differences() -> dict[str, list[str]]:
    """What differs, by the recording's id; nothing for those that are exact."""
    return {
        case["id"]: [got["exception"]] if "exception" in got else check().compare(case, got)
        for case, got in executions()
    }


def disorder(recorded: Any, ours: Any) -> Iterator[str]:
    """Where the keys of an object stand in another order than AWS had them."""
    recorded, ours = parsed(recorded), parsed(ours)
    if isinstance(recorded, dict) and isinstance(ours, dict):
        if list(recorded) != list(ours) and recorded.keys() == ours.keys():
            yield f"{list(recorded)}, not {list(ours)}"
        for key in recorded.keys() & ours.keys():
            yield from disorder(recorded[key], ours[key])
    elif isinstance(recorded, list) and isinstance(ours, list):
        for one, other in zip(recorded, ours, strict=False):
            yield from disorder(one, other)


def parsed(value: Any) -> Any:
    """The value of a JSON text, whatever else as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def test_keys_stand_in_the_order_in_which_aws_has_them() -> None:
    wrong = {
        f"{case['id']} #{event['id']}": told
        for case, got in executions()
        for event, ours in zip(case["expected"].get("events", ()), got.get("events", ()), strict=False)
        if event["type"] == ours["type"]
        for member, text in details(event).items()
        if member != "assignedVariables"  # which the recorder sorted, as it did the members themselves
        for told in disorder(text, details(ours).get(member))
    }
    assert wrong == {}


def details(event: dict[str, Any]) -> dict[str, Any]:
    return next((value for name, value in event.items() if name.endswith("Details")), {})


def test_recorded_executions_come_out_as_recorded() -> None:
    found = differences()
    assert len(found) > 600
    wrong = {case: told for case, told in found.items() if told}
    listed = "\n".join(f"{case}\n    {told[0]}" for case, told in wrong.items())
    print(f"{len(found) - len(wrong)} of {len(found)} exact\n{listed}")
    assert 1 - len(wrong) / len(found) >= EXACT, listed
    news = [case for case in wrong if case.removeprefix("services/") not in KNOWN]
    assert news == [], listed
