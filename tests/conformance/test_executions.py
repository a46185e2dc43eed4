"""Executions that AWS ran and recorded, run here over what the world answered there: the same histories come out."""

from __future__ import annotations

import importlib.util
import sys
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


def differences() -> dict[str, list[str]]:
    """What differs, by the recording's id; nothing for those that are exact."""
    check = module_at(SHARED / "check.py", "conformance_check")
    adapter = module_at(Path(__file__).with_name("adapter.py"), "conformance_adapter")
    found: dict[str, list[str]] = {}
    for case in check.load_cases(SHARED / "aws_histories"):
        if case["kind"] != "execution" or not check.usable(case) or "Map DISTRIBUTED" in check.features(case):
            continue
        try:
            found[case["id"]] = check.compare(case, adapter.run_case(check.strip(case)))
        except Exception as error:  # one that cannot be run is one that differs
            found[case["id"]] = [f"{type(error).__name__}: {error}"]
    return found


def test_recorded_executions_come_out_as_recorded() -> None:
    found = differences()
    assert len(found) > 600
    wrong = {case: told for case, told in found.items() if told}
    listed = "\n".join(f"{case}\n    {told[0]}" for case, told in wrong.items())
    print(f"{len(found) - len(wrong)} of {len(found)} exact\n{listed}")
    assert 1 - len(wrong) / len(found) >= EXACT, listed
    news = [case for case in wrong if case.removeprefix("services/") not in KNOWN]
    assert news == [], listed
