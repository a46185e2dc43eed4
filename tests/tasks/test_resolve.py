"""Who answers which Task: sfnrun.yaml, then the functions; and what is said of those that nobody answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import ARN, FUNCTIONS, ID, INVOKE, ask

import sfnrun
from sfnrun.asl.model import Task
from sfnrun.config import Project, Settings, load_project
from sfnrun.effects import PENDING, Reply
from sfnrun.errors import TaskFailed
from sfnrun.payload import Payload
from sfnrun.tasks.resolve import Resolver, TaskNames, named_function, tasks_of
from sfnrun.tasks.unanswered import complaint


def machine(**states: Any):
    whole = {name: {"Type": "Task", "End": True} | state for name, state in states.items()}
    return sfnrun.load({"StartAt": next(iter(whole)), "States": whole | {}})


def task(name: str = "S", **fields: Any) -> Task:
    found = tasks_of(machine(**{name: fields}).graph)
    return next(iter(found))


def written(folder: Path, text: str) -> Resolver:
    (folder / "sfnrun.yaml").write_text(text)
    return Resolver(load_project(folder, config=folder / "sfnrun.yaml"))


def outcome(resolver: Resolver, request: Any) -> Any:
    """What a request gives: a value, ("error", cause), or "pending"; and how long it takes, if it says so."""
    try:
        given = resolver.for_request(request).call(request)
    except TaskFailed as error:
        return (error.name, error.cause)
    if isinstance(given, Reply):
        if given.failure is not None:
            return (given.failure.name, given.failure.cause)
        inner = "pending" if given.output is PENDING else value(given.output)
        return (inner, given.duration_ms) if given.duration_ms else inner
    return "pending" if given is PENDING else value(given)


def value(given: Any) -> Any:
    return given.value if isinstance(given, Payload) else given


# --- functions ---


CALLS = [
    (f"{ARN}:charge-card", None, {"charged": 12}),
    (f"{ARN}:SendEmail", {"to": "Ada"}, "Dear Ada"),
    (f"{ARN}:refund_order:prod", None, "refunded"),
    (f"{ARN}:echo", {"a": 1}, {"a": 1}),
]


@pytest.mark.parametrize(("arn", "event", "result"), CALLS)
def test_functions_by_arn(arn: str, event: Any, result: Any, config: Project) -> None:
    assert outcome(Resolver(config), ask(arn, event)) == result


@pytest.mark.parametrize("name", ["charge-card", "ChargeCard", f"{ARN}:charge_card:1", "${ChargeCardFunctionArn}"])
def test_functions_by_invoke(name: str, config: Project) -> None:
    answer = outcome(Resolver(config), ask(INVOKE, {"FunctionName": name}))
    assert answer["Payload"] == {"charged": 12}


def test_a_function_is_one_whatever_it_is_called(config: Project) -> None:
    resolver = Resolver(config)
    names = ["counter", "counter:prod", f"{ARN}:counter"]
    counts = [outcome(resolver, ask(INVOKE, {"FunctionName": name}))["Payload"]["invocations"] for name in names]
    assert counts == [1, 2, 3]


def test_a_function_that_does_not_exist(config: Project) -> None:
    error, cause = outcome(Resolver(config), ask(INVOKE, {"FunctionName": "no_such"}))
    assert error == "Lambda.ResourceNotFoundException"
    assert cause == (
        f"Function not found: {ARN}:no_such:$LATEST (Service: AWSLambda; Status Code: 404; "
        f"Error Code: ResourceNotFoundException; Request ID: {ID}; Proxy: null)"
    )


def test_with_a_token_the_function_runs_and_the_answer_comes_from_elsewhere(config: Project) -> None:
    lines: list[str] = []
    request = ask(f"{INVOKE}.waitForTaskToken", {"FunctionName": "echo", "Payload": 1}, lines.append, token="t")
    reply = Resolver(config).for_request(request).call(request)
    assert isinstance(reply, Reply)
    assert reply.output is PENDING
    assert isinstance(reply.submitted, Payload)
    assert reply.submitted.value["Payload"] == 1
    assert lines == [
        "waiting for its task token; to complete it locally, add to sfnrun.yaml: tasks: {S: {result: ...}}"
    ]


def test_looking_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("raise SystemExit('imported')")
    resolver = Resolver(Project(settings=Settings(functions_dir=tmp_path)))
    assert resolver.unanswered(machine(A={"Resource": f"{ARN}:f"})) == []
    assert resolver.find(TaskNames("S", "f", task(Resource=f"{ARN}:f").resource)) is not None


# --- sfnrun.yaml ---

RULES = [
    ("result: {a: 1}", {"a": 1}),
    ("result: null", None),
    ("error: Oops", ("Oops", None)),
    ("error: {error: Oops, cause: {why: 1}}", ("Oops", '{"why":1}')),
    ("pending: true", "pending"),
    ("{result: 1, duration: 250ms}", (1, 250)),
    ("handler: code.py:double", {"n": 4}),
    ("handler: code.py:Shop.sell", "sold"),
    ("handler: code.py:token", ["token-1", "S", "arn:aws:states:::sqs:sendMessage.waitForTaskToken", 0]),
    ("handler: code.py:fails", ("TooMany", "because")),
    ("handler: code.py:waits", "pending"),
    ("{handler: code.py:double, duration: 2s}", ({"n": 4}, 2000)),
    ("{handler: code.py:fails, duration: 2s}", ("TooMany", "because")),
]
CODE = """
from sfnrun.effects import PENDING
from sfnrun.errors import TaskFailed
def double(event, context):
    event["n"] *= 2
    return event
