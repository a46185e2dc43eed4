"""What functions return, and the text that it becomes."""

from __future__ import annotations

import base64
import re
import sys

import pytest
from asking import ID, INVOKE, ask

from sfnrun.errors import TaskFailed
from sfnrun.tasks.lambdas.invoke import by_lambda_invoke, invoke

# What a handler returns, and the text that a function ARN gives: the runtime writes with blanks.
RESULTS = [
    ("{'a': 1, 'b': [1, 2]}", '{"a": 1, "b": [1, 2]}'),
    ("None", "null"),
    ("0.0", "0.0"),
    ("'HelloWorld'", '"HelloWorld"'),
    ("(1, (2, 3))", "[1, [2, 3]]"),
    ("{7: 'a', None: 'b', True: 'c', 2.5: 'd'}", '{"7": "a", "null": "b", "true": "c", "2.5": "d"}'),
    ("'größer €'", '"größer €"'),
    ("{'data': b'bytes', b'key': 1}", '{"data": "bytes", "key": 1}'),
    ("__import__('collections').namedtuple('P', 'x y')(1, (2,))", '{"x": 1, "y": [2]}'),
    ("b'{\"raw\":  1}'", '{"raw":  1}'),
    ("__import__('decimal').Decimal('1.10')", "1.10"),
    ("{'n': [__import__('decimal').Decimal(5)], 'text': 'decimal-0'}", '{"n": [5], "text": "decimal-0"}'),
    ("2 ** 80", "1208925819614629174706176"),
]


@pytest.mark.parametrize(("value", "text"), RESULTS, ids=[row[0] for row in RESULTS])
def test_texts(value: str, text: str, function) -> None:
    returning = function(f"def handler(event, context): return {value}")
    assert returning.by_arn().text == text


def test_half_a_surrogate_pair_is_escaped_or_ends_the_process(function) -> None:
    """From Python 3.12 on, Lambda's runtime does not escape characters, and these cannot be encoded."""
    returning = function("def handler(event, context): return '\\ud800'")
    if sys.version_info < (3, 12):
        assert returning.by_arn().text == '"\\ud800"'
    else:
        with pytest.raises(TaskFailed, match=r"Runtime\.ExitError"):
            returning.by_arn()


def test_lambda_invoke_puts_an_answer_around_it(function) -> None:
    answer = function("def handler(event, context): return event").by_invoke({"body": "string body"})
    headers = {
        "Connection": "keep-alive",
        "Content-Length": "23",
        "Content-Type": "application/json",
        "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
        "X-Amz-Executed-Version": "$LATEST",
        "x-amzn-Remapped-Content-Length": "0",
        "x-amzn-RequestId": ID,
        "X-Amzn-Trace-Id": "root=1-6955b900-1234567812344234a2341234;parent=a234123456789012;sampled=0",
    }
    order = ["X-Amz-Executed-Version", "x-amzn-Remapped-Content-Length", "Connection", "x-amzn-RequestId"]
    order += ["Content-Length", "Date", "X-Amzn-Trace-Id", "Content-Type"]
    assert answer.value == {
        "ExecutedVersion": "$LATEST",
        "Payload": {"body": "string body"},
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [headers[name]] for name in order},
            "HttpHeaders": headers,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": ID},
        "StatusCode": 200,
    }
    assert list(answer.value) == [
        "ExecutedVersion",
        "Payload",
        "SdkHttpMetadata",
        "SdkResponseMetadata",
        "StatusCode",
    ]
    assert list(answer.value["SdkHttpMetadata"]["AllHttpHeaders"]) == order
    assert list(answer.value["SdkHttpMetadata"]["HttpHeaders"]) == list(headers)


def test_an_event_is_run_and_not_waited_for(function) -> None:
    telling = function("def handler(event, context): print('ran'); raise ValueError")
    answer = telling.by_invoke({}, InvocationType="Event").value
    assert (answer["StatusCode"], answer["Payload"], "ExecutedVersion" in answer) == (202, {}, False)
    assert telling.lines[0] == "ran"
    assert telling.lines[1].startswith("f was invoked as an Event and failed: ")


def test_a_dry_run_does_not_run(function) -> None:
    telling = function("print('ran')")
    assert telling.by_invoke({}, InvocationType="DryRun").value["StatusCode"] == 204
    assert telling.lines == []


def test_no_payload_is_an_empty_object(function) -> None:
    given = function("def handler(event, context): return event")
    assert given.by_invoke(None).value["Payload"] is None
    assert invoke(by_lambda_invoke, given.runtime, ask(INVOKE, {"FunctionName": "f"})).value["Payload"] == {}


def test_the_end_of_the_log_is_returned_on_request(function) -> None:
    telling = function("def handler(event, context):\n    print('x' * 5000)\n    print('last')\n    return event")
    answer = telling.by_invoke(1, LogType="Tail").value
    log = base64.b64decode(answer["LogResult"]).decode()
    assert len(log) == 4096
    assert "x\nlast\nEND RequestId: " in log
    report = (
        r"REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: "
    )
    assert re.search(rf"{report}\d+ MB\t(Init Duration: [\d.]+ ms\t)?\n$", log)
    assert answer["SdkHttpMetadata"]["HttpHeaders"]["X-Amz-Log-Result"] == answer["LogResult"]
    short = function("def handler(event, context): print('hello')", "g").by_invoke(1, LogType="Tail").value
    assert base64.b64decode(short["LogResult"]).startswith(
        f"START RequestId: {ID} Version: $LATEST\nhello\nEND".encode()
    )
    assert "LogResult" not in telling.by_invoke(1).value
