import json

import pytest


@pytest.fixture
def recorded(sfn, definition):
    """Two executions: `good`, and after it `bad`."""
    good = definition(
        {
            "Prepare": {"Type": "Pass", "Result": 1, "ResultPath": "$.n", "Next": "Wait"},
            "Wait": {"Type": "Wait", "Seconds": 60, "End": True},
        },
        name="good.asl.json",
    )
    bad = definition({"Stop": {"Type": "Fail", "Error": "Over", "Cause": "and out"}}, name="bad.asl.json")
    assert sfn("execute", good, "--clock", "virtual", "--name", "good").code == 0
    assert sfn("execute", bad, "--clock", "virtual", "--name", "bad").code == 1


def test_an_execution_goes_before_a_file_of_its_name(sfn, recorded, folder):
    (folder / "good").write_text("something else")
    assert "SUCCEEDED" in sfn("trace", "show", "good").out
    assert sfn("trace", "show", ".sfnrun/executions/good.jsonl").out == sfn("trace", "show", "good").out


def test_executions_are_listed_the_newest_first(sfn, recorded, folder):
    (folder / ".sfnrun/executions/torn.jsonl").write_text('{"x":')
    done = sfn("trace", "list")
    assert (done.code, done.err) == (0, "")
    torn, bad, good = done.out.splitlines()
    assert torn.split("\t") == ["torn", "UNREADABLE", "", "", "", "", "not a history"]
    assert bad.split()[:2] == ["bad", "FAILED"]
    assert bad.split()[-1] == "Over"
    assert good.split()[:2] == ["good", "SUCCEEDED"]
    assert "\t1 min\t" in good


def test_an_empty_list_says_so(sfn):
    assert sfn("trace", "list") == (0, "", "no recorded executions in .sfnrun/executions\n")


def test_show_tells_the_execution_again(sfn, recorded):
    done = sfn("trace", "show", "good", "-v")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "  ✓ Prepare                       Pass",
        "    + $.n: 1",
        "  ✓ Wait                          Wait      1 min",
        "SUCCEEDED in 1 min · 2 states · 6 events",
        "history .sfnrun/executions/good.jsonl",
    ]


def test_show_last_is_the_newest(sfn, recorded):
    done = sfn("trace", "show")
    assert done.code == 0
    assert "bad.asl.json:4:5" in done.out
    assert "FAILED" in done.out


def test_show_as_json(sfn, recorded):
    found = json.loads(sfn("trace", "show", "good", "--json").out)
    assert (found["name"], found["status"], found["output"], found["took_ms"]) == ("good", "SUCCEEDED", {"n": 1}, 60000)
    found = json.loads(sfn("trace", "show", "bad", "--json").out)
    assert (found["output"], found["error"], found["cause"], found["place"]) == (None, "Over", "and out", "Stop")


def test_export_as_aws_prints_it(sfn, recorded):
    history = json.loads(sfn("trace", "export", "good").out)
    assert [event["type"] for event in history["events"]][:3] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
    ]
    assert history["events"][2]["stateExitedEventDetails"] == {
        "name": "Prepare",
        "output": '{"n":1}',
        "outputDetails": {"truncated": False},
    }
    assert history["events"][0]["timestamp"].endswith("+00:00")


def test_replay_shows_what_was_shown(sfn, recorded):
    shown = sfn("trace", "show", "good").out.splitlines()[:2]
    done = sfn("trace", "replay", "good")
    assert (done.code, done.out) == (0, '{"n":1}\n')
    assert done.err.splitlines()[:2] == shown
    assert sfn("trace", "replay", ".sfnrun/executions/good.jsonl", "-q") == (0, '{"n":1}\n', "")


def test_a_replay_of_a_failure_is_a_success(sfn, recorded):
    done = sfn("trace", "replay", "bad")
    assert (done.code, done.out) == (0, "")
    assert "FAILED" in done.err


def test_a_divergence_exits_3_and_shows_both_sides(sfn, recorded, folder):
    path = folder / ".sfnrun/executions/good.jsonl"
    path.write_text(path.read_text().replace('"event":"PassStateExited"', '"event":"PassStateAborted"'))
    done = sfn("trace", "replay", "good")
    assert (done.code, done.out) == (3, "")
    assert "PassStateAborted" in done.err
    assert "PassStateExited" in done.err
    assert "Traceback" not in done.err


def test_a_changed_definition_is_told(sfn, recorded, definition):
    other = definition({"Prepare": {"Type": "Pass", "End": True}}, name="other.asl.json")
    done = sfn("trace", "replay", "good", "--definition", other)
    assert done.code == 3
    assert "Prepare" in done.err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("god", "did you mean 'good'?"),
        ("nothing-like-it", "sfnrun trace list"),
        ("good.asl.json", "is not an sfnrun history"),
    ],
)
@pytest.mark.parametrize("command", ["show", "replay"])
def test_what_is_no_execution_is_told(sfn, recorded, command, name, message):
    done = sfn("trace", command, name)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


DAMAGES = [
    (lambda text: "", "is empty"),
    (lambda text: text.replace('{"sfnrun":1', '{"sfnrun":99', 1), "99"),
    (lambda text: text.replace('{"event"', '{"evt', 1), "is damaged: line 2"),
    (lambda text: "garbage\n" + text, "not an sfnrun history"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[message for _, message in DAMAGES])
@pytest.mark.parametrize("command", ["show", "replay"])
def test_a_damaged_history_is_told(sfn, recorded, folder, command, damage, message):
    path = folder / ".sfnrun/executions/good.jsonl"
    path.write_text(damage(path.read_text()))
    done = sfn("trace", command, "good")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_torn_history_is_shown_as_far_as_it_goes(sfn, recorded, folder):
    path = folder / ".sfnrun/executions/good.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + '\n{"event":"Wai')
    assert "good" in sfn("trace", "list").out
    shown = sfn("trace", "show", "good")
    assert shown.code == 0
    assert "CRASHED" in shown.out
    assert "Prepare" in sfn("trace", "replay", "good").err


def test_names_are_completed(recorded):
    from sfnrun.cli.completion import complete_run

    assert complete_run("") == ["last", "bad", "good"]
    assert complete_run("g") == ["good"]


def test_the_shell_completes_commands_and_names(recorded, folder):
    import os
    import subprocess
    import sys

    def completed(words: str) -> str:
        environment = {
            **os.environ,
            "_SFNRUN_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        script = "import sys; sys.argv[0] = 'sfnrun'; from sfnrun.cli.entry import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=folder, env=environment, text=True, capture_output=True, check=False
        )
        return done.stdout

    commands = ["validate", "execute", "resume", "redrive", "stop", "trace", "cache", "config", "schema"]
    assert completed("sfnrun ").split() == commands
    assert completed("sfnrun trace show g").split() == ["good"]
    assert "--clock" in completed("sfnrun execute x --cl")
