"""`trace import`, `export`, `why`, `diff`, `show RUN:PLACE` and `replay --step`, as a shell runs them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "statemachines/from-aws"
HISTORY, DEFINITION = str(EXAMPLE / "refund.history.json"), str(EXAMPLE / "refund.asl.json")
CHANGED = str(EXAMPLE / "refund.changed.asl.json")


@pytest.fixture
def refund(sfn) -> str:
    done = sfn("trace", "import", HISTORY, "--definition", DEFINITION, "--name", "refund")
    assert done == (0, "refund\n", "imported as refund; show it with `sfnrun trace show refund`\n")
    return "refund"


def test_what_was_imported_is_shown_and_replayed(sfn, refund):
    assert "PayBack" in sfn("trace", "show", refund).out
    assert sfn("trace", "replay", refund, "-q") == (0, '{"refund":"ref-7","amount":80}\n', "")


def test_it_is_exported_as_it_came(sfn, refund, folder):
    assert sfn("trace", "export", refund, "--format", "aws", "-o", "back.json").code == 0
    came = json.loads(Path(HISTORY).read_text(encoding="utf-8"))
    assert json.loads((folder / "back.json").read_text(encoding="utf-8")) == came
    assert json.loads(sfn("trace", "export", refund).out) == came


def test_pages_one_after_the_other_on_stdin(sfn):
    events = json.loads(Path(HISTORY).read_text(encoding="utf-8"))["events"]
    pages = json.dumps({"events": events[:7], "nextToken": "x"}) + "\n" + json.dumps({"events": events[7:]})
    done = sfn("trace", "import", "-", "-d", DEFINITION, "--name", "paged", stdin=pages)
    assert (done.code, done.out) == (0, "paged\n")


def test_the_machine_that_ran_may_be_the_definition(sfn, folder):
    machine = {"definition": Path(DEFINITION).read_text(encoding="utf-8"), "stateMachineArn": "arn", "name": "Refunds"}
    (folder / "machine.json").write_text(json.dumps(machine))
    assert sfn("trace", "import", HISTORY, "-d", "machine.json", "--name", "one").code == 0
    assert sfn("trace", "import", HISTORY, "machine.json", "--name", "two").code == 0


def test_another_definition_diverges(sfn, folder):
    done = sfn("trace", "import", HISTORY, "-d", CHANGED)
    assert (done.code, done.out) == (3, "")
    assert "in state 'IsItMuch'" in done.err
    assert "describe-state-machine-for-execution" in done.err
    assert not list((folder / ".sfnrun").rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.json", "-d", DEFINITION], "cannot read nowhere.json"),
        (["text.json", "-d", DEFINITION], "text.json is not JSON"),
        (["empty.json", "-d", DEFINITION], "no history events"),
        ([HISTORY], "missing definition"),
        ([HISTORY, "-d", "nowhere.asl.json"], "nowhere.asl.json"),
    ],
)
def test_what_cannot_be_imported_is_told(sfn, folder, arguments, message):
    (folder / "text.json").write_text("not JSON")
    (folder / "empty.json").write_text("{}")
    done = sfn("trace", "import", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_name_that_is_taken(sfn, refund):
    done = sfn("trace", "import", HISTORY, "-d", DEFINITION, "--name", refund)
    assert done.code == 2
    assert "--name" in done.err


FORMATS = {
    "aws": json.loads,
    "chrome": json.loads,
    "csv": lambda text: text.index("event,state,type"),
    "dot": lambda text: text.index("digraph"),
    "junit": ElementTree.fromstring,
    "mermaid": lambda text: text.index("flowchart TD"),
    "svg": ElementTree.fromstring,
}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_goes_to_stdout(sfn, refund, format):
    done = sfn("trace", "export", refund, "--format", format)
    assert (done.code, done.err) == (0, "")
    FORMATS[format](done.out)


def test_why_says_it_for_people_and_programs(sfn, refund):
    done = sfn("trace", "why", f"{refund}:FindPayment")
    assert done.code == 0
    assert "↻ retrier 2 matches: retry 2 of 5, after 3 s" in done.out
    told = json.loads(sfn("trace", "why", f"{refund}:FindPayment", "--json").out)
    assert told["reasons"][2]["text"] == "retrier 2 matches: retry 1 of 5, after 2 s"


def test_why_without_a_state_is_about_the_failure(sfn, refund, definition):
    done = sfn("trace", "why", refund)
    assert (done.code, done.out) == (2, "")
    assert "no state failed in this execution" in done.err
    bad = definition({"A": {"Type": "Pass", "Parameters": {"x.$": "$.none"}, "End": True}})
    assert sfn("execute", bad, "--clock", "virtual", "-q").code == 1
    assert "attempt 1 failed with States.Runtime" in sfn("trace", "why").out


def test_the_data_of_a_state(sfn, refund):
    done = sfn("trace", "show", f"{refund}:PayBack")
    assert (done.code, done.err) == (0, "")
    assert "afterParameters" in done.out
    data = json.loads(sfn("trace", "show", f"{refund}:PayBack", "--json").out)["inspectionData"]
    assert data["output"] == {"refund": "ref-7", "amount": 80}
    first = json.loads(sfn("trace", "show", f"{refund}:FindPayment@1", "--json").out)
    assert "result" not in first["inspectionData"]
    assert first["errors"]["error"].startswith("Lambda.TooManyRequestsException")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("PayBak", "did you mean 'PayBack'?"),
        ("AskManager", "'AskManager' was never entered"),
        ("PayBack@2", "attempt 2 not found"),
    ],
)
def test_what_there_is_not_is_told(sfn, refund, place, message):
    done = sfn("trace", "show", f"{refund}:{place}")
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_two_executions_side_by_side(sfn, hello):
    for name, input in (("one", '{"a": 1}'), ("two", '{"a": 2}')):
        assert sfn("execute", hello, "-i", input, "--name", name, "-q").code == 0
    done = sfn("trace", "diff", "one", "two")
    assert (done.code, done.err) == (1, "")
    assert "input.a: 1 → 2" in done.out
    same = sfn("trace", "diff", "one", "one")
    assert (same.code, same.out) == (0, "no difference in 4 events\n")
    assert sfn("trace", "diff", "one", "three").code == 2


def walk(folder: Path, typed: str, *arguments: str) -> tuple[int, str]:
    """Run `trace replay --step` on a terminal of its own."""
    person, terminal = pty.openpty()
    # The first terminal that the leader of a session opens is its own.
    code = "import os; os.open(os.ttyname(0), os.O_RDWR); from sfnrun.cli.entry import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "trace", "replay", "refund", "--step", *arguments],
        cwd=folder, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, start_new_session=True, encoding="utf-8",
    )  # fmt: skip
    os.close(terminal)
    os.write(person, typed.encode())
    _, shown = process.communicate(timeout=30)
    os.close(person)
    return process.returncode, shown


def test_walking_at_a_terminal(sfn, refund, folder):
    code, shown = walk(folder, "n\ng PayBack\nb\nd\nq\n")
    stops = [line.split()[1] for line in shown.splitlines() if line.startswith("●")]
    assert (code, stops) == (0, ["2/20", "13/20", "15/20", "13/20"])
    assert '"amount": 80' in shown


def test_walking_ends_where_the_replay_diverged(sfn, refund, folder):
    code, shown = walk(folder, "c\nq\n", "--definition", CHANGED)
    assert code == 3
    assert "now       TaskStateEntered of AskManager" in shown


def test_without_a_terminal_nobody_walks(sfn, refund, folder):
    done = subprocess.run(
        [sys.executable, "-c", "from sfnrun.cli.entry import main; main()", "trace", "replay", refund, "--step"],
        cwd=folder, capture_output=True, text=True, start_new_session=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "terminal" in done.stderr
