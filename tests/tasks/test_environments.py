"""Execution environments: processes that run functions as Lambda runs them, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asking import ID, Invoked

from sfnrun.errors import TaskFailed
from sfnrun.tasks.lambdas import zygotes
from sfnrun.tasks.lambdas.environments import Environments
from sfnrun.tasks.lambdas.find import Code, FunctionFolder
from sfnrun.tasks.lambdas.process_runtime import ProcessRuntime
from sfnrun.tasks.lambdas.runtime import Function

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here"),
    pytest.mark.runs_in("process"),
]

# Long enough that only a bug reaches it.
FOREVER = 30.0


def failure(invoked: Invoked, event: Any = None) -> str:
    """The message of the error that an invocation fails with, without the request's id."""
    with pytest.raises(TaskFailed) as caught:
        invoked.by_arn(event)
    message: str = json.loads(caught.value.cause or "")["errorMessage"]
    return f"{caught.value.name}: {message.removeprefix(f'RequestId: {ID} Error: ')}"


def until(condition: Any) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + FOREVER
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether there is a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- what a function sees: everything as in a plain Python that was started in its directory ---

SEES = {
    "the main thread": ("import threading", "threading.current_thread() is threading.main_thread()", True),
    "an event loop at import": (
        "import asyncio, warnings\nwarnings.simplefilter('ignore')\nloop = asyncio.get_event_loop()",
        "loop.run_until_complete(asyncio.sleep(0, 7))",
        7,
    ),
    "signals": ("import signal\nsignal.signal(signal.SIGTERM, lambda *a: None)", "signal.alarm(0)", 0),
    "its directory": ("import os", "os.getcwd() == os.environ['LAMBDA_TASK_ROOT'] == sys.path[0]", True),
    "its directory for children": ("import subprocess", "subprocess.check_output('pwd').decode().strip()", "FOLDER"),
    "its own name": ("", "__name__", "f"),
    "its modules by name": (
        "import helper, importlib",
        "importlib.import_module('helper') is sys.modules['helper']",
        True,
    ),
    "its modules for others": (
        "import logging.config\nlogging.config.dictConfig({'version': 1, 'handlers': {'h': {'class': 'helper.H'}}})",
        "True",
        True,
    ),
    "its modules to patch": (
        "from unittest import mock\nimport helper",
        "mock.patch('helper.X', 5).__enter__()",
        5,
    ),
    "plugins": (
        "import importlib, pkgutil, plugins",
        "[importlib.import_module(f'.{m.name}', 'plugins').N for m in pkgutil.iter_modules(plugins.__path__)]",
        ["a"],
    ),
    "data of packages": ("import importlib.resources as r", "(r.files('plugins') / 'data.txt').read_text()", "data"),
    "its sources": ("import inspect", "inspect.getsource(handler).startswith('def handler')", True),
    "files beside it": ("", "open('plugins/data.txt').read()", "data"),
    "modules that shadow the standard library": ("import queue", "queue.MINE", True),
    "dummy credentials": ("import os", "os.environ['AWS_ACCESS_KEY_ID']", "testing"),
    "no variables of others": ("import os", "'HOME' in os.environ or 'OF_THE_TEST' in os.environ", False),
    "UTC": ("import time", "time.tzname[0]", "UTC"),
    "its request in log records": (
        "import logging",
        "[f.filter(r := logging.makeLogRecord({})) for f in logging.getLogger().handlers[0].filters]"
        " and r.aws_request_id == c.aws_request_id",
        True,
    ),
    "no stdin": ("", "sys.stdin.read()", ""),
    "few open files": ("import resource", "resource.getrlimit(resource.RLIMIT_NOFILE)", [1024, 1024]),
}


