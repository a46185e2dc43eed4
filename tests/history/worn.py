"""One execution with a bit of everything: retries, a Catch, branches of which one fails, items, a loop, odd names."""

from pathlib import Path
from typing import Any

from running import run

import sfnrun
from sfnrun.history.recording import Recording, read

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
ODD = 'Ask "<them>" & wait'

DEFINITION: dict[str, Any] = {
    "StartAt": ODD,
    "States": {
        ODD: {
            "Type": "Task",
            "Resource": FUNCTION,
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 2}],
            "ResultPath": "$.asked",
            "Next": "Count",
        },
        "Count": {
            "Type": "Pass",
            "Parameters": {"n.$": "States.MathAdd($.n, 1)"},
            "Next": "Enough",
        },
        "Enough": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericLessThan": 2, "Next": "Count"}],
            "Default": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Sleep", "States": {"Sleep": {"Type": "Wait", "Seconds": 60, "End": True}}},
                {"StartAt": "Break", "States": {"Break": {"Type": "Fail", "Error": "Broke", "Cause": "=1+1\x07 <&>"}}},
            ],
            "Catch": [{"ErrorEquals": ["Broke"], "ResultPath": "$.error", "Next": "Each"}],
            "Next": "Never",
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {
                "StartAt": "Item",
                "States": {"Item": {"Type": "Task", "Resource": FUNCTION, "End": True}},
            },
            "End": True,
        },
        "Never": {"Type": "Fail"},
    },
}


def recorded(folder: Path, *, fails: bool = False) -> Recording:
    """The execution's recording; `fails`: its second item does."""
    asked = []

    def answer(request: sfnrun.Request) -> Any:
        asked.append(request)
        if request.state == ODD and len(asked) < 2:
            raise sfnrun.TaskFailed("Busy", "try again")
        if fails and request.payload == 2:
            raise sfnrun.TaskFailed("Spoilt", '{"errorMessage": "item two"}')
        return request.payload

    definition = {**DEFINITION, "States": {**DEFINITION["States"]}}
    count = {**DEFINITION["States"]["Count"], "Parameters": {"n.$": "States.MathAdd($.n, 1)", "items": [1, 2, 3]}}
    definition["States"]["Count"] = count
    input = {"n": 0, "items": [1, 2, 3]}
    result = run(definition, input, tasks=answer, seed=1, store=folder, state_machine_name="Worn", name="worn")
    assert result.status == ("FAILED" if fails else "SUCCEEDED"), (result.error, result.cause)
    return read(result.history)
