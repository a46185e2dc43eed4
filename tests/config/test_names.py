"""Names in settings, options and Python: what they mean, and what is reported of those that mean nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sfnrun
from sfnrun.api.caching import CacheOptions
from sfnrun.config.names import functions_named, tasks_named
from sfnrun.errors import ConfigError, UsageError
from sfnrun.payload import dumps

ARN = "arn:aws:lambda:us-east-1:123456789012:function"
INVOKE, PUT = "arn:aws:states:::lambda:invoke", "arn:aws:states:::dynamodb:putItem"
ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:ship"


@pytest.mark.parametrize(
    ("names", "task", "found"),
    [
        ("A", ("A", None, PUT), "A"),
        ("B", ("A", None, PUT), ""),
        ("dynamodb:putItem", ("A", None, PUT), "dynamodb:putItem"),
        (PUT, ("A", None, PUT), PUT),
        ("dynamodb:putItem", ("A", None, f"{PUT}.waitForTaskToken"), ""),
        ("dynamodb:putItem*", ("A", None, f"{PUT}.waitForTaskToken"), "dynamodb:putItem*"),
        ("charge-card", ("A", "ChargeCard", INVOKE), "charge-card"),
        ("charge_card", ("A", f"{ARN}:ChargeCard:prod", f"{ARN}:ChargeCard:prod"), "charge_card"),
        (f"{ARN}:charge-card", ("A", "ChargeCard", INVOKE), f"{ARN}:charge-card"),
        ("ChargeCard", ("A", "${ChargeCardFunctionArn}", "${ChargeCardFunctionArn}"), "ChargeCard"),
        ("dynamodb:putItem", ("A", "dynamodb", INVOKE), ""),
        ("ship", ("A", None, ACTIVITY), "ship"),
        ("* A* A dynamodb:* dynamodb:putItem", ("A", None, PUT), "A dynamodb:putItem dynamodb:* A* *"),
        ("* get* get-price GetPrice", ("GetPrice", "get-price", INVOKE), "GetPrice get-price get* *"),
        ("Get*", ("GetPrice", None, PUT), "Get*"),
    ],
)
def test_names_of_tasks(names: str, task: tuple[str, str | None, str], found: str) -> None:
    assert tasks_named(names.split(), *task) == found.split()


@pytest.mark.parametrize(
    ("names", "function", "found"),
    [
        ("* charge-* ChargeCard", f"{ARN}:charge-card:prod", "ChargeCard charge-* *"),
        ("charge", "charge-card", ""),
    ],
)
def test_names_of_functions(names: str, function: str, found: str) -> None:
    assert functions_named(names.split(), function) == found.split()


# --- names that mean nothing ---


def machine(**tasks: str) -> dict[str, Any]:
    names = list(tasks)
    states = {
        name: {"Type": "Task", "Resource": resource, **({"Next": after} if after else {"End": True})}
        for (name, resource), after in zip(tasks.items(), [*names[1:], ""], strict=True)
    }
    return {"StartAt": names[0], "States": states}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "save.py").write_text("def handler(event, context): raise SystemExit('the real one ran')")
    (tmp_path / "functions" / "other.py").write_text("def handler(event, context): ...")
    (tmp_path / "order.asl.json").write_text(dumps(machine(Save=f"{ARN}:save", Put=PUT)))
    (tmp_path / "refunds").mkdir()
    refund = machine(Refund="arn:aws:states:::sns:publish", Pay=f"{ARN}:pay") | {"Comment": "${Table}"}
    (tmp_path / "refunds" / "refund.asl.json").write_text(dumps(refund))
    return tmp_path


def problems(project: Path, settings: str, **options: Any) -> list[str]:
    (project / "sfnrun.yaml").write_text(settings)
    with pytest.raises(ConfigError) as caught:
        sfnrun.run(project / "order.asl.json", **options)
    return [
        f"{problem.span.line if problem.span else 0}: {problem.message} | {problem.hint}"
        for problem in caught.value.problems
    ]


UNKNOWN = "no state, function or resource is called '{}' in DIR/order.asl.json | {}"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("tasks: {Sav: {result: 1}}", "1: " + UNKNOWN.format("Sav", "did you mean 'Save'?")),
        (
            "tasks:\n  dynamodb:putItm: {}",
            "2: " + UNKNOWN.format("dynamodb:putItm", "did you mean 'dynamodb:putItem'?"),
        ),
        ("tasks: {Zebra: {}}", "1: " + UNKNOWN.format("Zebra", "")),
        ("functions: {sav: {timeout: 1}}", "1: no function is called 'sav' | did you mean 'save'?"),
        ("tasks: {save: {}, SAVE: {}, Save: {result: 1}}", "1: 'save' and 'SAVE' name the same function | "),
        ("substitutions: {Tabel: t}", "1: no definition has the placeholder ${Tabel} | "),
    ],
)
def test_unknown_names_are_errors_before_anything_runs(settings: str, says: str, project: Path) -> None:
    assert [text.replace(str(project), "DIR") for text in problems(project, settings)] == [says]


def test_all_unknown_names_are_reported_together(project: Path) -> None:
    found = problems(project, "tasks:\n  Sav: {}\n  Save: {}\nfunctions:\n  sav: {}\n  save: {}\n")
    assert [text.partition(":")[0] for text in found] == ["2", "5"]


def test_the_tasks_of_a_machine_are_its_own(project: Path) -> None:
    settings = "machines: {Order: {definition: order.asl.json, tasks: {Refund: {result: 1}}}}"
    (project / "sfnrun.yaml").write_text(settings)
    from sfnrun.config import load_project

    with pytest.raises(ConfigError, match="'Refund'"):
        sfnrun.Session(load_project(project).for_machine("Order")).run(project / "order.asl.json")


def test_names_of_other_machines_patterns_and_own_keys_are_fine(project: Path) -> None:
    (project / "sfnrun.yaml").write_text(
        "substitutions: {Table: t}\n"
        "functions: {save: {timeout: 1}, other: {timeout: 1}, Pay: {timeout: 1}, 'zebra*': {timeout: 1}}\n"
        "tasks: {x-base: &base {result: 1}, Save: *base, Put: *base, Refund: {}, sns:publish: {}, put*: {}, 'z*': {}}"
    )
    assert sfnrun.run(project / "order.asl.json").status == "SUCCEEDED"


def test_unknown_names_in_python_are_errors(project: Path) -> None:
    definition = project / "order.asl.json"
    with pytest.raises(UsageError, match=r"tasks: no state, function or resource is called 'Sav' in") as caught:
        sfnrun.run(definition, tasks={"Sav": 1, "Put": 2})
    assert caught.value.hint == "did you mean 'Save'?"
    assert sfnrun.run(definition, tasks={"save": 1, "dynamodb:*": 2, "zebra*": 3}).output == 2


def test_refreshed_tasks_are_named_as_everywhere(project: Path) -> None:
    definition, calls = project / "order.asl.json", []
    (project / "sfnrun.yaml").write_text("tasks: {Save: {cache: true}, Put: {cache: true}}\ncache: {backend: kept}")
    for refresh in ((), (), ("save",), ("dynamodb:*",), ("Save", "Put")):
        tasks = {"*": lambda request: calls.append(request.state) or 1}
        sfnrun.run(
            definition, tasks=tasks, config=project / "sfnrun.yaml", cache=CacheOptions(refresh=frozenset(refresh))
        )
    assert calls == ["Save", "Put", "Save", "Put", "Save", "Put"]
    with pytest.raises(UsageError, match="--refresh: no state, function or resource is called 'Sav'"):
        sfnrun.run(definition, tasks=1 and {"*": 1}, cache=CacheOptions(refresh=frozenset({"Sav"}), everything=True))


def test_names_are_accepted_where_a_task_takes_its_function_from_the_input() -> None:
    parameters = {"FunctionName.$": "$.function", "Payload": {}}
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters, "End": True}
    machine = {"StartAt": "Call", "States": {"Call": state}}
    result = sfnrun.run(machine, {"function": "charge-card"}, tasks={"charge-card": lambda event, context: "charged"})
    assert result.output["Payload"] == "charged"