@pytest.mark.parametrize(("setup", "expression", "expected"), SEES.values(), ids=SEES.keys())
def test_a_function_sees(setup: str, expression: str, expected: Any, function, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OF_THE_TEST", "1")
    (tmp_path / "plugins").mkdir()
    files = {
        "helper.py": "import logging\nX = 1\nclass H(logging.Handler): pass",
        "queue.py": "MINE = True",
        "plugins/__init__.py": "",
        "plugins/a.py": "N = 'a'",
        "plugins/data.txt": "data",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    seeing = function(f"import sys\n{setup}\ndef handler(e, c): return {expression}")
    assert seeing.by_arn().value == (str(tmp_path) if expected == "FOLDER" else expected)


def test_log_lines_have_the_format_of_lambda(function) -> None:
    module = """
        import logging, sys
        class Kept:
            encoding = "utf-8"
            def __init__(self, behind): self.behind, self.text = behind, []
            def write(self, text): self.text.append(text)
            def flush(self): pass
        def handler(event, context):
            logging.getLogger().setLevel("INFO")
            behind, sys.stdout = sys.stdout, Kept(sys.stdout)
            logging.info("found %d", 3)
            kept, sys.stdout = sys.stdout, behind
            return kept.text
        """
    (text,) = function(module).by_arn().value
    level, moment, request, message = text.split("\t")
    assert (level, request, message) == ("[INFO]", ID, "found 3\n")
    time.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ")


def test_json_logs(function) -> None:
    module = "import logging\ndef handler(e, c): logging.warning('low %s', 'stock', extra={'sku': 7})"
    logging_json = function(module, variables={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    logging_json.by_arn()
    (line,) = logging_json.lines
    shown = json.loads(line)
    assert time.strptime(shown.pop("timestamp"), "%Y-%m-%dT%H:%M:%SZ")
    assert shown == {"level": "WARNING", "message": "low stock", "logger": "root", "requestId": ID, "sku": 7}


# --- environments ---


def test_concurrent_invocations_have_environments_of_their_own(function) -> None:
    module = """
        import os, time
        current = None
        def handler(event, context):
            global current
            current = os.environ["CURRENT"] = str(event)
            time.sleep(0.05)
            return [current, os.environ["CURRENT"], os.getpid()]
        """
    sharing = function(module)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda n: sharing.by_arn(n, id=f"{n}{ID[1:]}").value, range(6)))
    assert [result[:2] for result in results] == [[str(n), str(n)] for n in range(6)]
    assert len({result[2] for result in results}) > 1


def test_an_environment_is_used_again_one_after_the_other(function) -> None:
    counting = function("import os\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return [n, os.getpid()]")
    results = [counting.by_arn().value for _ in range(5)]
    assert [count for count, _ in results] == [1, 2, 3, 4, 5]
    assert len({pid for _, pid in results}) == 1


def test_no_more_environments_start_at_once_than_may(function, environments, tmp_path) -> None:
    environments.starts = 2
    module = f"""
        import os, time
        started = os.path.join({str(tmp_path)!r}, "starting")
        os.makedirs(started, exist_ok=True)
        mine = os.path.join(started, str(os.getpid()))
        open(mine, "w").close()
        most = len(os.listdir(started))
        time.sleep(0.1)
        os.unlink(mine)
        def handler(event, context):
            time.sleep(0.2)
            return most
        """
    slow = function(module, timeout=FOREVER)
    with ThreadPoolExecutor(8) as pool:
        most = list(pool.map(lambda n: slow.by_arn(n).value, range(8)))
    assert max(most) <= 2


def test_an_idle_environment_makes_room_for_another_function(function, environments) -> None:
    environments.most = 1
    module = "import os\ndef handler(e, c): return os.getpid()"
    one, two = function(module, "one"), function(module, "two")
    first = one.by_arn().value
    assert two.by_arn().value != first
    assert one.by_arn().value != first
    assert not is_running(first)


def test_nothing_runs_between_invocations(function, tmp_path) -> None:
    module = f"""
        import threading, time
        path = {str(tmp_path / "ticks")!r}
        def tick():
            while True:
                open(path, "a").write(".")
                time.sleep(0.001)
        def handler(event, context):
            if event == "start":
                threading.Thread(target=tick, daemon=True).start()
            time.sleep(0.05)
        """
    ticking = function(module)
    ticking.by_arn("start")
    ticks = tmp_path / "ticks"
    until(lambda: stable(ticks))
    before = ticks.stat().st_size
    time.sleep(0.1)
    assert ticks.stat().st_size == before
    ticking.by_arn("go on")
    assert ticks.stat().st_size > before


def stable(path: Path) -> bool:
    before = path.stat().st_size
    time.sleep(0.02)
    return path.stat().st_size == before


def test_a_child_process_is_frozen_too(function, tmp_path) -> None:
    module = f"""
        import subprocess
        def handler(event, context):
            subprocess.Popen(["sh", "-c", "while :; do echo >> {tmp_path / "ticks"}; sleep 0.01; done"])
        """
    function(module).by_arn()
    until(lambda: (tmp_path / "ticks").exists() is False or stable(tmp_path / "ticks"))


def test_what_a_thread_prints_late_is_told_in_the_next_invocation(function) -> None:
    module = """
        import threading
        told = threading.Event()
        def handler(event, context):
            if event == 1:
                threading.Thread(target=lambda: (told.wait(), print("late"))).start()
            else:
                told.set()
                import time; time.sleep(0.05)
        """
    late = function(module)
    late.by_arn(1)
    assert late.lines == []
    late.by_arn(2)
    assert late.lines == ["late"]


# --- /tmp ---


def test_tmp_is_its_own(function) -> None:
    module = """
        import os, tempfile
        def handler(event, context):
            path = os.path.join(tempfile.gettempdir(), "out.txt")
            if event:
                open(path, "w").write(event)
            return os.path.exists(path)
        """
    writing, reading = function(module, "writing"), function(module, "reading")
    assert [writing.by_arn("x").value, writing.by_arn().value, reading.by_arn().value] == [True, True, False]
    assert not Path("/tmp/out.txt").exists()


def test_tmp_survives_a_reset_of_the_environment_and_not_its_end(function, environments) -> None:
    module = """
        import os
        def handler(event, context):
            left = os.listdir("/tmp")
            open("/tmp/left.txt", "w").close()
            if event: os._exit(1)
            return "left.txt" in left
        """
    leaving = function(module)
    failure(leaving, 1)
    assert leaving.by_arn(0).value is True
    environments.most = 1
    assert function("def handler(e, c): return 1", "other").by_arn().value == 1
    assert leaving.by_arn(0).value is False


def test_files_of_the_test_stay_visible(function, tmp_path) -> None:
    (tmp_path / "beside.txt").write_text("here")
    assert function("def handler(e, c): return open(e).read()").by_arn(str(tmp_path / "beside.txt")).value == "here"


# --- how they end ---


def test_a_timeout_kills_the_process_and_its_children(function, tmp_path) -> None:
    module = f"""
        import os, subprocess, time
        def handler(event, context):
            child = subprocess.Popen(["sleep", "60"])
            open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
            time.sleep(60)
        """
    slow = function(module, timeout=0.3)
    assert failure(slow) == "Sandbox.Timedout: Task timed out after 0.30 seconds"
    assert slow.lines == ["f timed out after 0.3 s; to allow more, add to sfnrun.yaml: functions: {f: {timeout: 30}}"]
    for pid in (tmp_path / "pids").read_text().split():
        until(lambda pid=int(pid): not is_running(pid))


def test_a_process_that_leaves_its_group_ends_too(function, tmp_path) -> None:
    module = f"""
        import os, subprocess
        def handler(event, context):
            child = subprocess.Popen(["sleep", "60"], start_new_session=True)
            open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
            os._exit(3)
        """
    assert failure(function(module)) == "Runtime.ExitError: Runtime exited with error: exit status 3"
    until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_after_a_timeout_the_next_start_is_cold(function) -> None:
    module = "import time\nn = 0\ndef handler(e, c):\n    global n\n    n += 1\n    time.sleep(e)\n    return n"
    slow = function(module, timeout=0.3)
    slow.by_arn(0)
    assert failure(slow, 60).startswith("Sandbox.Timedout")
    assert slow.by_arn(0).value == 1


ENDS = {
    "SIGKILL": ("os.kill(os.getpid(), 9)", "Runtime.ExitError: Runtime exited with error: signal: killed", ""),
    "SIGTERM": ("os.kill(os.getpid(), 15)", "Runtime.ExitError: Runtime exited with error: signal: terminated", ""),
    "abort": ("os.abort()", "Runtime.ExitError: Runtime exited with error: signal: aborted", ""),
    "segmentation fault": (
        "os.kill(os.getpid(), 11)",
        "Sandbox.Timedout: Task timed out after 3.00 seconds",
        "f crashed (SIGSEGV), which Lambda reports as a timeout",
    ),
    "memory at once": (
        "len(bytearray(300_000_000))",
        "Runtime.ExitError: Runtime exited with error: signal: killed",
        "f was killed because it used more than 128 MB; to allow more, add to sfnrun.yaml: "
        "functions: {f: {memory: 256}}",
    ),
    "memory slowly": (
        "[time.sleep(0.005) or bytearray(2_000_000) for _ in range(10_000)]",
        "Runtime.ExitError: Runtime exited with error: signal: killed",
        "f was killed because it used more than 128 MB; to allow more, add to sfnrun.yaml: "
        "functions: {f: {memory: 256}}",
    ),
    "a descriptor of sfnrun": (
        "[os.write(n, b'nonsense' * 9) for n in range(3, 9) if os.path.exists(f'/proc/self/fd/{n}')]",
        "Runtime.ExitError: Runtime exited with error: signal: killed",
        "f was killed: no frame has the kind 110",
    ),
}


@pytest.mark.parametrize(("code", "error", "hint"), ENDS.values(), ids=ENDS.keys())
def test_ends_of_a_process(code: str, error: str, hint: str, function) -> None:
    ending = function(f"import os, time\ndef handler(e, c):\n    if e: {code}")
    ending.by_arn(0)
    assert failure(ending, 1) == error
    assert [line for line in ending.lines if line.startswith("f ")] == ([hint] if hint else [])
    ending.by_arn(0)


def test_an_init_that_fails_is_repeated_in_the_invocation(function) -> None:
    failing = function("print('init')\nraise LookupError('no table')")
    assert failure(failing) == "LookupError: no table"
    assert failing.lines == ["init"], "what the first one printed belongs to no invocation"


def test_a_timeout_at_import(function, monkeypatch) -> None:
    monkeypatch.setattr("sfnrun.tasks.lambdas.environments.INIT_LIMIT", 0.2)
    assert failure(function("import time\ntime.sleep(60)", timeout=0.3)).startswith("Sandbox.Timedout: Task timed out")


def test_a_slow_import_is_not_the_functions_time(function) -> None:
    module = "import time\ntime.sleep(0.5)\ndef handler(e, c): return c.get_remaining_time_in_millis()"
    assert 200 < function(module, timeout=0.3).by_arn().value <= 300


def test_an_environment_that_is_killed_while_idle_is_replaced(function, environments) -> None:
    idle = function("import os\ndef handler(e, c): return os.getpid()")
    pid = idle.by_arn().value
    (environment,) = environments._all
    os.kill(pid, signal.SIGKILL)
    until(lambda: environment.has_ended)
    assert idle.by_arn().value != pid


def test_a_zygote_that_is_killed_takes_its_environments_and_is_replaced(function) -> None:
    module = "import os, time\ndef handler(e, c):\n    time.sleep(e)\n    return [os.getpid(), os.getppid()]"
    orphaned = function(module, timeout=FOREVER)
    pid, zygote = orphaned.by_arn(0).value
    threading.Timer(0.2, os.kill, (zygote, signal.SIGKILL)).start()
    assert failure(orphaned, 60) == "Runtime.ExitError: Runtime exited with error: signal: killed"
    until(lambda: not is_running(pid))
    assert orphaned.by_arn(0).value[1] != zygote


PROGRAM = """
import os, sys, threading
sys.path[:0] = {paths!r}
from pathlib import Path
from sfnrun.tasks.lambdas.environments import Environments
from sfnrun.tasks.lambdas.find import FunctionFolder
from sfnrun.tasks.lambdas.process_runtime import ProcessRuntime
from sfnrun.tasks.lambdas.runtime import Function, Invocation
environments = Environments()
code = FunctionFolder(Path({folder!r})).find("f")
runtime = ProcessRuntime(Function("f", code, timeout=60), environments)
def invoke(event, log):
    return runtime.invoke(Invocation({id!r}, event, "arn", "us-east-1", 0, log))
"""


def program(folder: Path, text: str) -> subprocess.Popen[str]:
    """A process with a function `f` in a folder."""
    paths = [path for path in sys.path if path]
    source = PROGRAM.format(paths=paths, folder=str(folder), id=ID) + textwrap.dedent(text)
    return subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_environments_end_with_sfnrun(number: int, tmp_path) -> None:
    (tmp_path / "f.py").write_text(
        "import os, subprocess, time\ndef handler(e, c):\n"
        "    child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    print(os.getpid(), os.getppid(), child.pid, flush=True)\n    if e: time.sleep(60)"
    )
    started = """
        invoke("0", lambda line: print(line, flush=True))
        threading.Thread(target=invoke, args=("1", lambda line: print(line, flush=True)), daemon=True).start()
        threading.Event().wait()
        """
    process = program(tmp_path, started)
    assert process.stdout
    pids = {int(pid) for _ in range(2) for pid in process.stdout.readline().split()}
    assert all(map(is_running, pids))
    process.send_signal(number)
    process.wait(FOREVER)
    until(lambda: not any(map(is_running, pids)))
    process.stdout.close()


def test_nothing_is_left_at_the_end(tmp_path) -> None:
    (tmp_path / "f.py").write_text("import os\ndef handler(e, c): print(os.getppid())")
    process = program(tmp_path, "invoke('0', print)\nenvironments.close()")
    out, _ = process.communicate(timeout=FOREVER)
    assert process.returncode == 0
    until(lambda: not is_running(int(out)))
    assert not list(Path(os.environ.get("TMPDIR") or "/tmp").glob(f"sfnrun-{process.pid}-*"))


def test_a_thousand_cold_starts_leave_no_process_and_no_descriptor(function, environments) -> None:
    starting = function("import os\ndef handler(e, c): os._exit(0)")
    starting_failed(starting, 3)
    before = len(os.listdir("/proc/self/fd"))
    starting_failed(starting, 40)
    assert len(os.listdir("/proc/self/fd")) <= before
    zygote = next(iter(zygotes._zygotes.values()))
    children = Path(f"/proc/{zygote._pid}/task/{zygote._pid}/children")
    until(lambda: not children.read_text().split())


def starting_failed(starting: Invoked, count: int) -> None:
    for _ in range(count):
        assert failure(starting).startswith("Runtime.ExitError")


def test_a_forked_child_of_sfnrun_leaves_the_environments_alone(function) -> None:
    counting = function("n = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n")
    counting.by_arn()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert counting.by_arn().value == 2


# --- code and Python ---


def test_an_edit_is_seen_at_the_next_cold_start_however_soon(tmp_path) -> None:
    (tmp_path / "f.py").write_text("from value import V\ndef handler(e, c): return V")
    code = FunctionFolder(tmp_path).find("f")
    assert code is not None
    for number in range(8):
        (tmp_path / "value.py").write_text(f"V = {number}")
        environments = Environments()
        try:
            assert Invoked(ProcessRuntime(Function("f", code), environments)).by_arn().value == number
        finally:
            environments.close()


def test_preloaded_packages_are_imported_once(function) -> None:
    preloading = function("import xml.dom\ndef handler(e, c): return 1", preload=("xml.dom",))
    assert preloading.by_arn().value == 1
    module = "import sys\nbefore = 'xml.dom' in sys.modules\ndef handler(e, c): return before"
    assert function(module, "g", preload=("xml.dom",)).by_arn().value is True
    assert function(module, "h").by_arn().value is False


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_other_pythons(version: str, function, tmp_path) -> None:
    try:
        python = zygotes.find_python(version, tmp_path)
    except Exception:
        pytest.skip(f"Python {version} is not installed")
    if python is None:
        pytest.skip("it is the Python of the tests")
    module = """
        import os, sys
        def handler(event, context):
            if event:
                raise ValueError("größe")
            return [list(sys.version_info[:2]), os.environ["AWS_EXECUTION_ENV"]]
        """
    other = function(module, python=python)
    assert other.by_arn().value == [[int(part) for part in version.split(".")], f"AWS_Lambda_python{version}"]
    with pytest.raises(TaskFailed) as caught:
        other.by_arn(1)
    assert '"errorMessage": "größe"' in (caught.value.cause or "")


def test_a_python_that_does_not_exist(environments, tmp_path) -> None:
    code = Code((str(tmp_path),), "f", ("handler",), "f.handler")
    runtime = ProcessRuntime(Function("f", code, python="/nowhere/python"), environments)
    with pytest.raises(Exception, match="cannot start /nowhere/python: No such file or directory"):
        Invoked(runtime).by_arn()


def test_a_variable_that_only_sfnrun_has_is_pointed_at(function, monkeypatch) -> None:
    monkeypatch.setenv("TABLE", "orders")
    asking = function("import os\ndef handler(e, c): return os.environ['TABLE']")
    assert failure(asking) == "KeyError: 'TABLE'"
    assert asking.lines == [
        "TABLE is set here but not for the function; add to sfnrun.yaml: functions: {f: {environment: {TABLE: ...}}}"
    ]


def test_handlers_that_know_of_sfnrun(function) -> None:
    module = """
        from sfnrun import PENDING, Reply, TaskFailed
        def handler(event, context):
            if event == "pending": return PENDING
            if event == "reply": return Reply({"a": 1}, duration_ms=5, worker_name="w")
            raise TaskFailed("Sold", "out")
        """
    knowing = function(module)
    from sfnrun.effects import PENDING, Reply
    from sfnrun.tasks.lambdas.runtime import Invocation

    def outcome(event: str) -> Any:
        return knowing.runtime.invoke(Invocation(ID, json.dumps(event), "arn", "us-east-1", 0, print))

    assert outcome("pending") is PENDING
    assert outcome("reply") == Reply({"a": 1}, duration_ms=5, worker_name="w")
    with pytest.raises(TaskFailed) as caught:
        outcome("fail")
    assert (caught.value.name, caught.value.cause) == ("Sold", "out")
