"""What AWS's TestState said of single states, and what is told here of the same states: their data at every stage."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[2] / "../shared/conformance"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="conformance data not found (../shared/conformance)")

# Answers that cannot come out the same, by the end of their ids, each with its reason; any other that differs is news.
KNOWN = {
    "test_base_lambda_task_state[INFO]": "the function's code was not recorded",
    "test_base_lambda_task_state[DEBUG]": "the function's code was not recorded",
    "test_base_lambda_task_state[TRACE]": "the function's code was not recorded",
    "test_state_wait_task_context_object": "the task token is that of the given context; here the engine makes it",
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
def differences() -> dict[str, list[str]]:
    """What differs, by the recording's id; nothing for answers that are exact.

    What TestState refuses is left out, but for definitions: the rest is about its own parameters and mocks.
    """
    check = module_at(SHARED / "check.py", "conformance_check")
    adapter = module_at(Path(__file__).with_name("adapter.py"), "conformance_adapter")
    return {
        case["id"]: check.compare(case, adapter.run_test_state(check.strip(case)))
        for case in check.load_cases(SHARED / "aws_histories")
        if case["kind"] == "test_state" and check.usable(case) and not _refuses_parameters(check, case)
    }


def _refuses_parameters(check: Any, case: dict[str, Any]) -> bool:
    return bool(case["expect_error"]) and check.refusal(case["expected"])[0] != "InvalidDefinition"


def test_states_alone_are_told_as_recorded() -> None:
    found = differences()
    wrong = {case: told for case, told in found.items() if told}
    print(f"{len(found) - len(wrong)} of {len(found)} exact")
    assert len(found) - len(wrong) >= 87
    news = {case: told for case, told in wrong.items() if case.rpartition("::")[2] not in KNOWN}
    assert news == {}
