import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SFNRUN = [sys.executable, "-m", "sfnrun"]


def shell(command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which `sfnrun` is ours."""
    prelude = f'set -o pipefail; sfnrun() {{ "{sys.executable}" -m sfnrun "$@"; }}; '
    return subprocess.run(
        ["bash", "-c", prelude + command],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_stdout_is_the_output_alone(sfn, hello):
    done = sfn("execute", hello, "--input", '{"a": [1, 2.0,  "x"]}')
    assert done.code == 0
    assert done.out == '{"a": [1, 2.0,  "x"]}\n'
    assert done.err.splitlines()[0] == "  ✓ Hello                         Pass"
    assert done.err.splitlines()[1].startswith("SUCCEEDED in ")
    assert done.err.splitlines()[2].startswith("history .sfnrun/executions/hello-")


@pytest.mark.parametrize(
    ("given", "output"),
    [
        (None, "{}"),
        ("[1]", "[1]"),
        ("7", "7"),
        ("-1.5", "-1.5"),
        ('"x"', '"x"'),
        ("null", "null"),
        ("-", "[3]"),
        ("in.json", "true"),
    ],
)
def test_the_input_is_json_a_file_or_stdin(sfn, hello, folder, given, output):
    (folder / "in.json").write_bytes(b"\xef\xbb\xbf true\n")
    arguments = [] if given is None else ["--input", given]
    assert sfn("execute", hello, "--quiet", *arguments, stdin="[3]\n").out == output + "\n"


def test_a_definition_can_come_from_stdin(sfn, hello, folder):
    done = sfn("execute", "-", "--quiet", stdin=(folder / hello).read_text())
    assert (done.code, done.out) == (0, "{}\n")


BAD_INPUTS = [
    ("missing.json", "error: there is no input file missing.json"),
    ("{", "error: --input:1:2: the input is not JSON"),
    ('{"a": 1,\n "b": }', "error: --input:2:7: the input is not JSON"),
    ("[NaN]", "error: --input: the input is not JSON: NaN is not JSON"),
    (".", "error: cannot read the input .: Is a directory"),
    ("latin.json", "error: the input latin.json is not UTF-8: byte 0xe9 at offset 2"),
    ("inn.json", "did you mean in.json?"),
    ("[" * 5000 + "]" * 5000, "nested deeper than 1000 levels"),
]


@pytest.mark.parametrize(("given", "message"), BAD_INPUTS, ids=[message[:40] for _, message in BAD_INPUTS])
def test_a_bad_input_is_told(sfn, hello, folder, given, message):
    (folder / "in.json").write_text("{}")
    (folder / "latin.json").write_bytes(b'{"\xe9": 1}')
    done = sfn("execute", hello, "--input", given)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (folder / ".sfnrun").exists()


def test_a_failed_execution_exits_1_and_says_where(sfn, definition):
    name = definition(
        {"Start": {"Type": "Pass", "Next": "End"}, "End": {"Type": "Fail", "Error": "Over", "Cause": "and out"}}
    )
    done = sfn("execute", name)
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert lines[:9] == [
        "  ✓ Start                         Pass",
        "  ✗ End                           Fail      Over: and out",
        "",
        "Over",
        "  and out",
        "  machine.asl.json:8:5",
        '    8 |     "End": {',
        "      |     ^^^^^",
        "",
    ]
    assert lines[9].startswith("FAILED in ")


def test_quiet_shows_failures_alone(sfn, hello, definition):
    assert sfn("execute", hello, "--quiet").err == ""
    failing = definition({"F": {"Type": "Fail", "Error": "Over"}})
    done = sfn("execute", failing, "-q")
    assert (done.code, done.err.splitlines()[:2]) == (1, ["", "Over"])


def test_progress_as_json_gives_events_as_lines(sfn, hello):
    done = sfn("execute", hello, "--progress", "json")
    events = [json.loads(line) for line in done.err.splitlines()]
    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert events[1]["stateEnteredEventDetails"]["name"] == "Hello"


def test_verbose_shows_what_changed(sfn, definition):
    name = definition({"P": {"Type": "Pass", "Result": 1, "ResultPath": "$.one", "End": True}})
    assert "    + $.one: 1\n" in sfn("execute", name, "-v").err


def test_the_output_can_go_to_a_file(sfn, hello, folder):
    done = sfn("execute", hello, "-i", "[1]", "--output", "out.json")
    assert (done.code, done.out) == (0, "")
    assert (folder / "out.json").read_text() == "[1]\n"
    if Path("/dev/full").exists():
        done = sfn("execute", hello, "--output", "/dev/full")
        assert (done.code, done.err.splitlines()[-2:]) == (
            2,
            [
                "error: cannot write the output to /dev/full: No space left on device",
                "  help: the output is in the history: `sfnrun trace show last --json`",
            ],
        )


def test_history_can_be_put_elsewhere_or_left_out(sfn, hello, folder):
    sfn("execute", hello, "--store", "kept", "--name", "one")
    assert (folder / "kept" / "one.jsonl").is_file()
    sfn("execute", hello, "--no-store")
    assert not (folder / ".sfnrun").exists()


def test_a_name_is_taken_once(sfn, hello):
    assert sfn("execute", hello, "--name", "one").code == 0
    done = sfn("execute", hello, "--name", "one")
    assert (done.code, done.out) == (1, "")
    assert "Execution Already Exists: 'arn:" in done.err
    assert "Traceback" not in done.err


def test_a_year_passes_at_once(sfn, definition):
    name = definition({"W": {"Type": "Wait", "Seconds": 31_535_000, "End": True}})
    done = sfn("execute", name, "--clock", "virtual")
    assert done.code == 0
    assert "  ✓ W                             Wait      364 d 23 h\n" in done.err
    assert "simulated 364 d 23 h in " in done.err


def test_the_same_seed_gives_the_same_history(sfn, definition, folder):
    name = definition({"P": {"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}, "End": True}})
    for history in ("a", "b"):
        sfn("execute", name, "--clock", "virtual", "--seed", "7", "--name", "same", "--store", history)
    assert (folder / "a" / "same.jsonl").read_bytes() == (folder / "b" / "same.jsonl").read_bytes()


def test_sfnrun_yaml_answers(sfn, definition, folder):
    resource = "arn:aws:states:::sns:publish"
    name = definition({"Tell": {"Type": "Task", "Resource": resource, "Parameters": {"Message": "x"}, "End": True}})
    (folder / "other.yaml").write_text(f"tasks:\n  {resource}:\n    result: {{MessageId: m-1}}\n")
    assert sfn("execute", name, "--config", "other.yaml", "-q").out == '{"MessageId":"m-1"}\n'


def test_a_mock_config_answers(sfn, definition, folder):
    resource = "arn:aws:lambda:us-east-1:123456789012:function:f"
    name = definition({"Ask": {"Type": "Task", "Resource": resource, "End": True}})
    mocks = {
        "StateMachines": {"machine": {"TestCases": {"Happy": {"Ask": "Answer"}}}},
        "MockedResponses": {"Answer": {"0": {"Return": {"mocked": True}}}},
    }
    (folder / "mocks.json").write_text(json.dumps(mocks))
    done = sfn("execute", name, "--mock-config", "mocks.json", "--test-case", "Happy", "-q")
    assert (done.code, done.out) == (0, '{"mocked":true}\n')
    done = sfn("execute", name, "--mock-config", "mocks.json")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: --mock-config and --test-case require each other")


def test_substitutions_are_set(sfn, definition):
    name = definition({"P": {"Type": "Pass", "Result": {"table": "${Table}"}, "End": True}})
    assert sfn("execute", name, "--set", "Table=orders", "-q").out == '{"table":"orders"}\n'
    done = sfn("execute", name)
    assert (done.code, done.out) == (2, "")
    assert "No value for ${Table}" in done.err
    assert sfn("execute", name, "--set", "Table").err.startswith("error: --set 'Table' is not NAME=VALUE")


BAD_DEFINITIONS = [
    ("missing.json", None, "File not found"),
    ("broken.json", "{", "broken.json:1:1"),
    ("empty.json", "", "the text is empty"),
    ("target.json", '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}', "B"),
    ("tabs.yaml", "StartAt: A\nStates:\n\tA: {}\n", "tabs.yaml:3:1"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_DEFINITIONS)
def test_a_bad_definition_is_told(sfn, folder, name, text, message):
    if text is not None:
        (folder / name).write_text(text)
    done = sfn("execute", name)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert name in done.err
    assert not (folder / ".sfnrun").exists()


BAD_USAGE = [
    (("execute",), "MACHINE"),
    (("execut", "x"), "did you mean 'execute'?"),
    (("execute", "x", "--clock", "sundial"), "sundial"),
    (("execute", "x", "--seed", "one"), "one"),
    (("execute", "x", "--nope"), "--nope"),
    (("trace", "replay", "--speed", "fast"), "--speed: 'fast'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_USAGE)
def test_wrong_usage_exits_2(sfn, arguments, message):
    done = sfn(*arguments)
    assert done.code == 2
    assert message in done.err + done.out
    assert "Traceback" not in done.err


def test_our_own_failure_apologises(sfn, hello, monkeypatch):
    import sfnrun

    def fail(*args, **options):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(sfnrun.Session, "run", fail)
    done = sfn("execute", hello)
    assert done.code == 2
    assert done.err.splitlines()[0] == "error: internal error in sfnrun: ZeroDivisionError: ours"
    assert "Traceback" not in done.err
    monkeypatch.setenv("SFNRUN_DEBUG", "1")
    assert "Traceback" in sfn("execute", hello).err


def test_ctrl_c_before_anything_has_begun(sfn, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("sfnrun.cli.application.app", lambda **options: interrupted())
    assert sfn("execute", "any.json") == (130, "", "")


# What only a real process shows


def test_a_pipe_into_jq_or_a_reader_who_leaves(hello, folder):
    done = shell(
        f"sfnrun execute {hello} -i '[1, 2]' 2>/dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin))'",
        folder,
    )
    assert (done.returncode, done.stdout) == (0, "[1, 2]\n")
    done = shell(f"sfnrun execute {hello} | true; echo ${{PIPESTATUS[0]}}", folder)
    assert done.stdout == "0\n"
    assert "rror" not in done.stderr
    done = shell(f"(sfnrun execute {hello} -i 7; echo $? >code) 2>&1 >out | true", folder)
    assert ((folder / "code").read_text(), (folder / "out").read_text()) == ("0\n", "7\n")


def test_closed_streams_are_no_trouble(hello, folder):
    done = shell(f"sfnrun execute {hello} >&-", folder)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    done = shell(f"sfnrun execute {hello} -i 7 2>&-", folder)
    assert (done.returncode, done.stdout) == (0, "7\n")


def test_a_full_disk_is_told(hello, folder):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = shell(f"sfnrun execute {hello} >/dev/full", folder)
    assert done.returncode == 2
    assert "cannot write to stdout" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["", "--name mine"])
def test_a_disk_that_takes_no_history_is_told_once(hello, folder, name):
    done = shell(f"ulimit -f 0; sfnrun execute {hello} {name}", folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert ": File too large\n  help: free some disk space" in done.stderr
    assert list((folder / ".sfnrun/executions").iterdir()) == []


def test_sigterm_leaves_an_execution_to_be_resumed(definition, function, folder):
    code = "import threading\ndef handler(event, context):\n    print('at work')\n    threading.Event().wait(60)\n"
    run = [*SFNRUN, "execute", definition({"Work": function("works", code)}), "--name", "ended"]
    with subprocess.Popen(run, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "at work" in process.stderr.readline()
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (143, "")
    assert err == "terminated; what is recorded goes on with: sfnrun resume last\n"
    shown = shell("sfnrun trace show ended", folder).stdout.splitlines()
    assert shown[-4] == "  ◌ Work                          Task      not left"
    assert shown[-3].startswith("CRASHED in ")
    assert shown[-1] == "help: resume it: sfnrun resume ended"


def test_ctrl_c_ends_an_execution_cleanly(definition, folder):
    name = definition({"First": {"Type": "Pass", "Next": "W"}, "W": {"Type": "Wait", "Seconds": 3600, "End": True}})
    process = subprocess.Popen(
        [*SFNRUN, "execute", name, "--name", "stopped"],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "First" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "  ⊘ W                             Wait\n" in err
    assert "ABORTED in " in err
    assert "Traceback" not in err
    assert '"ExecutionAborted"' in (folder / ".sfnrun/executions/stopped.jsonl").read_text().splitlines()[-1]


def test_stepping_needs_a_terminal(hello, folder):
    done = subprocess.run(
        [*SFNRUN, "execute", hello, "--step"],
        cwd=folder,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs an interactive terminal" in done.stderr
    assert not (folder / ".sfnrun").exists()


def test_ascii_terminals_get_ascii(hello, folder):
    done = shell(f"sfnrun execute {hello}", folder, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.stderr.isascii()
    assert done.stderr.startswith("  + Hello ")


def test_the_input_is_utf_8_whatever_the_locale(hello, folder):
    ascii_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(f"""sfnrun execute {hello} --name here -i '{{"name": "Zoë"}}'""", folder, **ascii_locale)
    assert (done.returncode, done.stdout) == (0, '{"name": "Zoë"}\n')
    assert shell("sfnrun trace list", folder).stdout.split()[:2] == ["here", "SUCCEEDED"]


def test_warnings_are_one_line(sfn, definition):
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "B"}]}
    name = definition({"A": choice, "B": {"Type": "Pass", "End": True}})
    done = sfn("execute", name, "--input", '{"a": 1}')
    warnings = [line for line in done.err.splitlines() if "warning" in line]
    assert (done.code, len(warnings)) == (0, 1)
    assert warnings[0].startswith(f"{name}:")
    assert "SFN-G09" in warnings[0]
    assert "warning" not in sfn("execute", name, "--input", '{"a": 1}', "--quiet").err
