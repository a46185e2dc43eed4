"""How functions fail: every row is a module, what the Task fails with, and the cause, to the letter."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import pytest
from asking import ID

from sfnrun.errors import TaskFailed


class Row(NamedTuple):
    name: str
    module: str
    error: str
    message: str
    trace: tuple[str, ...] = ()
    request_id: str = ID


RUNTIME = [
    Row(
        "an exception",
        """
        def handler(event, context):
            raise ValueError("no stock")
        """,
        "ValueError",
        "no stock",
        ('  File "FILE", line 3, in handler\n    raise ValueError("no stock")\n',),
    ),
    Row(
        "a class of one's own has no module",
        """
        class OutOfStock(Exception):
            pass
        def handler(event, context):
            raise OutOfStock
        """,
        "OutOfStock",
        "",
        ('  File "FILE", line 5, in handler\n    raise OutOfStock\n',),
    ),
    Row(
        "frames of the user's code, outermost first",
        """
        def price(item):
            return item["price"]
        def handler(event, context):
            return price({})
        """,
        "KeyError",
        "'price'",
        (
            '  File "FILE", line 5, in handler\n    return price({})\n',
            '  File "FILE", line 3, in price\n    return item["price"]\n',
        ),
    ),
    Row(
        "characters beyond ASCII stay",
        """
        def handler(event, context):
            raise ValueError("größer als 5 €")
        """,
        "ValueError",
        "größer als 5 €",
        ('  File "FILE", line 3, in handler\n    raise ValueError("größer als 5 €")\n',),
    ),
    Row(
        "an import that finds nothing",
        "import nowhere_to_be_found",
        "Runtime.ImportModuleError",
        "Unable to import module 'f': No module named 'nowhere_to_be_found'",
        request_id="",
    ),
    Row(
        "a name that a sibling lacks",
        "from f import nothing",
        "Runtime.ImportModuleError",
        "Unable to import module 'f': cannot import name 'nothing' from partially initialized module 'f' "
        "(most likely due to a circular import) (FILE)",
        request_id="",
    ),
    Row(
        "a syntax error",
        "def handler(event, context)\n    return 1\n",
        "Runtime.UserCodeSyntaxError",
        "Syntax error in module 'f': expected ':' (f.py, line 1)",
        ('  File "FILE" Line 1\n    def handler(event, context)\n',),
        request_id="",
    ),
    Row(
        "no handler",
        "def main(event, context): pass",
        "Runtime.HandlerNotFound",
        "Handler 'handler' missing on module 'f'",
        request_id="",
    ),
    Row(
        "an exception at import",
        "TABLE = {}['TABLE']\n",
        "KeyError",
        "'TABLE'",
        ("""  File "FILE", line 1, in <module>\n    TABLE = {}['TABLE']\n""",),
        request_id="",
    ),
    Row(
        "a set",
        "def handler(event, context): return {1}",
        "Runtime.MarshalError",
        "Unable to marshal response: Object of type set is not JSON serializable",
    ),
    Row(
        "a datetime inside",
        """
        import datetime
        def handler(event, context): return {"at": [datetime.datetime(2026, 1, 1)]}
        """,
        "Runtime.MarshalError",
        "Unable to marshal response: Object of type datetime is not JSON serializable",
    ),
    Row(
        "bytes inside that are not UTF-8",
        "def handler(event, context): return {'data': b'\\xff'}",
        "Runtime.MarshalError",
        "Unable to marshal response: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ),
    Row(
        "a key that JSON cannot have",
        "def handler(event, context): return {(1, 2): 3}",
        "Runtime.MarshalError",
        "Unable to marshal response: keys must be str, int, float, bool or None, not tuple",
    ),
    Row(
        "a cycle",
        """
        def handler(event, context):
            event["self"] = event
            return event
        """,
        "Runtime.MarshalError",
        "Unable to marshal response: Circular reference detected",
    ),
    Row(
        "an async handler",
        "async def handler(event, context): return 1",
        "Runtime.MarshalError",
        "Unable to marshal response: Object of type coroutine is not JSON serializable",
    ),
    Row(
        "too few parameters",
        "def handler(event): return 1",
        "TypeError",
        "handler() takes 1 positional argument but 2 were given",
    ),
    Row(
        "something that is no function",
        "handler = 5",
        "TypeError",
        "'int' object is not callable",
    ),
]

PLATFORM = [
    ("sys.exit()", "import sys\ndef handler(e, c): sys.exit()", "Runtime exited without providing a reason"),
    ("sys.exit(0)", "import sys\ndef handler(e, c): sys.exit(0)", "Runtime exited without providing a reason"),
    ("sys.exit(3)", "import sys\ndef handler(e, c): sys.exit(3)", "Runtime exited with error: exit status 3"),
    ("sys.exit(-1)", "import sys\ndef handler(e, c): sys.exit(-1)", "Runtime exited with error: exit status 255"),
    ("sys.exit(text)", "import sys\ndef handler(e, c): sys.exit('why')", "Runtime exited with error: exit status 1"),
    ("os._exit(7)", "import os\ndef handler(e, c): os._exit(7)", "Runtime exited with error: exit status 7"),
    ("at import", "raise SystemExit(7)", "Runtime exited with error: exit status 7"),
    ("GeneratorExit", "def handler(e, c): raise GeneratorExit", "Runtime exited with error: exit status 1"),
    (
        "a BaseException of one's own",
        "class End(BaseException): pass\ndef handler(e, c): raise End('x')",
        "Runtime exited with error: exit status 1",
    ),
]


def expected(row: Row, file: str) -> dict[str, Any]:
    return {
        "errorMessage": row.message.replace("FILE", file),
        "errorType": row.error,
        "requestId": row.request_id,
        "stackTrace": [line.replace("FILE", file) for line in row.trace],
    }


def without_importlib(cause: str) -> str:
    """The cause without the frames of importlib, which Lambda does show and which depend on the Python version."""
    frame = r'"  File \\"[^"]*importlib[^"]*\\", line \d+, in \w+\\n(?:    [^"]*\\n)?"'
    return re.sub(rf"{frame}(?:, ?)?", "", cause)


def test_importlib_is_part_of_the_trace_of_an_exception_at_import(function, tmp_path) -> None:
    with pytest.raises(TaskFailed) as caught:
        function("TABLE = {}['TABLE']\n").by_arn()
    trace = json.loads(caught.value.cause)["stackTrace"]
    assert trace[0].endswith("    return _bootstrap._gcd_import(name[level:], package, level)\n")
    assert '  File "<frozen importlib._bootstrap>", line ' in trace[1]
    assert trace[-1].startswith(f'  File "{tmp_path / "f.py"}", line 1, in <module>\n')


@pytest.mark.parametrize("row", RUNTIME, ids=lambda row: row.name)
def test_a_function_arn_has_the_payload_with_blanks(row: Row, function, tmp_path) -> None:
    with pytest.raises(TaskFailed) as caught:
        function(row.module).by_arn()
    assert caught.value.name == row.error
    payload = expected(row, str(tmp_path / "f.py"))
    assert without_importlib(caught.value.cause) == json.dumps(payload, ensure_ascii=False)


@pytest.mark.parametrize("row", RUNTIME, ids=lambda row: row.name)
def test_lambda_invoke_has_it_compact(row: Row, function, tmp_path) -> None:
    with pytest.raises(TaskFailed) as caught:
        function(row.module).by_invoke({})
    assert caught.value.name == row.error
    payload = expected(row, str(tmp_path / "f.py"))
    cause = json.loads(without_importlib(caught.value.cause))
    assert cause == payload
    assert caught.value.cause.startswith('{"errorMessage":"')


@pytest.mark.parametrize(("name", "module", "reason"), PLATFORM, ids=[row[0] for row in PLATFORM])
def test_the_end_of_the_process_is_told_by_lambda_itself(name: str, module: str, reason: str, function) -> None:
    for invoke in (function(module).by_arn, function(module).by_invoke):
        with pytest.raises(TaskFailed) as caught:
            invoke({})
        assert caught.value.name == "Runtime.ExitError"
        message = f"RequestId: {ID} Error: {reason}"
        assert caught.value.cause == f'{{"errorType":"Runtime.ExitError","errorMessage":"{message}"}}'


def test_what_sys_exit_prints_is_told(function) -> None:
    exiting = function("import sys\ndef handler(e, c): sys.exit('out of luck')")
    with pytest.raises(TaskFailed):
        exiting.by_arn()
    assert exiting.lines[0] == "out of luck"


@pytest.mark.runs_in("in-process")
def test_ctrl_c_is_the_users(function) -> None:
    with pytest.raises(KeyboardInterrupt):
        function("def handler(e, c): raise KeyboardInterrupt").by_arn()


def test_deep_recursion_is_the_functions_error(function) -> None:
    with pytest.raises(TaskFailed) as caught:
        function("def handler(e, c): return handler(e, c)").by_arn()
    assert caught.value.name == "RecursionError"
    trace = json.loads(caught.value.cause)["stackTrace"]
    assert re.fullmatch(r"  \[Previous line repeated \d+ more times\]\n", trace[-1]), "said once, as traceback does"
    assert len(trace) < 10


def test_an_exception_that_cannot_say_its_text(function) -> None:
    module = """
        class Mute(Exception):
            def __str__(self): raise RuntimeError
        def handler(event, context): raise Mute
        """
    with pytest.raises(TaskFailed) as caught:
        function(module).by_arn()
    assert caught.value.name == "Runtime.ExitError"
    assert caught.value.cause.endswith('Error: Runtime exited with error: exit status 1"}')


def test_a_response_over_6_mb(function) -> None:
    with pytest.raises(TaskFailed) as caught:
        function("def handler(e, c): return 'x' * 6_291_555").by_arn()
    assert caught.value.name == "Function.ResponseSizeTooLarge"
    message = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    assert caught.value.cause == f'{{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"{message}"}}'


def test_a_response_of_just_6_mb(function) -> None:
    assert len(function("def handler(e, c): return 'x' * 6_291_554").by_arn().text) == 6_291_556


@pytest.mark.parametrize("value", ["float('nan')", "{'a': float('inf')}", "b'no json'", "b'\\xff'"])
def test_a_result_that_is_no_json_is_not_caught_by_anybody(value: str, function) -> None:
    with pytest.raises(TaskFailed) as caught:
        function(f"def handler(e, c): return {value}").by_arn()
    assert caught.value.name == "States.Runtime"
    assert caught.value.cause.startswith("The function returned a result that is not valid JSON: ")


# What the log says beside the error, for the modules above and others: FILE stands for the module's file.
ADVICE = [
    (
        "async def handler(event, context): return 1",
        "FILE:1: the result is a coroutine, which is not JSON serializable: Lambda does not await an async handler",
    ),
    (
        "def handler(event, context): yield 1",
        "FILE:1: the result is a generator, which is not JSON serializable: return a list: list(values); or remove",
    ),
    (
        "def handler(event, context): return {'tags': [0, {1}]}",
        "FILE:1: result['tags'][1] is a set, which is not JSON serializable: return a list: sorted(values)",
    ),
    (
        "def handler(event, context): return {'a': {(1, 2): 3}}",
        "FILE:1: a key of result['a'] is a tuple, which is not JSON serializable: return dicts",
    ),
    (
        "class Order: pass\ndef handler(event, context): return Order()",
        "FILE:2: the result is a Order, which is not JSON serializable: return dicts with string keys",
    ),
    (
        "def handler(event, context):\n    event['e'] = event\n    return event",
        "FILE:1: the result is circular or nested too deeply",
    ),
    (
        "def handler(event, context): return float('nan')",
        "the result of the handler is not JSON: return NaN and Infinity as strings",
    ),
    (
        "def handler(event): return 1",
        "FILE:1: Lambda calls the handler with two arguments: def handler(event, context)",
    ),
    ("handler = 5", "Lambda calls the handler with two arguments"),
    (
        "def main(event, context): return 1",
        "FILE: no function named handler or lambda_handler; found: main",
    ),
    (
        "import json\nimport nowhere_to_be_found",
        "FILE:2: module 'nowhere_to_be_found' not found next to the handler or in /",
    ),
    ("from json import nothing", "FILE:1: this import fails"),
    (
        "import sys\ndef handler(e, c):\n    sys.exit(3)",
        "FILE:3: this exits the function's process and fails the Task",
    ),
]


@pytest.mark.parametrize(("module", "advice"), ADVICE, ids=[row[0] for row in ADVICE])
def test_the_log_says_where_it_went_wrong_and_what_to_do(module: str, advice: str, function, tmp_path) -> None:
    failing = function(module)
    with pytest.raises(TaskFailed):
        failing.by_arn({})
    assert len(failing.lines) == 1
    assert failing.lines[0].startswith(advice.replace("FILE", str(tmp_path / "f.py")))


def test_an_error_that_names_its_line_itself_needs_no_advice(function) -> None:
    failing = function("def handler(event, context): return len(5)")
    with pytest.raises(TaskFailed):
        failing.by_arn()
    assert failing.lines == []


def test_a_process_that_a_handler_forks_ends_with_the_handler(function) -> None:
    module = """
        import os
        def handler(event, context):
            child = os.fork()
            if child:
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            raise ValueError("in the child")
        """
    assert function(module).by_arn().value == 1


@pytest.mark.runs_in("in-process")
def test_os_exit_is_pointed_at(function, tmp_path) -> None:
    exiting = function("import os\ndef handler(e, c):\n    os._exit(7)")
    with pytest.raises(TaskFailed):
        exiting.by_arn()
    assert exiting.lines[0].startswith(f"{tmp_path / 'f.py'}:3: this exits the function's process and fails the Task")


@pytest.mark.runs_in("process")
def test_keyboard_interrupt_is_an_exit(function) -> None:
    with pytest.raises(TaskFailed) as caught:
        function("def handler(e, c): raise KeyboardInterrupt('x')").by_arn()
    assert caught.value.name == "Runtime.ExitError"
    assert caught.value.cause.endswith('Runtime exited with error: exit status 1"}')
