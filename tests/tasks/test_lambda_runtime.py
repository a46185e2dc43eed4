"""A function's life: cold and warm starts, what it sees, what it may do to the process, its end."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from asking import ARN, FUNCTIONS, ID, INVOKE, ask

from sfnrun.errors import TaskFailed
from sfnrun.payload import Payload
from sfnrun.tasks.lambdas.in_process import InProcessRuntime
from sfnrun.tasks.lambdas.invoke import by_arn, by_lambda_invoke, invoke
from sfnrun.tasks.lambdas.process_runtime import ProcessRuntime


@pytest.fixture
def door(monkeypatch) -> SimpleNamespace:
    """A module by which a test reaches into a handler."""
    opened = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "door", opened)
    return opened


# --- cold and warm ---


def test_the_module_is_imported_once_and_its_globals_survive(bundled) -> None:
    counter = bundled("counter")
    assert [counter.by_arn(event).value["invocations"] for event in (1, 2, 3)] == [1, 2, 3]
    assert counter.lines == ["cold start"]


def test_after_an_exit_comes_a_cold_start(bundled) -> None:
    counter = bundled("counter")
    counter.by_arn()
    with pytest.raises(TaskFailed):
        counter.by_arn("exit")
    assert counter.by_arn().value["invocations"] == 1
    assert [line for line in counter.lines if "exits the function's process" not in line] == [
        "cold start",
        "cold start",
    ]


@pytest.mark.runs_in("in-process")
def test_after_a_timeout_comes_a_cold_start(bundled) -> None:
    counter = bundled("counter")
    counter.by_arn()
    counter.runtime.timed_out(ID, print)
    assert counter.by_arn().value["invocations"] == 1


def test_after_a_failed_import_comes_another_try(function, tmp_path) -> None:
    broken = function("import nowhere_to_be_found")
    for _ in range(2):
        with pytest.raises(TaskFailed, match=r"Runtime\.ImportModuleError"):
            broken.by_arn()
    (tmp_path / "nowhere_to_be_found.py").write_text("def handler(event, context): return 1")
    (tmp_path / "f.py").write_text("from nowhere_to_be_found import handler")
    assert broken.by_arn().value == 1


@pytest.mark.runs_in("in-process")
def test_functions_with_modules_of_one_name_do_not_meet(bundled) -> None:
    functions = [bundled("shared_name_a"), bundled("shared_name_b")]
    assert [invoked.by_arn().value for invoked in functions] == [["a", "late a"], ["b", "late b"]]
    assert [invoked.by_arn().value for invoked in functions] == [["a", "late a"], ["b", "late b"]]
    assert not {"app", "settings", "late"} & sys.modules.keys(), "nothing of a function is left where others look"


def test_what_is_installed_is_found_as_ever(function) -> None:
    module = """
        import email.message, json as j, os.path
        from collections import abc
        def handler(event, context): return [email.message.__name__, j.__name__, os.path.sep, abc.__name__]
        """
    assert function(module).by_arn().value == ["email.message", "json", os.sep, "collections.abc"]


def test_a_dataclass_and_a_relative_import_work(function, tmp_path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("from . import stock\nfrom .stock import Item")
    (tmp_path / "shop" / "stock.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass, asdict\n"
        "@dataclass\nclass Item:\n    name: str\n"
    )
    module = "import shop.stock, dataclasses\ndef handler(e, c): return dataclasses.asdict(shop.Item('tea'))"
    assert function(module).by_arn().value == {"name": "tea"}


@pytest.mark.runs_in("in-process")
def test_modules_go_with_the_function(function) -> None:
    invoked = function("import json\ndef handler(event, context): return __name__.partition('.')[0]")
    package = invoked.by_arn().value
    assert package in sys.modules
    del invoked
    assert package not in sys.modules


def test_its_own_name_is_what_its_author_calls_it(function) -> None:
    module = """
        import logging
        shown = logging.StreamHandler()
        shown.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logging.getLogger(__name__).addHandler(shown)
        logging.getLogger(__name__).propagate = False
        def handler(event, context):
            logging.getLogger(__name__).warning("hello")
            print(__name__)
        """
    named = function(module)
    named.by_arn()
    assert named.lines == ["f: hello", "f"]


# --- what it sees ---


def test_the_context_object(bundled) -> None:
    who = bundled("who", memory=512, timeout=30)
    asked = ["aws_request_id", "function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb"]
    asked += ["log_group_name", "log_stream_name", "tenant_id", "client_context"]
    told = who.by_arn({"context": asked, "environment": []}).value["context"]
    assert told == {
        "aws_request_id": ID,
        "function_name": "who",
        "function_version": "$LATEST",
        "invoked_function_arn": f"{ARN}:who",
        "memory_limit_in_mb": "512",
        "log_group_name": "/aws/lambda/who",
        "log_stream_name": told["log_stream_name"],
        "tenant_id": None,
        "client_context": None,
    }
    assert told["log_stream_name"].startswith("2026/01/01/[$LATEST]")


ARNS = [
    ("f", None, f"{ARN}:f", "$LATEST"),
    ("f:prod", None, f"{ARN}:f:prod", "$LATEST"),
    ("f:7", None, f"{ARN}:f:7", "7"),
    ("f", "7", f"{ARN}:f:7", "7"),
    ("999988887777:function:f", None, "arn:aws:lambda:eu-west-1:999988887777:function:f", "$LATEST"),
    (
        "arn:aws-cn:lambda:cn-north-1:1:function:f:prod",
        None,
        "arn:aws-cn:lambda:cn-north-1:1:function:f:prod",
        "$LATEST",
    ),
    ("${FunctionArn}", None, f"{ARN}:f", "$LATEST"),
]


@pytest.mark.parametrize(("name", "version", "arn", "known"), ARNS)
def test_as_whom_it_is_invoked(name: str, version: str | None, arn: str, known: str, function) -> None:
    told = function("def handler(e, context): return [context.invoked_function_arn, context.function_version]")
    given = {"FunctionName": name} | ({"Qualifier": version} if version else {})
    answer = told.by_invoke({}, **given).value
    assert answer["Payload"] == [arn, known]
    assert answer["ExecutedVersion"] == known


def test_the_client_context(function) -> None:
    text = base64.b64encode(json.dumps({"custom": {"a": 1}, "client": {"app_title": "T"}}).encode()).decode()
    module = """
        def handler(event, context):
            given = context.client_context
            return [given.custom, given.client.app_title, given.client.app_package_name, given.env]
        """
    assert function(module).by_invoke({}, ClientContext=text).value["Payload"] == [{"a": 1}, "T", None, None]


def test_a_client_context_that_is_none(function) -> None:
    with pytest.raises(TaskFailed) as caught:
        function("def handler(event, context): pass").by_invoke({}, ClientContext="{}")
    assert caught.value.name == "Lambda.InvalidRequestContentException"


def test_the_time_that_remains(function) -> None:
    remaining = function("def handler(event, context): return context.get_remaining_time_in_millis()", timeout=30)
    assert 29_000 < remaining.by_arn().value <= 30_000


def test_environment_variables(monkeypatch, bundled) -> None:
    monkeypatch.setenv("AWS_REGION", "mars-north-1")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    who = bundled("who", memory=256, variables={"TABLE": "orders", "AWS_EXECUTION_ENV": "mine"})
    asked = ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "TABLE", "AWS_EXECUTION_ENV", "_HANDLER"]
    asked += ["AWS_REGION", "AWS_DEFAULT_REGION", "LAMBDA_TASK_ROOT", "PATH"]
    told = who.by_arn({"context": [], "environment": asked}).value["environment"]
    assert told == {
        "AWS_LAMBDA_FUNCTION_NAME": "who",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "TABLE": "orders",
        "AWS_EXECUTION_ENV": "mine",
        "_HANDLER": "who.handler",
        "AWS_REGION": "mars-north-1" if isinstance(who.runtime, InProcessRuntime) else "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": str(FUNCTIONS),
        "PATH": os.environ["PATH"],
    }
    assert "TABLE" not in os.environ


def test_what_it_writes_into_the_environment_stays_with_it(function) -> None:
    module = """
        import os
        def handler(event, context):
            before = os.environ.get("MINE")
            os.environ["MINE"] = "yes"
            os.environ.pop("HOME", None)
            copied = dict(os.environ)
            return [before, copied["MINE"], "HOME" in copied, "HOME" in os.environ, len(copied) == len(os.environ)]
        """
    writing = function(module)
    assert writing.by_arn().value == [None, "yes", False, False, True]
    assert writing.by_arn().value[0] == "yes", "as in Lambda, the next invocation sees it"
    assert "MINE" not in os.environ
    assert "HOME" in os.environ or "USER" not in os.environ


@pytest.mark.parametrize(("name", "value"), [("A", "1"), ("1", "'a'")])
def test_environment_variables_are_texts(name: str, value: str, function) -> None:
    key = "1" if name == "1" else "'A'"
    with pytest.raises(TaskFailed) as caught:
        function(f"import os\ndef handler(e, c): os.environ[{key}] = {value}").by_arn()
    assert (caught.value.name, "str expected, not int" in caught.value.cause) == ("TypeError", True)


@pytest.mark.runs_in("in-process")
def test_functions_side_by_side_have_their_own_variables(function, door) -> None:
    module = """
        import door, os, threading
        def handler(event, context):
            door.both.wait(5)
            seen = []
            thread = threading.Thread(target=lambda: seen.append(os.environ["WHO"]))
            thread.start()
            thread.join()
            return [os.environ["WHO"], *seen]
        """
    door.both = threading.Barrier(2)
    results = {}

    def run(name: str) -> None:
        invoked = function(module, name, variables={"WHO": name})
        results[name] = invoked.by_arn().value

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == {"one": ["one", "one"], "two": ["two", "two"]}


# --- what it gets ---


def test_a_handler_may_change_its_event(function) -> None:
    given = Payload({"items": [1]})
    changing = function("def handler(event, context):\n    event['items'].append(2)\n    return event")
    assert changing.by_arn(given).value == {"items": [1, 2]}
    assert given.value == {"items": [1]}
    asked = {"FunctionName": "f", "Payload": given.value}
    invoke(by_lambda_invoke, changing.runtime, ask(INVOKE, asked))
    assert given.value == {"items": [1]}


def test_what_it_returned_is_ours(function) -> None:
    keeping = function("kept = {}\ndef handler(event, context):\n    kept[event] = event\n    return kept")
    first = keeping.by_arn("a")
    keeping.by_arn("b")
    assert first.value == {"a": "a"}


# --- what it tells ---


def test_what_it_prints_goes_to_the_trace_line_by_line(function, capsys) -> None:
    module = """
        import logging, os, sys
        logger = logging.getLogger("mine")
        logger.setLevel("INFO")
        early = logging.StreamHandler(sys.stdout)
        def handler(event, context):
            print("one", "two", sep="\\n")
            print("with", end=" ")
            print("rest", file=sys.stderr)
            print("a whole line")
            logger.info("found %d", 3)
            sys.stdout.buffer.write("bytes ü\\n".encode())
            context.log("from the context\\n")
            logging.getLogger("other").addHandler(early)
            logging.getLogger("other").propagate = False
            logging.getLogger("other").warning("early handler")
            print("no end", end="")
        """
    telling = function(module)
    telling.by_arn()
    telling.by_arn()
    # In Lambda stdout and stderr are one pipe.
    parts = ["rest", "with a whole line"]
    if isinstance(telling.runtime, ProcessRuntime):
        parts = ["with rest", "a whole line"]
    once = ["one", "two", *parts, "[INFO] found 3", "bytes ü", "from the context", "early handler", "no end"]
    assert telling.lines == once * 2
    assert capsys.readouterr() == ("", "")


def test_threads_of_a_handler_tell_for_it(function) -> None:
    module = """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        def handler(event, context):
            pool.submit(print, "from the pool", event).result()
            if event == 2:
                pool.shutdown()
        """
    pooled = function(module)
    pooled.by_arn(1)
    pooled.by_arn(2)
    assert pooled.lines == ["from the pool 1", "from the pool 2"]


@pytest.mark.runs_in("in-process")
def test_others_print_where_they_always_did(function, capsys) -> None:
    def log(line: str) -> None:
        print(f"told: {line}")
        thread = threading.Thread(target=print, args=("from another thread",))
        thread.start()
        thread.join()

    invoked = function("def handler(event, context): print('hello')")
    invoke(by_arn, invoked.runtime, ask(log=log))
    assert capsys.readouterr().out == "told: hello\nfrom another thread\n"


@pytest.mark.runs_in("in-process")
def test_one_that_redirects_its_stdout_does_not_take_it_from_the_others(function, door, capsys) -> None:
    module = """
        import contextlib, door, io
        def handler(event, context):
            with contextlib.redirect_stdout(io.StringIO()) as kept:
                door.while_redirected()
                print("kept")
            return kept.getvalue()
        """
    redirecting, other = function(module), function("def handler(event, context): print('told')", "g")
    door.while_redirected = lambda: other.by_arn(id="another request") if not other.lines else None
    redirecting.by_arn()
    print("still here")
    assert other.lines == ["told"]
    assert capsys.readouterr().out == "still here\n"


@pytest.mark.runs_in("in-process")
def test_one_who_was_given_up_is_not_heard(function, door) -> None:
    module = """
        import door
        def handler(event, context):
            print("before")
            door.give_up()
            print("after")
        """
    late = function(module)
    door.give_up = lambda: late.runtime.timed_out(ID, late.lines.append)
    late.by_arn()
    assert late.lines[0] == "before"
    assert late.lines[1].startswith("f timed out after 3 s; to allow more, add to sfnrun.yaml")
    assert len(late.lines) == 2


def test_ten_megabytes_are_told_in_lines_of_bounded_length(function) -> None:
    loud = function("def handler(e, c):\n    for _ in range(10): print('x' * 1_000_000, end='')")
    started = time.process_time()
    loud.by_arn()
    assert sum(map(len, loud.lines)) == 10_000_000
    assert max(map(len, loud.lines)) <= 1_000_000
    assert time.process_time() - started < 10  # seconds of the processor


def test_a_progress_bar_shows_its_end(function) -> None:
    bar = function("def handler(e, c):\n    for n in range(101): print(f'\\r{n} %', end='')\n    print()")
    bar.by_arn()
    assert bar.lines == ["100 %"]


# --- what it may do to the process ---

NAUGHTY = {
    "replaces stdout": "import sys, io\ndef handler(e, c): sys.stdout = io.StringIO()",
    "has no stdout": "import sys\ndef handler(e, c): sys.stdout = None; sys.stderr = None",
    "closes stdout": "import sys\ndef handler(e, c): sys.stdout.close(); sys.stderr.close(); print('still here')",
    "detaches stdout": "import sys, io\ndef handler(e, c): sys.stdout = io.TextIOWrapper(sys.stdout.detach())",
    "changes the folder": "import os\ndef handler(e, c): os.chdir('/')",
    "removes its folder": (
        "import os, tempfile\ndef handler(e, c):\n    new = tempfile.mkdtemp()\n    os.chdir(new)\n    os.rmdir(new)"
    ),
    "writes no text": "import sys\ndef handler(e, c):\n    try: sys.stdout.write(1)\n    except TypeError: pass",
    "leaves a thread": "import threading\ndef handler(e, c): threading.Thread(target=print, daemon=True).start()",
    "configures logging": "import logging\ndef handler(e, c): logging.basicConfig(force=True); logging.warning('x')",
    "clears the environment": "import os\ndef handler(e, c): os.environ.clear()",
}


@pytest.mark.runs_in("in-process")
@pytest.mark.parametrize("module", NAUGHTY.values(), ids=NAUGHTY.keys())
def test_the_process_is_as_it_was(module: str, function, monkeypatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    before = (sys.stdout, sys.stderr, os.getcwd(), dict(os.environ), sys.path[:], threading.Thread.start)
    naughty = function(module)
    naughty.by_arn()
    wait_for_threads()
    assert (sys.stdout, sys.stderr, os.getcwd(), dict(os.environ), sys.path, threading.Thread.start) == before
    print("and prints go on", file=io.StringIO())


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(5)


# --- its end ---


@pytest.mark.runs_in("in-process")
@pytest.mark.parametrize(("timeout", "text"), [(3, "3.00"), (0.25, "0.25"), (900, "900.00"), (1.005, "1.00")])
def test_a_timeout_is_lambdas(timeout: float, text: str, function) -> None:
    slow = function("def handler(e, c): pass", timeout=timeout)
    failed = slow.runtime.timed_out(ID, slow.lines.append)
    assert failed.error == "Sandbox.Timedout"
    message = f"RequestId: {ID} Error: Task timed out after {text} seconds"
    assert failed.cause == f'{{"errorType":"Sandbox.Timedout","errorMessage":"{message}"}}'
    assert slow.lines == [
        f"f timed out after {timeout:g} s; to allow more, add to sfnrun.yaml: functions: {{f: {{timeout: 30}}}}"
    ]


@pytest.mark.runs_in("in-process")
def test_the_import_does_not_count_as_time_of_the_handler(function, door) -> None:
    module = """
        import door
        at_import = door.overtime()
        def handler(event, context):
            return [at_import, door.overtime()]
        """
    slow = function(module)
    door.overtime = lambda: slow.runtime.overtime(ID)
    at_import, in_handler = slow.by_arn().value
    assert 0 < at_import < 1, "while it is being imported it is asked again soon"
    assert 2 < in_handler <= 3
    assert 0 < slow.runtime.overtime(ID) < 1, "it is just over: its answer is on the way"
