"""A run as a whole: the Python API, its names and folders, and what is left of one stopped, killed or out of room."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cases import definition_of

import sfnrun
from sfnrun import Payload, Reply, Request, TaskFailed
from sfnrun.engine import states as engine_states
from sfnrun.errors import ApiError, HistoryError
from sfnrun.history.recording import read

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:f"
TASK = {"Type": "Task", "Resource": LAMBDA}
FOREVER = 30.0


def machine(**states: Any) -> dict[str, Any]:
    return definition_of({"states": states})


def test_run_is_the_function_whatever_was_imported_before() -> None:
    """A module and the function in it have one name; nobody should have to know that."""
    code = (
        "import sfnrun; from sfnrun import Result; import sfnrun.api.replay; import sfnrun.api.run\n"
        "machine = {'StartAt': 'S', 'States': {'S': {'Type': 'Succeed'}}}\n"
        "print(sfnrun.run(machine, 1).output, callable(sfnrun.replay))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "1 True\n"


# --- the same seed, the same history ---

CHANCE = machine(
    U={"Type": "Pass", "Parameters": {"u.$": "States.UUID()", "r.$": "States.MathRandom(1, 1000000)"}, "Next": "J"},
    J={
        "Type": "Pass",
        "QueryLanguage": "JSONata",
        "Output": {"u": "{% $uuid() %}", "r": "{% $random() %}", "was": "{% $states.input %}"},
        "Next": "P",
    },
    P={
        "Type": "Parallel",
        "Branches": [
            {"M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"T": {**TASK, "Retry": [
                {"ErrorEquals": ["E"], "IntervalSeconds": 9, "JitterStrategy": "FULL"}]}}}},
            {"W": {"Type": "Wait", "Seconds": 5}},
        ],
        "Parameters": {"items": [1, 2, 3], "was.$": "$"},
    },
)  # fmt: skip


def sometimes(request: Request) -> Any:
    if request.attempt < request.payload:
        raise TaskFailed("E", request.id)
    return Reply({"id": request.id, "token": request.token}, duration_ms=1000 * request.payload)


def recorded(folder: Path, **options: Any) -> bytes:
    result = sfnrun.run(CHANCE, tasks=sometimes, store=folder, name="n", limits=True, **options)
    assert result.status == "SUCCEEDED"
    assert result.history is not None
    return result.history.read_bytes()


def test_the_same_seed_gives_the_same_history_byte_for_byte(tmp_path: Path) -> None:
    first = recorded(tmp_path / "1", seed=5)
    assert recorded(tmp_path / "2", seed=5) == first
    assert recorded(tmp_path / "3", seed=6) != first


def test_the_same_seed_gives_the_same_history_in_every_process(tmp_path: Path) -> None:
    """Nothing depends on the order of sets or on hashes."""
    code = (
        "import sys; sys.path[:0] = ['tests']\n"
        "import test_run, pathlib\n"
        "sys.stdout.buffer.write(test_run.recorded(pathlib.Path(sys.argv[1]), seed=5))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / hash_seed],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).resolve().parents[1],
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert told[0] == told[1] == recorded(tmp_path / "here", seed=5)


def test_without_a_seed_no_two_runs_are_the_same(tmp_path: Path) -> None:
    outputs = {sfnrun.run(CHANCE, tasks=sometimes).output_text for _ in range(2)}
    assert len(outputs) == 2


# --- rules of the house ---


def test_an_answer_is_on_disk_before_anything_acts_on_it(tmp_path: Path) -> None:
    """When a task is asked, the answer that led to it can be read already."""
    seen: list[list[str]] = []

    def look(request: Request) -> str:
        seen.append([line["answer"] for line in read(tmp_path / "n.jsonl").of_kind("answer")])
        return request.state

    definition = machine(A={**TASK, "Next": "W"}, W={"Type": "Wait", "Seconds": 1, "Next": "B"}, B=TASK)
    sfnrun.run(definition, tasks=look, store=tmp_path, name="n")
    assert seen == [["Started"], ["Started", "Succeeded", "Slept", "Started"]]


def test_time_is_the_time_of_the_last_answer() -> None:
    """What happens after one answer happens at one moment, however long it takes us, in real time as well."""
    definition = machine(
        A={**TASK, "Next": "B"},
        B={"Type": "Pass", "Parameters": {"b.$": "$$.State.EnteredTime"}, "Next": "C"},
        C={"Type": "Pass", "Parameters": {"b.$": "$.b", "c.$": "$$.State.EnteredTime"}},
    )
    result = sfnrun.run(definition, tasks=lambda request: 1, clock="real", listener=Dawdling())
    assert result.output["b"] == result.output["c"]
    assert len({event["timestamp"] for event in result.events[4:]}) == 1


class Dawdling:
    """A listener that takes its time: until the clock of the wall has moved on by some milliseconds."""

    def event(self, event: object) -> None:
        threading.Event().wait(0.003)

    def note(self, note: object) -> None:
        pass


def test_what_passes_through_is_the_very_same_object() -> None:
    given = Payload({"large": {"list": [1, 2, 3]}, "n": 1})
    definition = machine(
        A={"Type": "Pass", "Next": "C"},
        C={"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "W"}]},
        W={"Type": "Wait", "Seconds": 1, "Next": "P"},
        P={"Type": "Parallel", "Branches": [{"X": {"Type": "Pass"}}], "ResultPath": None, "Next": "S"},
        S={"Type": "Succeed"},
    )
    assert sfnrun.run(definition, given).payload is given


def test_what_is_edited_shares_the_rest() -> None:
    given = {"large": {"list": [1, 2, 3]}, "deep": {"a": {"x": 1}, "b": {"y": 2}}}
    definition = machine(
        A={"Type": "Pass", "Result": 1, "ResultPath": "$.deep.a.z", "Next": "B"},
        B={**TASK, "ResultPath": "$.result"},
    )
    output = sfnrun.run(definition, Payload(given), tasks=lambda request: request.payload["deep"]).output
    assert output["large"] is given["large"]
    assert output["deep"]["b"] is given["deep"]["b"]
    assert given == {"large": {"list": [1, 2, 3]}, "deep": {"a": {"x": 1}, "b": {"y": 2}}}


def test_nothing_is_ever_mutated() -> None:
    """Every kind of state, on data that is compared afterwards; the Result stands in the definition itself."""
    given = {"items": [{"n": 1}, {"n": 2}], "x": {"y": []}}
    definition = machine(
        A={"Type": "Pass", "Result": {"r": [1]}, "ResultPath": "$.x.r", "Assign": {"v.$": "$.r"}, "Next": "M"},
        M={
            "Type": "Map",
            "ItemsPath": "$.items",
            "ResultPath": "$.x.items",
            "ItemProcessor": {
                "I": {**TASK, "ResultPath": "$.t", "Next": "I2"},
                "I2": {"Type": "Pass", "Result": 0, "ResultPath": "$.n"},
            },
            "Next": "P",
        },
        P={
            "Type": "Parallel",
            "Branches": [
                {"B": {"Type": "Pass", "Result": 1, "ResultPath": "$.b", "Assign": {"w.$": "$v"}}},
                {
                    "C": {
                        "Type": "Pass",
                        "QueryLanguage": "JSONata",
                        "Output": "{% $merge([$states.input, {'c': 1}]) %}",
                    }
                },
            ],
        },
    )
    before = json.dumps([definition, given])
    output = sfnrun.run(definition, Payload(given), tasks=lambda request: 5).output
    assert json.dumps([definition, given]) == before
    assert [branch.get("b") for branch in output] == [1, None]


def test_nothing_is_copied_deeply() -> None:
    """Sharing is what makes large values cheap."""
    sources = Path(sfnrun.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if "deepcopy" in path.read_text(encoding="utf-8")] == []


def test_an_error_of_ours_is_no_error_of_the_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a StatesError comes out as what it is: no Catch takes it, no history calls it States.Runtime."""

    async def bug(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setitem(engine_states.VISITS, engine_states.Pass, bug)
    inner = {"Type": "Parallel", "Branches": [{"A": {"Type": "Pass"}}]}
    definition = machine(P={**inner, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "S"}]}, S={"Type": "Succeed"})
    with pytest.raises(ZeroDivisionError, match="ours"):
        sfnrun.run(definition, store=tmp_path, name="n")
    assert not read(tmp_path / "n.jsonl").complete


