"""AWS's histories become ours, and go back as they came."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from history.aws_lines import events_of

import sfnrun
from sfnrun.api.imported import import_execution
from sfnrun.history.aws.events import aws_document
from sfnrun.history.recording import Recording, read

CASES = [
    case
    for table in ("imports.yaml", "redriven.yaml")
    for case in yaml.safe_load((Path(__file__).parent / table).read_text(encoding="utf-8"))
]


def definition_of(case: dict) -> dict:
    return {"StartAt": next(iter(case["states"])), "States": case["states"], **case.get("machine", {})}


def imported(case: dict, folder: Path, *documents: object, **options: object) -> Recording:
    given = documents or ({"events": events_of(case["events"])},)
    return read(import_execution(given, definition_of(case), folder, **options))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_history_becomes_ours(case: dict, tmp_path: Path):
    recording = imported(case, tmp_path)
    given = [line for line in recording.of_kind("answer") if line["answer"] != "Resumed"]
    answers = [f"{line['key'].rpartition(':')[0]} {line['answer']}".strip() for line in given]
    assert answers == case["answers"]
    fibers = {number: line.get("fiber", "") for number, line in enumerate(recording.of_kind("event"), 1)}
    assert {number: fibers[number] for number in case.get("fibers", {})} == case.get("fibers", {})
    assert sfnrun.replay(recording.path).status == case.get("status", "SUCCEEDED")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_came_in_goes_out(case: dict, tmp_path: Path):
    assert aws_document(imported(case, tmp_path)) == {"events": events_of(case["events"])}


def test_there_are_enough_of_them():
    assert len(CASES) >= 20


# --- forms of the same history ---

(TASK,) = [case for case in CASES if case["name"] == "a function by its ARN, retried until it works"]
EVENTS = events_of(TASK["events"])
ARN = "arn:aws:states:eu-west-1:210987654321:execution:Orders:o-1"
DESCRIBED = {
    "executionArn": ARN,
    "stateMachineArn": "arn:aws:states:eu-west-1:210987654321:stateMachine:Orders",
    "name": "o-1",
    "status": "SUCCEEDED",
    "startDate": EVENTS[0]["timestamp"],
}
FORMS = {
    "one page": [{"events": EVENTS}],
    "pages": [{"events": EVENTS[:4], "nextToken": "x"}, {"events": EVENTS[4:]}],
    "a list of pages": [[{"events": EVENTS[:4]}, {"events": EVENTS[4:]}]],
    "backwards": [{"events": EVENTS[::-1]}],
    "pages backwards": [{"events": EVENTS[:3:-1]}, {"events": EVENTS[3::-1]}],
    "a page twice": [{"events": EVENTS[:4]}, {"events": EVENTS[2:]}],
    "the events alone": [EVENTS],
    "an event a document": EVENTS,
    "described": [DESCRIBED, {"events": EVENTS}],
}


@pytest.mark.parametrize("documents", FORMS.values(), ids=FORMS)
def test_forms_of_the_same_history(documents: list, tmp_path: Path):
    recording = imported(TASK, tmp_path, *documents)
    assert [line for line in recording.lines if "event" in line] == [
        line for line in imported(TASK, tmp_path / "plain").lines if "event" in line
    ]
    assert aws_document(recording)["events"] == EVENTS


def test_who_it_was_is_described(tmp_path: Path):
    start = imported(TASK, tmp_path, DESCRIBED, {"events": EVENTS}).start
    assert (start["name"], start["arn"], start["state_machine_name"]) == ("o-1", ARN, "Orders")
    assert (start["region"], start["account"], start["start_time"]) == ("eu-west-1", "210987654321", 1_700_000_000_250)


@pytest.mark.parametrize(
    "time",
    [
        "2023-11-14T22:13:20.250000+00:00",
        "2023-11-14T23:13:20.250000+01:00",
        "2023-11-14T16:43:20.250000-05:30",
        "2023-11-14 22:13:20.250000+00:00",
        "2023-11-14T22:13:20.250Z",
        "2023-11-14T22:13:20+00:00",
        "2023-11-14T22:13:20.250111+00:00",
        1_700_000_000.25,
        1_700_000_000,
        1_700_000_000_250,
    ],
)
def test_times_are_given_back_as_they_were(time: object, tmp_path: Path):
    (case,) = [case for case in CASES if case["name"] == "a state that asks nobody"]
    events = [{**event, "timestamp": time} for event in events_of(case["events"])]
    recording = imported(case, tmp_path, {"events": events})
    assert recording.start["start_time"] // 1000 == 1_700_000_000
    assert aws_document(recording)["events"] == events


def test_the_definition_that_ran_may_stand_beside(tmp_path: Path):
    machine = {"stateMachineArn": "arn", "definition": json.dumps(definition_of(TASK))}
    path = import_execution([machine, {"events": EVENTS}], None, tmp_path)
    assert sfnrun.replay(path).status == "SUCCEEDED"


def test_it_has_a_name_of_its_own_and_takes_what_boto3_gives(tmp_path: Path):
    pages = [
        {"events": [{**event, "timestamp": datetime.fromtimestamp(event["timestamp"], UTC)} for event in part]}
        for part in (EVENTS[:4], EVENTS[4:])
    ]
    path = sfnrun.import_execution(pages, definition_of(TASK), tmp_path, name="boto3")
    assert sfnrun.replay(path).status == "SUCCEEDED"
    exported = aws_document(read(path))["events"]
    assert exported[0]["timestamp"] == "2023-11-14T22:13:20.250000+00:00"
    assert [event["type"] for event in exported] == [event["type"] for event in EVENTS]
    alone = sfnrun.import_execution({"events": EVENTS}, definition_of(TASK), tmp_path, name="alone")
    assert sfnrun.replay(alone).events == sfnrun.replay(path).events


# --- CloudWatch ---

EXPRESS = "arn:aws:states:us-east-1:123456789012:express:Orders:o-1:0b9a7a3e-0d6a-4d0f-8f43-3a1f9a8d2c11"


def logged(events: list[dict], arn: str = EXPRESS) -> list[dict]:
    """The events as CloudWatch has them."""
    return [
        {
            "id": str(event["id"]),
            "type": event["type"],
            "details": next((value for name, value in event.items() if name.endswith("Details")), {}),
            "previous_event_id": str(event["previousEventId"]),
            "event_timestamp": str(int(event["timestamp"] * 1000)),
            "execution_arn": arn,
            "redrive_count": "0",
        }
        for event in events
    ]


LOGGED = logged(EVENTS)
AS_MESSAGES = [{"timestamp": 1, "message": json.dumps(event), "ingestionTime": 2} for event in LOGGED]
AS_ROWS = [[{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": json.dumps(one)}] for one in LOGGED]
LOGS = {
    "log events": [{"events": AS_MESSAGES, "nextToken": "x"}],
    "any order": [{"events": AS_MESSAGES[::-1]}],
    "messages alone": [LOGGED],
    "Insights": [{"results": AS_ROWS, "statistics": {}}],
    "noise between": [{"events": [{"message": "START"}, *AS_MESSAGES]}],
}


@pytest.mark.parametrize("documents", LOGS.values(), ids=LOGS)
def test_express_comes_from_its_log(documents: list, tmp_path: Path):
    recording = imported(TASK, tmp_path, *documents)
    assert (recording.start["type"], recording.start["arn"]) == ("EXPRESS", EXPRESS)
    assert sfnrun.replay(recording.path).output == 1
    assert aws_document(recording)["events"] == LOGGED


def test_one_of_several_in_a_log(tmp_path: Path):
    other = logged(EVENTS, EXPRESS.replace("o-1", "o-2"))
    mixed = [event for pair in zip(LOGGED, other, strict=True) for event in pair]
    assert imported(TASK, tmp_path, mixed, execution="o-2").start["arn"] == other[0]["execution_arn"]
    with pytest.raises(sfnrun.SfnrunError, match="several executions"):
        imported(TASK, tmp_path, mixed)
    with pytest.raises(sfnrun.SfnrunError, match="execution 'o-3' is not in the log"):
        imported(TASK, tmp_path, mixed, execution="o-3")


# --- what is left out, and what cannot be ---


def without(events: list[dict], *names: str) -> list[dict]:
    return [
        {key: {n: v for n, v in value.items() if n not in names} if isinstance(value, dict) else value
         for key, value in event.items()}
        for event in events
    ]  # fmt: skip


def test_payloads_that_were_left_out_are_made_again(tmp_path: Path):
    (case,) = [case for case in CASES if case["name"] == "branches that ask nobody, ended in another order than ours"]
    events = without(events_of(case["events"]), "input", "output", "inputDetails", "outputDetails")
    recording = imported(case, tmp_path, {"events": events}, input=sfnrun.Payload(1))
    assert sfnrun.replay(recording.path).output == [1, 1]
    assert aws_document(recording)["events"] == events


def test_cut_payloads_are_given_back_cut(tmp_path: Path):
    (case,) = [case for case in CASES if case["name"] == "a state that asks nobody"]
    events = events_of(case["events"])
    events[2]["stateExitedEventDetails"] = {"name": "A", "output": "", "outputDetails": {"truncated": True}}
    recording = imported(case, tmp_path, {"events": events})
    assert sfnrun.replay(recording.path).output == {"x": 1}
    assert aws_document(recording)["events"] == events


BAD = {
    "no events": ([{"events": []}], "no history events"),
    "a gap": ([{"events": [*EVENTS[:3], *EVENTS[4:]]}], "event 4 is missing"),
    "the end alone": ([{"events": EVENTS[4:]}], "event 1 is missing"),
    "no answer": ([{"events": without(EVENTS, "output", "outputDetails")}], "event 8 .* has no output"),
    "the last page": ([{"events": EVENTS[:6], "nextToken": "x"}], "more pages after event 6"),
    "the first page": ([{"events": EVENTS[6:]}, {"events": EVENTS[3:6], "NextToken": "x"}], "event 1 is missing"),
    "a log of failures": ([LOGGED[4:5]], "event 1 is missing"),
    "a log without data": (
        logged(without(EVENTS, "input", "inputDetails", "output", "outputDetails")),
        "event 8 .* has no output",
    ),
    "no time": ([{"events": [{**EVENTS[0], "timestamp": "soon"}]}], "event 1 is not an event of AWS"),
}


@pytest.mark.parametrize(("documents", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_imported_is_told(documents: list, message: str, tmp_path: Path):
    with pytest.raises(sfnrun.SfnrunError, match=message):
        imported(TASK, tmp_path, *documents)
    assert list(tmp_path.iterdir()) == []


CHANGES = [
    ({"A": {**TASK["states"]["A"], "Retry": []}}, "A", "LambdaFunctionScheduled"),
    ({"A": {**TASK["states"]["A"], "ResultPath": "$.r"}}, "A", "1"),
    ({"B": {**TASK["states"]["A"]}}, None, "TaskStateEntered of A"),
    (
        {"A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "End": True}},
        "A",
        "Lambda",
    ),
    ({"A": {**TASK["states"]["A"], "End": False, "Next": "B"}, "B": {"Type": "Pass", "End": True}}, "A", "Execution"),
]


@pytest.mark.parametrize(("states", "state", "recorded"), CHANGES)
def test_a_definition_that_did_not_run_is_found_out(states: dict, state: str | None, recorded: str, tmp_path: Path):
    if "Next" in states.get("A", {}):
        states["A"].pop("End")
    with pytest.raises(sfnrun.DivergenceError) as found:
        import_execution([{"events": EVENTS}], {"StartAt": next(iter(states)), "States": states}, tmp_path)
    assert found.value.state == state
    assert recorded in found.value.recorded or recorded in found.value.now
    assert "describe-state-machine-for-execution" in found.value.hint


@pytest.mark.parametrize(("states", "state", "recorded"), CHANGES)
def test_and_so_is_a_changed_one_in_a_replay(states: dict, state: str | None, recorded: str, tmp_path: Path):
    recording = imported(TASK, tmp_path)
    with pytest.raises(sfnrun.DivergenceError) as found:
        sfnrun.replay(recording.path, definition={"StartAt": next(iter(states)), "States": states})
    assert found.value.state == state


def test_a_harmless_change_is_none(tmp_path: Path):
    changed = {**definition_of(TASK), "Comment": "new"}
    state = {**changed["States"]["A"], "Catch": [{"ErrorEquals": ["Never"], "Next": "B"}]}
    changed["States"] = {"B": {"Type": "Fail"}, "A": dict(reversed(state.items()))}
    assert sfnrun.replay(imported(TASK, tmp_path).path, definition=changed).status == "SUCCEEDED"


@pytest.mark.parametrize("name", ["still running", "a timeout that nobody catches"])
@pytest.mark.parametrize("go_on", [sfnrun.resume, sfnrun.redrive])
def test_what_aws_runs_is_not_gone_on_with(go_on: object, name: str, tmp_path: Path):
    (case,) = [case for case in CASES if case["name"] == name]
    recording = imported(case, tmp_path)
    before = recording.path.read_bytes()
    with pytest.raises(sfnrun.SfnrunError, match="AWS"):
        go_on(recording.path)
    assert recording.path.read_bytes() == before
