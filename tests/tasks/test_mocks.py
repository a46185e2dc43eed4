"""MockConfigFile.json of Step Functions Local: what it answers, and what is wrong in one."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import ARN, ask

import sfnrun
from sfnrun.config import Project
from sfnrun.errors import ConfigError, TaskFailed, UsageError
from sfnrun.tasks.mock_config import MockConfig, load_mock_config
from sfnrun.tasks.resolve import Resolver, TaskNames

# The example of the developer guide.
FILE = {
    "StateMachines": {
        "LambdaSQSIntegration": {
            "TestCases": {
                "HappyPath": {"LambdaState": "MockedLambdaSuccess", "SQSState": "MockedSQSSuccess"},
                "RetryPath": {"LambdaState": "MockedLambdaRetry", "SQSState": "MockedSQSSuccess"},
                "HybridPath": {"LambdaState": "MockedLambdaSuccess"},
            }
        }
    },
    "MockedResponses": {
        "MockedLambdaSuccess": {"0": {"Return": {"StatusCode": 200, "Payload": {"body": "Hello from Lambda!"}}}},
        "MockedSQSSuccess": {"0": {"Return": {"MessageId": "1"}}},
        "MockedLambdaRetry": {
            "0": {"Throw": {"Error": "Lambda.ResourceNotReadyException", "Cause": "Lambda resource is not ready."}},
            "1-2": {"Throw": {"Error": "Lambda.TimeoutException", "Cause": "Lambda timed out."}},
            "3": {"Return": {"StatusCode": 200, "Payload": 3}},
        },
    },
}


def read(folder: Path, text: str, name: str = "MockConfigFile.json") -> MockConfig:
    (folder / name).write_text(text)
    return load_mock_config(folder / name)


@pytest.fixture
def mocks(tmp_path: Path) -> MockConfig:
    return read(tmp_path, json.dumps(FILE, indent=2))


def answers(case: Any, state: str, count: int) -> list[Any]:
    found = []
    for _ in range(count):
        request = ask(state=state)
        try:
            found.append(case.find(TaskNames(state, None, request.resource)).call(request).value)
        except TaskFailed as error:
            found.append((error.name, error.cause))
    return found


def test_responses_by_invocation(mocks: MockConfig) -> None:
    case = mocks.test_case("LambdaSQSIntegration", "RetryPath")
    timeout = ("Lambda.TimeoutException", "Lambda timed out.")
    assert answers(case, "LambdaState", 5) == [
        ("Lambda.ResourceNotReadyException", "Lambda resource is not ready."),
        timeout,
        timeout,
        {"StatusCode": 200, "Payload": 3},
        (
            "States.Runtime",
            "The mocked response 'MockedLambdaRetry' of state 'LambdaState' has no entry for invocation 4; it has 0-3.",
        ),
    ]


def test_every_state_counts_for_itself_and_every_execution_from_0(mocks: MockConfig) -> None:
    for _ in range(2):
        case = mocks.test_case("LambdaSQSIntegration", "HappyPath")
        assert answers(case, "LambdaState", 1)[0]["StatusCode"] == 200
        assert answers(case, "SQSState", 1) == [{"MessageId": "1"}]


def test_no_invocation_is_counted_twice(tmp_path: Path) -> None:
    file = {
        "StateMachines": {"M": {"TestCases": {"C": {"S": "R"}}}},
        "MockedResponses": {"R": {str(n): {"Return": n} for n in range(400)}},
    }
    case = read(tmp_path, json.dumps(file)).test_case("M", "C")
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.extend(answers(case, "S", 100))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(400))


def test_states_that_are_not_named_run_for_real(mocks: MockConfig, config: Project) -> None:
    case = mocks.test_case("LambdaSQSIntegration", "HybridPath")
    resolver = Resolver(config, case)
    real = ask(f"{ARN}:charge-card", state="SQSState")
    assert resolver.for_request(real).call(real).value == {"charged": 12}
    mocked = ask(f"{ARN}:charge-card", state="LambdaState")
    assert resolver.for_request(mocked).call(mocked).value["StatusCode"] == 200


def test_a_yaml_file_is_read_too(tmp_path: Path) -> None:
    case = read(tmp_path, yaml.safe_dump(FILE), "mocks.yaml").test_case("LambdaSQSIntegration", "HappyPath")
    assert answers(case, "SQSState", 1) == [{"MessageId": "1"}]


def test_cases_that_are_not_there(mocks: MockConfig) -> None:
    for machine, case, message, hint in [
        (
            "LambdaSqsIntegration",
            "HappyPath",
            "state machine 'LambdaSqsIntegration' not found",
            "'LambdaSQSIntegration'?",
        ),
        ("Order", "HappyPath", "state machine 'Order' not found", "LambdaSQSIntegration"),
        (
            "LambdaSQSIntegration",
            "HapyPath",
            "test case 'HapyPath' of 'LambdaSQSIntegration' not found",
            "did you mean 'HappyPath'?",
        ),
        ("LambdaSQSIntegration", "x", "test case 'x' of", "HappyPath, RetryPath, HybridPath"),
    ]:
        with pytest.raises(UsageError) as caught:
            mocks.test_case(machine, case)
        assert message in caught.value.message
        assert hint in caught.value.hint


def test_states_that_the_machine_does_not_have(mocks: MockConfig) -> None:
    states = {"LambdaStates": {"Type": "Task", "Resource": f"{ARN}:f", "End": True}}
    machine = sfnrun.load({"StartAt": "LambdaStates", "States": states})
    with pytest.raises(UsageError) as caught:
        mocks.test_case("LambdaSQSIntegration", "HybridPath").check(machine)
    assert "'LambdaState', which is not a Task" in caught.value.message
    assert caught.value.hint == "did you mean 'LambdaStates'?"


WRONG = yaml.safe_load((Path(__file__).parent / "mock_errors.yaml").read_text())


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row["case"])
def test_what_is_wrong_is_told_with_its_place(row: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, row["text"])
    found = []
    for problem in caught.value.problems:
        place = f"{problem.span.line}:{problem.span.column}" if problem.span else "-"
        found.append(f"{place} {problem.message}" + (f" | {problem.hint}" if problem.hint else ""))
    assert found == row["problems"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "MockConfigFile.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        load_mock_config(tmp_path / "MockConfigFil.json")
    assert "File not found" in caught.value.message
    assert "MockConfigFile.json?" in caught.value.message
