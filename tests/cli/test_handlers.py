"""Handlers at the command line: their prints, their failures, and what they do to the process they share with it."""

import subprocess
import sys
from pathlib import Path


def test_handlers_run_and_their_prints_go_to_the_trace(sfn, definition, function):
    task = function("greet", "def handler(event, context):\n    print('hi there')\n    return {'n': event['n'] + 1}\n")
    done = sfn("execute", definition({"Greet": task}), "-i", '{"n": 1}')
    assert (done.code, done.out) == (0, '{"n": 2}\n')
    assert "    │ hi there\n" in done.err
    assert "  ✓ Greet                         Task      " in done.err


def test_a_failing_handler_shows_its_lines(sfn, definition, function):
    task = function("boom", "def handler(event, context):\n    raise KeyError('n')\n")
    done = sfn("execute", definition({"Boom": task}))
    assert done.code == 1
    assert "KeyError\n  'n'\n" in done.err
    assert "raise KeyError('n')" in done.err
    assert '"Boom": {' in done.err
    assert "site-packages" not in done.err


def test_functions_can_be_elsewhere(sfn, definition, function, folder):
    task = function("greet", "def handler(event, context):\n    return 'hi'\n")
    (folder / "functions").rename(folder / "lambdas")
    name = definition({"Greet": task})
    assert sfn("execute", name, "--functions", "lambdas", "-q").out == '"hi"\n'
    done = sfn("execute", name)
    assert (done.code, done.out) == (2, "")
    assert "Greet" in done.err
    assert "greet" in done.err


def test_stdout_is_spared_what_handlers_and_their_children_write(sfn, definition, function):
    code = """
import os, sys
def handler(event, context):
    os.write(1, b"by number\\n")
    os.system("echo by a child")
    sys.stdout.buffer.write(b"as bytes\\n")
    os.close(1)
    return 1
"""
    done = sfn("execute", definition({"Write": function("writes", code)}))
    assert (done.code, done.out) == (0, "1\n")
    assert "by number\n" in done.err
    assert "by a child\n" in done.err
    assert "    │ as bytes\n" in done.err


def test_a_handler_that_changes_folder_and_environment_changes_its_own(sfn, definition, function, folder):
    code = "import os\ndef handler(event, context):\n    os.chdir('/')\n    os.environ.clear()\n    return 1\n"
    done = sfn("execute", definition({"Move": function("moves", code)}), "-o", "out.json")
    assert (done.code, (folder / "out.json").read_text()) == (0, "1\n")


def test_a_crash_of_a_function_names_the_line(sfn, definition, function):
    code = "import ctypes\ndef handler(event, context):\n    ctypes.string_at(0)\n"
    done = sfn("execute", definition({"Crash": function("crashes", code)}))
    assert (done.code, done.out) == (1, "")
    assert f'File "{Path("functions/crashes.py").resolve()}", line 3 in handler' in done.err
    assert "crashes crashed (SIGSEGV), which Lambda reports as a timeout" in done.err


def test_a_crash_of_the_interpreter_names_the_line(definition, function, folder):
    code = "import ctypes\ndef handler(event, context):\n    ctypes.string_at(0)\n"
    run = [sys.executable, "-m", "sfnrun"]
    name = definition({"Crash": function("crashes", code)})
    done = subprocess.run([*run, "execute", name, "--debug"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-11, "")
    assert f'File "{Path("functions/crashes.py").resolve()}", line 3 in handler' in done.stderr
    listed = subprocess.run([*run, "trace", "list"], cwd=folder, capture_output=True, text=True, check=False)
    assert "CRASHED" in listed.stdout


def test_a_breakpoint_is_passed_over_where_nobody_could_answer(sfn, definition, function):
    code = "def handler(event, context):\n    breakpoint()\n    return 1\n"
    done = sfn("execute", definition({"Stop": function("stops", code)}))
    assert (done.code, done.out) == (0, "1\n")
    assert (
        f"    │ {Path('functions/stops.py').resolve()}:2: breakpoint() ignored; pass --debug to stop here" in done.err
    )
