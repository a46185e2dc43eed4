"""What `sfnrun.run(tasks=...)` takes: callables by name, and what becomes of what they return and raise."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from asking import ARN, ID, INVOKE, ask

from sfnrun.config import Project
from sfnrun.effects import PENDING, Reply, Request
from sfnrun.errors import TaskFailed, UsageError
from sfnrun.payload import Payload
from sfnrun.tasks.callables import from_callables
from sfnrun.tasks.resolve import Resolver, TaskNames

SNS = "arn:aws:states:::sns:publish"


def answer(tasks: Any, request: Request) -> Any:
    handler = from_callables(tasks).find(TaskNames(request.state, request.function_name, request.resource))
    assert handler is not None
    given = handler.call(request)
    return given.value if isinstance(given, Payload) else given


NAMES = [
    ("S", SNS, {}),
    ("charge-card", f"{ARN}:charge-card", {}),
    ("ChargeCard", f"{ARN}:charge_card", {}),
    ("charge_card", INVOKE, {"FunctionName": f"{ARN}:ChargeCard:prod"}),
    ("charge_card", INVOKE, {"FunctionName": "${ChargeCardFunctionArn}"}),
    (f"{ARN}:f", f"{ARN}:f", {}),
    (SNS, SNS, {}),
    ("sns:publish", SNS, {}),
    ("sns:*", SNS, {}),
    ("*:publish", SNS, {}),
    ("charge*", f"{ARN}:charge-card", {}),
    ("arn:aws:states:::dynamodb:*", "arn:aws:states:::dynamodb:getItem", {}),
    ("worker", "arn:aws:states:eu-west-1:111122223333:activity:worker", {}),
    ("*", SNS, {}),
]


@pytest.mark.parametrize(("name", "arn", "arguments"), NAMES)
def test_names(name: str, arn: str, arguments: Any) -> None:
    assert answer({name: "found", "nobody": "wrong", "x*": "wrong"}, ask(arn, arguments)) == "found"


def test_the_state_comes_before_the_function_before_the_resource_before_patterns() -> None:
    names = ["sns:*", f"{ARN}:f", "f", "S"]
    tasks = {name: name for name in names}
    found = []
    while tasks:
        handler = from_callables(tasks).find(TaskNames("S", "f", ask(f"{ARN}:f").resource))
        if handler is None:
            break
        found.append(handler.call(ask()).value)
        del tasks[found[-1]]
    assert found == ["S", "f", f"{ARN}:f"]


def test_none_answers_nothing() -> None:
    assert from_callables(None).find(TaskNames("S", None, ask(SNS).resource)) is None


def seven(request: Request) -> int:
    return 7


class Shop:
    def sell(self, request: Request) -> str:
        return request.state

    def serve(self, event: Any, context: Any) -> Any:
        return [event, context.state]

    def __call__(self, request: Request) -> str:
        return "called"


CALLABLES = [
    (seven, 7),
    (lambda request: request.payload["n"], 1),
    (lambda request, **more: more, {}),
    (lambda request, times=2: request.payload["n"] * times, 2),
    (lambda *arguments: len(arguments), 1),
    (Shop().sell, "S"),
    (Shop(), "called"),
    (partial(lambda factor, request: factor * request.payload["n"], 5), 5),
    (lambda event, context: [event, context.aws_request_id], [{"n": 1}, ID]),
    (lambda event, context, more=None: more, None),
    (Shop().serve, [{"n": 1}, "S"]),
]


@pytest.mark.parametrize(("task", "expected"), CALLABLES)
def test_callables_with_one_parameter_get_the_request_with_two_an_event_and_a_context(task: Any, expected: Any) -> None:
    assert answer(task, ask(SNS, {"n": 1})) == expected
    assert answer({"S": task}, ask(SNS, {"n": 1})) == expected


@pytest.mark.parametrize("result", [None, 0, "text", [1, {"a": None}], {"b": True}])
def test_fixed_results(result: Any) -> None:
    assert answer({"S": result}, ask(SNS)) == result


def test_a_lambda_handler_is_invoked_as_lambda_would() -> None:
    def handler(event, context):
        event["seen"] = context.function_name
        return event

    given = {"FunctionName": "charge", "Payload": {"n": 1}}
    result = answer({"charge": handler}, ask(INVOKE, given))
    assert (result["Payload"], result["StatusCode"]) == ({"n": 1, "seen": "charge"}, 200)
    assert given == {"FunctionName": "charge", "Payload": {"n": 1}}, "an event is a copy"
    assert answer({"charge": handler}, ask(f"{ARN}:charge", {"n": 1})) == {"n": 1, "seen": "charge"}
    with_token = ask(f"{INVOKE}.waitForTaskToken", given, token="t")
    assert answer({"charge": handler}, with_token) == {"n": 1, "seen": "charge"}


def test_one_that_says_more() -> None:
    reply = Reply(1, duration_ms=5)
    assert answer(lambda request: reply, ask(SNS)) is reply
    assert answer(lambda event, context: PENDING, ask(INVOKE, {"FunctionName": "f"})) is PENDING


def broken(request: Request) -> None:
    raise LookupError("not here")


def broken_function(event: Any, context: Any) -> None:
    raise LookupError("not here")


@pytest.mark.parametrize("task", [broken, broken_function])
@pytest.mark.parametrize(("arn", "blank"), [(f"{ARN}:f", " "), (INVOKE, ""), (SNS, "")])
def test_exceptions_are_errors_as_lambda_makes_them(task: Any, arn: str, blank: str) -> None:
    with pytest.raises(TaskFailed) as caught:
        answer(task, ask(arn, {"FunctionName": "f"}))
    assert caught.value.name == "LookupError"
    cause = caught.value.cause
    assert cause.startswith(
        f'{{"errorMessage":{blank}"not here",{blank}"errorType":{blank}"LookupError",{blank}"requestId"'
    )
    line = task.__code__.co_firstlineno + 1
    told = f'  File "{__file__}", line {line}, in {task.__name__}\n    raise LookupError("not here")\n'
    assert json.loads(cause)["stackTrace"] == [told]


@pytest.mark.parametrize("error", [TaskFailed("E", "why"), TaskFailed(None), TaskFailed("States.Timeout")])
def test_task_failed_says_itself_what_the_error_is(error: TaskFailed) -> None:
    def fails(request: Request) -> None:
        raise error

    with pytest.raises(TaskFailed) as caught:
        answer(fails, ask(SNS))
    assert caught.value is error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_passes(error: type[BaseException]) -> None:
    def ends(request: Request) -> None:
        raise error

    with pytest.raises(error):
        answer(ends, ask(SNS))


async def later(request: Request) -> None: ...


UNUSABLE = [
    (5, "tasks must be a callable or a mapping, not int"),
    ("S", "tasks must be a callable or a mapping, not str"),
    ({1: 2}, "tasks has the key 1"),
    ({"S": {1, 2}}, "tasks['S'] must be a callable or a JSON value: "),
    ({"S": float("nan")}, "tasks['S'] must be a callable or a JSON value: "),
    ({"S": later}, "tasks['S'] is an async function"),
    (later, "tasks['*'] is an async function"),
]


@pytest.mark.parametrize(("tasks", "message"), UNUSABLE)
def test_what_answers_nothing_is_refused(tasks: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_callables(tasks)
    assert caught.value.message.startswith(message)


def test_callables_come_before_sfnrun_yaml_and_functions(config: Project) -> None:
    resolver = Resolver(config, from_callables({"echo": "called"}))
    request = ask(f"{ARN}:echo", 1)
    assert resolver.for_request(request).call(request).value == "called"
    other = ask(f"{ARN}:charge-card")
    assert resolver.for_request(other).call(other).value == {"charged": 12}