def token(event, context): return [context.task_token, context.state, context.resource, context.attempt]
def fails(event, context): raise TaskFailed("TooMany", "because")
def waits(event, context): return PENDING
def breaks(event, context): raise LookupError("not here")
class Shop:
    @staticmethod
    def sell(event, context): return "sold"
"""


@pytest.mark.parametrize(("rule", "expected"), RULES, ids=[rule for rule, _ in RULES])
def test_rules(rule: str, expected: Any, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    resolver = written(tmp_path, f"tasks:\n  S: {{{rule}}}\n" if rule[0] != "{" else f"tasks:\n  S: {rule}\n")
    arn = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    assert outcome(resolver, ask(arn, {"n": 2}, token="token-1")) == expected


def test_a_handler_of_a_service_fails_as_a_function_does(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    resolver = written(tmp_path, "tasks: {S: {handler: 'code.py:breaks'}}")
    error, cause = outcome(resolver, ask("arn:aws:states:::sns:publish"))
    assert error == "LookupError"
    assert cause.startswith('{"errorMessage":"not here","errorType":"LookupError","requestId":"')
    assert json.loads(cause)["stackTrace"][0].startswith(f'  File "{tmp_path / "code.py"}", line ')


def test_a_handler_with_a_token_gives_what_comes_back(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    resolver = written(tmp_path, "tasks: {S: {handler: 'code.py:double'}}")
    arguments = {"FunctionName": "approve", "Payload": {"n": 3}}
    assert outcome(resolver, ask(f"{INVOKE}.waitForTaskToken", arguments, token="t")) == {"n": 6}


def test_attempts(tmp_path: Path) -> None:
    resolver = written(tmp_path, "tasks: {S: {attempts: [{error: First}, {result: 2}]}}")
    arn = "arn:aws:states:::sns:publish"
    assert [outcome(resolver, ask(arn, attempt=number)) for number in range(4)] == [("First", None), 2, 2, 2]


NAMED = [
    ("S", "arn:aws:states:::sns:publish", {}),
    ("charge-card", f"{ARN}:charge-card", {}),
    ("ChargeCard", f"{ARN}:charge-card", {}),
    ("charge_card", INVOKE, {"FunctionName": f"{ARN}:ChargeCard:prod"}),
    ("charge_card", INVOKE, {"FunctionName": "${ChargeCardFunction.Arn}"}),
    ("sns:*", "arn:aws:states:::sns:publish", {}),
    ("'arn:aws:states:::sns:publish'", "arn:aws:states:::sns:publish", {}),
    ("'*:function:charge*'", f"{ARN}:charge-card", {}),
]


@pytest.mark.parametrize(("name", "arn", "arguments"), NAMED)
def test_what_rules_are_named_by(name: str, arn: str, arguments: Any, tmp_path: Path) -> None:
    resolver = written(tmp_path, f"functions_dir: {FUNCTIONS}\ntasks: {{{name}: {{result: ruled}}}}")
    assert outcome(resolver, ask(arn, arguments)) == "ruled"


def test_settings_of_functions(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        "import os\ndef main(event, context):\n"
        "    return [context.memory_limit_in_mb, os.environ['TABLE'], os.environ['STAGE'], context.function_name]"
    )
    resolver = written(
        tmp_path,
        """