def test_a_key_does_not_depend_on_events(tmp_path: Path) -> None:
    """More states that ask nothing, so more events, and the same keys: new kinds of events break no old history."""

    def keys(name: str, **states: Any) -> list[str]:
        sfnrun.run(machine(**states), [1, 2], tasks=lambda request: 1, store=tmp_path, name=name)
        return [line["key"] for line in read(tmp_path / f"{name}.jsonl").of_kind("answer")]

    inner = {"Type": "Map", "ItemProcessor": {"T": TASK}}
    few = keys("few", M=inner)
    many = keys("many", A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Assign": {"v": 1}, "Next": "M"}, M=inner)
    assert few == many
    assert len(set(few)) == 2


# --- nesting costs no stack ---


def nested(levels: int, kind: str) -> dict[str, Any]:
    state: dict[str, Any] = {"Type": "Pass", "End": True}
    for level in range(levels):
        graph = {"StartAt": f"S{level}", "States": {f"S{level}": state}}
        inner = {"ItemProcessor": graph} if kind == "Map" or (kind == "both" and level % 2) else {"Branches": [graph]}
        state = {"Type": "Map" if "ItemProcessor" in inner else "Parallel", **inner, "End": True}
    return {"StartAt": "Top", "States": {"Top": state}}


def test_parallel_in_parallel_as_deep_as_json_may_be() -> None:
    result = sfnrun.run(nested(245, "Parallel"), 1)
    assert (result.status, result.output_text) == ("SUCCEEDED", "[" * 245 + "1" + "]" * 245)


def test_map_in_map_as_deep_as_json_may_be() -> None:
    given: Any = 1
    for _ in range(330):
        given = [given]
    result = sfnrun.run(nested(330, "Map"), given)
    assert (result.status, result.output) == ("SUCCEEDED", given)


def deep(levels: int) -> Payload:
    return Payload.parse('{"a":[' * (levels // 2) + "1" + "]}" * (levels // 2))


def test_deep_values_go_through_every_kind_of_state(tmp_path: Path) -> None:
    """1,000 levels are what AWS's own parser takes."""
    given = deep(996)
    definition = machine(
        P={"Type": "Pass", "Parameters": {"d.$": "$"}, "Assign": {"v.$": "$"}, "Next": "C"},
        C={"Type": "Choice", "Choices": [{"Variable": "$.d", "IsPresent": True, "Next": "T"}]},
        T={**TASK, "InputPath": "$.d", "ResultPath": "$.r", "OutputPath": "$.r", "Next": "M"},
        M={"Type": "Map", "ItemsPath": "$.a", "ItemProcessor": {"I": {"Type": "Pass"}}, "Next": "Q"},
        Q={"Type": "Parallel", "Branches": [{"B": {"Type": "Pass", "InputPath": "$v"}}]},
    )
    result = sfnrun.run(definition, given, tasks=lambda request: request.arguments, store=tmp_path, name="n")
    assert (result.status, result.error) == ("SUCCEEDED", None)
    assert result.output_text == '[{"d":' + given.text + "}]"
    assert result.history is not None
    assert sfnrun.replay(result.history).output_text == result.output_text


def test_five_thousand_items_one_after_the_other() -> None:
    definition = machine(M={"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": {"I": {"Type": "Pass"}}})
    result = sfnrun.run(definition, list(range(5000)), limits=False)
    assert result.output == list(range(5000))


# --- names and folders ---


def test_runs_at_once_under_a_made_up_name_give_way_to_each_other(tmp_path: Path) -> None:
    meet, results = threading.Barrier(6), []
    threshold = gc.get_threshold()

    def one() -> None:
        meet.wait(FOREVER)
        results.append(sfnrun.run(machine(T=TASK), tasks=lambda request: 1, seed=1, store=tmp_path))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FOREVER)
    names = ["StateMachine-seed-1", *(f"StateMachine-seed-1-{n}" for n in range(2, 7))]
    assert sorted(result.name for result in results) == names
    assert sorted(path.stem for path in tmp_path.iterdir()) == names
    assert all(read(path).start["name"] == path.stem for path in tmp_path.iterdir())
    assert gc.get_threshold() == threshold


def test_a_given_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    sfnrun.run(machine(S={"Type": "Succeed"}), store=tmp_path, name="mine")
    with pytest.raises(ApiError, match=r"^Execution Already Exists: 'arn:.*:mine'$"):
        sfnrun.run(machine(S={"Type": "Succeed"}), store=tmp_path, name="mine")


def test_a_folder_that_cannot_be_written_in(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(HistoryError, match=r"cannot write history .*: File exists") as refused:
        sfnrun.run(machine(S={"Type": "Succeed"}), store=tmp_path / "file", name="mine")
    assert "--history" in refused.value.hint


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HistoryError, match=r"cannot write history .*: Permission denied"):
        sfnrun.run(machine(S={"Type": "Succeed"}), store=tmp_path, name="mine")


# --- stopped, killed, out of room ---

SCRIPT = """
import sys, threading, sfnrun
kind, clock, folder = sys.argv[1:]
# Under way: when the handler runs, which is when the task's beginning is recorded, or when the loop turns.
telling = {"task": "", "loop": "ChoiceStateExited"}[kind]
class Told:
    said = False
    def event(self, event):
        if event.type == telling and not self.said:
            self.said = True
            print("asked", flush=True)
    def note(self, note): pass
def hang(request):
    print("asked", flush=True)
    threading.Event().wait(30)
states = {
    "task": {
        "P": {"Type": "Pass", "Result": "x" * 1000, "Next": "T"},
        "T": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": True}},
    "loop": {
        "P": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "S"}], "Default": "P"},
        "S": {"Type": "Succeed"}},
}
result = sfnrun.run({"StartAt": "P", "States": states[kind]}, tasks=hang, clock=clock, store=folder, name="n",
                    limits=False, interruptible=True, listener=Told(), keep_events=False)
print(result.status, flush=True)
"""


@contextmanager
def asked(kind: str, clock: str, folder: Path, script: str = SCRIPT) -> Iterator[subprocess.Popen[str]]:
    """A process that runs SCRIPT, from when its execution is under way."""
    command = [sys.executable, "-c", script, kind, clock, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asked\n"
            yield process
        finally:
            process.kill()


posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")


@posix
@pytest.mark.parametrize(("kind", "clock"), [("task", "real"), ("loop", "real"), ("loop", "virtual")])
def test_ctrl_c_aborts_the_execution_and_is_recorded(kind: str, clock: str, tmp_path: Path) -> None:
    with asked(kind, clock, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=FOREVER)
    assert (told.splitlines()[-1], process.returncode) == ("ABORTED", 0)
    recording = read(tmp_path / "n.jsonl")
    assert recording.complete
    assert (recording.lines[-1]["event"], recording.lines[-1]["previous"]) == ("ExecutionAborted", 0)
    assert sfnrun.replay(recording.path).status == "ABORTED"


@posix
def test_a_second_ctrl_c_insists(tmp_path: Path) -> None:
    """A handler on the main thread holds everything up; then the process ends as any does."""
    with asked("task", "virtual", tmp_path) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    assert process.returncode != 0
    assert not read(tmp_path / "n.jsonl").complete


@posix
def test_a_background_job_is_not_interrupted(tmp_path: Path) -> None:
    """A shell script has its background jobs ignore Ctrl-C; that is meant for the job at the terminal."""
    ignoring = SCRIPT.replace("import sys,", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nimport sys,")
    ignoring = ignoring.replace("threading.Event().wait(30)", "sys.stdin.read()")
    with asked("task", "real", tmp_path, ignoring) as process:
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate("go on", timeout=FOREVER)
    assert (told.splitlines()[-1], process.returncode) == ("SUCCEEDED", 0)


@posix
def test_a_run_that_is_killed_leaves_a_history_that_can_be_read(tmp_path: Path) -> None:
    with asked("task", "real", tmp_path) as process:
        process.kill()
        process.wait(FOREVER)
    recording = read(tmp_path / "n.jsonl")
    assert not recording.complete
    assert [line["answer"] for line in recording.of_kind("answer")] == ["Started"]
    replayed = sfnrun.replay(recording.path)
    assert (replayed.status, replayed.output) == ("RUNNING", None)
    assert [event["type"] for event in replayed.events][-2:] == ["LambdaFunctionScheduled", "LambdaFunctionStarted"]


@posix
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The limit of a file's size stands for it: the system takes a part of the last line, then nothing."""
    code = (
        "import resource, sys, sfnrun\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "task = {'Type': 'Task', 'Resource': 'arn:aws:lambda:us-east-1:123456789012:function:f', 'End': True}\n"
        "machine = {'StartAt': 'M', 'States': {'M': {'Type': 'Map', 'End': True,\n"
        "           'ItemProcessor': {'StartAt': 'T', 'States': {'T': task}}}}}\n"
        "try:\n"
        "    sfnrun.run(machine, list(range(1000)), tasks=lambda r: 1, store=sys.argv[1], name='n', seed=1)\n"
        "except sfnrun.SfnrunError as error:\n"
        "    print(error.message, '|', error.hint)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, timeout=FOREVER
    )
    path = tmp_path / "n.jsonl"
    assert told.stdout == (
        f"cannot write history {path}: File too large | free some disk space, or pass --history DIR\n"
    )
    assert path.stat().st_size == 20_000
    recording = read(path)
    assert len(recording.lines) > 100
    assert sfnrun.replay(recording.path).status == "RUNNING"


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_what_is_under_way_can_be_looked_at(clock: Any, tmp_path: Path) -> None:
    seen: list[str] = []

    def handler(request: Request) -> int:
        seen.extend(line["event"] for line in read(tmp_path / "n.jsonl").of_kind("event"))
        return 1

    sfnrun.run(machine(T=TASK), tasks=handler, clock=clock, store=tmp_path, name="n")
    assert seen[:3] == ["ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled"]
