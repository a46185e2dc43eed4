"""One table of Resources is validated and executed: what the rules accept is what a run calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import sfnrun
from sfnrun.asl.resource import resource_or_function
from sfnrun.errors import UnansweredTaskError

TABLE: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "asl/tables/resources.yaml").read_text("utf-8"))
EVENTS = {"lambda": "LambdaFunctionScheduled", "activity": "ActivityScheduled", "service": "TaskScheduled"}

# The required parameters of an integration are of no interest here.
IGNORED = ("SFN-T13",)
NOT_ERRORS = {"SFN-T07", "SFN-T16"}


def machine(resource: str) -> dict[str, Any]:
    parameters = {"FunctionName": "charge", "Payload": {"n": 1}}
    return {
        "StartAt": "Charge",
        "States": {"Charge": {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}},
    }


def loaded(resource: str) -> sfnrun.Machine:
    """The machine of a Resource that AWS rejects and other runners accept, too."""
    return sfnrun.load(machine(resource), ignore=(*IGNORED, "SFN-T01"))


def cases(**wanted: Any) -> list[Any]:
    return [
        pytest.param(case, id=case["resource"])
        for case in TABLE
        if all((case.get(name) is not None) == value for name, value in wanted.items())
    ]


@pytest.mark.parametrize("case", cases())
def test_resources_are_validated(case: dict[str, Any]) -> None:
    problems = sfnrun.validate(machine(case["resource"]), ignore=IGNORED)
    assert sorted(problem.rule for problem in problems) == case.get("rules", [])


@pytest.mark.parametrize("case", cases(parts=True))
def test_resources_are_executed(case: dict[str, Any]) -> None:
    requests: list[sfnrun.Request] = []

    def answer(request: sfnrun.Request) -> str:
        requests.append(request)
        return "answered"

    result = sfnrun.run(loaded(case["resource"]), {}, tasks={"Charge": answer})
    (request,) = requests
    resource = request.resource
    assert [resource.kind, resource.service, resource.action, resource.pattern, resource.name] == case["parts"]
    assert resource.arn == case["resource"]
    assert EVENTS[resource.kind] in [event["type"] for event in result.events]
    assert result.output == "answered"


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory with the function charge, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/charge.py").write_text("def handler(event, context):\n    return context.function_name\n")
    return "functions"


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in cases(parts=True)
        if "lambda" in case.values[0]["parts"][:2] and case.values[0].get("file", True)
    ],
)
def test_lambda_resources_are_answered_by_a_file(case: dict[str, Any], functions: str) -> None:
    result = sfnrun.run(loaded(case["resource"]), {}, functions=functions)
    assert "charge" in str(result.output).lower()


def test_resources_of_other_runners_are_not_answered_by_a_file(functions: str) -> None:
    with pytest.raises(UnansweredTaskError):
        sfnrun.run(loaded("docker://charge"), {}, functions=functions)


@pytest.mark.parametrize("case", cases(parts=True))
def test_placeholders_are_not_regions_or_accounts(case: dict[str, Any]) -> None:
    resource = resource_or_function(case["resource"])
    assert "${" not in resource.region + resource.account


def test_the_table_is_of_use() -> None:
    assert len(TABLE) >= 40
    rejected = {rule for case in TABLE if "parts" not in case for rule in case["rules"]}
    assert rejected == {f"SFN-T0{number}" for number in range(1, 7)}
    assert {rule for case in TABLE if "parts" in case for rule in case.get("rules", [])} <= NOT_ERRORS | {"SFN-T01"}