functions:
  "*": {environment: {STAGE: test, TABLE: overridden}}
  ChargeCard: {handler: "code.py:main", memory: 256, timeout: 20, environment: {TABLE: cards}}
""",
    )
    request = ask(f"{ARN}:charge-card")
    assert resolver.for_request(request).time_limit == 20
    assert outcome(resolver, request) == ["256", "cards", "test", "charge-card"]


# Seconds after which a driver gives a handler up; one that only stands in for another service has Lambda's longest.
LIMITS = [
    ("", f"{ARN}:echo", 3),
    ("tasks: {S: {timeout: 60}}", f"{ARN}:echo", 60),
    ("functions: {echo: {timeout: 60}}", f"{ARN}:echo", 60),
    ("tasks: {S: {handler: 'code.py:double'}}", "arn:aws:states:::sns:publish", 900),
    (
        "functions: {'*': {mode: in-process}}\ntasks: {S: {handler: 'code.py:double'}}",
        "arn:aws:states:::sns:publish",
        None,
    ),
    ("tasks: {S: {handler: 'code.py:double', timeout: 5}}", "arn:aws:states:::sns:publish", 5),
    ("tasks: {S: {result: 1}}", f"{ARN}:echo", None),
]


@pytest.mark.parametrize(("text", "arn", "limit"), LIMITS)
def test_time_limits(text: str, arn: str, limit: float | None, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    resolver = written(tmp_path, f"functions_dir: {FUNCTIONS}\n{text}")
    assert resolver.for_request(ask(arn)).time_limit == limit


# --- what a definition names ---

PARAMETERS = [
    ({"Resource": f"{ARN}:f"}, "f"),
    ({"Resource": INVOKE, "Parameters": {"FunctionName": "f"}}, "f"),
    ({"Resource": INVOKE, "Parameters": {"FunctionName.$": "$.f"}}, None),
    ({"Resource": INVOKE, "QueryLanguage": "JSONata", "Arguments": {"FunctionName": "f"}}, "f"),
    ({"Resource": INVOKE, "QueryLanguage": "JSONata", "Arguments": {"FunctionName": "{% 'f' %}"}}, None),
    ({"Resource": INVOKE, "QueryLanguage": "JSONata", "Arguments": "{% $states.input %}"}, None),
    ({"Resource": "arn:aws:states:::sns:publish", "Parameters": {"FunctionName": "f"}}, None),
]


@pytest.mark.parametrize(("fields", "name"), PARAMETERS)
def test_the_function_that_a_state_names(fields: Any, name: str | None) -> None:
    assert named_function(task(**fields)) == name


def test_a_function_that_only_the_data_name_is_found_when_it_is_asked_for(config: Project) -> None:
    resolver = Resolver(config)
    state = {"Resource": INVOKE, "Parameters": {"FunctionName.$": "$.f"}}
    assert resolver.unanswered(machine(S=state)) == []
    assert outcome(resolver, ask(INVOKE, {"FunctionName": "echo", "Payload": 5}))["Payload"] == 5


# --- nobody ---


def test_all_that_nobody_answers_is_told_with_what_to_paste(tmp_path: Path) -> None:
    inner = {"StartAt": "Deep", "States": {"Deep": {"Type": "Task", "Resource": "${DeepFunctionArn}", "End": True}}}
    definition = {
        "StartAt": "Notify",
        "States": {
            "Notify": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "Echo"},
            "Echo": {"Type": "Task", "Resource": f"{ARN}:echo", "Next": "Each"},
            "Each": {"Type": "Map", "ItemProcessor": inner, "Next": "Both"},
            "Both": {"Type": "Parallel", "Branches": [branch("yes"), branch("Read table")], "End": True},
        },
    }
    found = Resolver(Project(settings=Settings(functions_dir=FUNCTIONS))).unanswered(sfnrun.load(definition))
    assert [(one.state, one.calls) for one in found] == [
        ("Notify", "sns:publish"),
        ("Deep", "the function ${DeepFunctionArn}"),
        ("yes", "aws-sdk:dynamodb:getItem"),
        ("Read table", "aws-sdk:dynamodb:getItem"),
    ]
    error = complaint(found, lambda pointer: f"order.asl.json:{len(pointer)}")
    assert error.message.splitlines() == [
        "no handler or mock for 4 Tasks:",
        "  Notify (order.asl.json:2) calls sns:publish",
        "  Deep (order.asl.json:5) calls the function ${DeepFunctionArn}",
        "  yes (order.asl.json:6) calls aws-sdk:dynamodb:getItem",
        "  Read table (order.asl.json:6) calls aws-sdk:dynamodb:getItem",
    ]
    assert error.hint.startswith("define handler(event, context) in ")
    assert "deep.py, or add the results to sfnrun.yaml:\n\ntasks:\n" in error.hint
    pasted = error.hint[error.hint.index("tasks:") :]
    (tmp_path / "sfnrun.yaml").write_text(pasted)
    assert set(yaml.safe_load(pasted)["tasks"]) == {"Notify", "Deep", "yes", "Read table"}
    answered = Resolver(
        load_project(tmp_path, config=tmp_path / "sfnrun.yaml"),
        Resolver(Project(settings=Settings(functions_dir=FUNCTIONS))),
    )
    assert answered.unanswered(sfnrun.load(definition)) == []


def branch(name: str) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:dynamodb:getItem", "End": True}
    return {"StartAt": name, "States": {name: state}}


def test_one_that_nobody_answers() -> None:
    found = Resolver(Project(settings=Settings(functions_dir=Path("functions")))).unanswered(
        machine(Pay={"Resource": f"{ARN}:ChargeCard2"})
    )
    error = complaint(found)
    assert error.message == "no handler or mock for 1 Task:\n  Pay calls the function ChargeCard2"
    assert error.hint == (
        "define handler(event, context) in functions/charge_card_2.py, or add the result to sfnrun.yaml:\n\n"
        "tasks:\n  Pay:\n    result: {ok: true}\n"
    )


def test_a_misspelt_name_in_sfnrun_yaml_is_pointed_at(tmp_path) -> None:
    (tmp_path / "sfnrun.yaml").write_text("tasks: {ChargeCart: {result: {}}, Ship: {result: {}}}")
    resolver = Resolver(load_project(tmp_path, config=tmp_path / "sfnrun.yaml"))
    error = complaint(resolver.unanswered(machine(ChargeCard={"Resource": f"{ARN}:pay"})))
    assert error.message.endswith("ChargeCard calls the function pay (did you mean 'ChargeCart' in sfnrun.yaml?)")
    assert complaint(resolver.unanswered(machine(Bill={"Resource": f"{ARN}:pay"}))).message.endswith("function pay")
