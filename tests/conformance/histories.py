"""AWS's recorded histories through the import and back; run it: `python tests/conformance/histories.py -v`.

Each recorded execution is imported with its definition, replayed with it (no divergence), and exported (identical).
Then a new Task is put before the first state, of branches and items too, and all else has to happen as it did.
What the recorder changed is put back here first: it parsed JSON text into objects, and gave no times.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import sfnrun
from sfnrun.api.imported import import_execution
from sfnrun.errors import DivergenceError, SfnrunError
from sfnrun.history.aws.events import aws_document
from sfnrun.history.recording import read

SHARED = Path(__file__).resolve().parents[2] / "../shared/conformance"
TEXTS = frozenset({"input", "output", "parameters", "cause"})

# What the recorder put in the place of values that would differ from run to run; a date is the one in the case.
LOST = {"RandomNumberGenerated": 7}
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")

Case = dict[str, Any]


class Outcome(NamedTuple):
    """What came of a case: "identical", or where it failed and why."""

    id: str
    stage: str
    why: str = ""


def checker() -> Any:
    """The comparison program beside the recordings, as a library."""
    spec = importlib.util.spec_from_file_location("conformance_check", SHARED / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def cases() -> Iterator[Case]:
    """The STANDARD executions that are recorded in full, distributed Maps aside."""
    check = checker()
    for case in check.load_cases(SHARED / "aws_histories"):
        if case["kind"] != "execution" or not check.usable(case) or case.get("comparable") != "events":
            continue
        if case["type"] == "STANDARD" and "Map DISTRIBUTED" not in check.features(case):
            for part in ("expected", "definition"):
                case[part] = check.substituted(case[part], case["substitutions"])
            yield case


def has_order(case: Case) -> bool:
    """Whether the recorder kept ids; in five cases it dropped those inside a Parallel, so nobody can tell."""
    return all(isinstance(event["id"], int) for event in case["expected"]["events"])


def as_printed(case: Case) -> list[dict[str, Any]]:
    """The events as the CLI prints them: texts as texts, and times, of which the recording has none."""
    dates = ISO_DATE.findall(json.dumps([case["definition"], case["input"]]))
    lost = {**LOST, "date": dates[0], '"date"': f'"{dates[0]}"'} if dates else LOST
    causes = {json.dumps(cause["cause"]): cause["cause_text"] for cause in _causes(case)}
    return [
        {**_texts(event, lost, causes), "timestamp": f"2023-11-14T22:{number // 60:02d}:{number % 60:02d}.250000+00:00"}
        for number, event in enumerate(case["expected"]["events"])
    ]


def _causes(case: Case) -> list[dict[str, Any]]:
    return [each["result"] for each in case["task_results"] if "cause_text" in each["result"]]


def _texts(event: dict[str, Any], lost: dict[str, Any], causes: dict[str, str]) -> dict[str, Any]:
    return {
        name: _details(_restored(value, lost), causes) if isinstance(value, dict) else value
        for name, value in event.items()
    }


def _restored(value: Any, lost: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _restored(member, lost) for name, member in value.items()}
    if isinstance(value, list):
        return [_restored(item, lost) for item in value]
    return lost.get(value, value) if isinstance(value, str) else value


def _details(details: dict[str, Any], causes: dict[str, str]) -> dict[str, Any]:
    printed = {}
    for name, value in details.items():
        if name in TEXTS and not isinstance(value, str):
            printed[name] = causes.get(json.dumps(value)) or sfnrun.Payload(value).text
        elif name == "assignedVariables":
            printed[name] = {
                key: each if isinstance(each, str) else sfnrun.Payload(each).text for key, each in value.items()
            }
        else:
            printed[name] = value
    return printed


def described(case: Case) -> dict[str, Any]:
    """What describe-execution would say."""
    return {"executionArn": case["execution_arn"], "stateMachineArn": case["state_machine_arn"]}


def with_a_task_more(graph: dict[str, Any], is_jsonata: bool = False) -> dict[str, Any]:
    """The definition with a Task before the first state of every graph, which passes on what it is given."""
    is_jsonata = graph.get("QueryLanguage") == "JSONata" or is_jsonata
    states = {name: _with_tasks_more(state, is_jsonata) for name, state in graph["States"].items()}
    new = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:new", "Next": graph["StartAt"]}
    new |= {"Output": "{% $states.input %}"} if is_jsonata else {"ResultPath": None}
    name = f"Before {graph['StartAt']}"
    return {**graph, "StartAt": name, "States": {name: new, **states}}


def _with_tasks_more(state: dict[str, Any], is_jsonata: bool) -> dict[str, Any]:
    inside = {
        name: with_a_task_more(state[name], is_jsonata) for name in ("ItemProcessor", "Iterator") if name in state
    }
    if "Branches" in state:
        inside["Branches"] = [with_a_task_more(branch, is_jsonata) for branch in state["Branches"]]
    return {**state, **inside}


def run_case(case: Case, folder: Path) -> Outcome:
    """Import, replay, export, replay with a new Task."""
    events = as_printed(case)
    stage = "import"
    try:
        path = import_execution(
            [{"events": events}, described(case)], case["definition"], folder, name=f"case-{id(case)}"
        )
        stage = "replay"
        sfnrun.replay(path)
        stage = "export"
        exported = aws_document(read(path))["events"]
        stage = "a new Task"
        sfnrun.replay(path, definition=with_a_task_more(case["definition"]), unrecorded="mock")
        stage = "export"
    except DivergenceError as error:
        return Outcome(case["id"], stage, f"{error.message} recorded {error.recorded}; now {error.now}")
    except SfnrunError as error:
        return Outcome(case["id"], stage, error.message)
    return Outcome(case["id"], "identical") if exported == events else Outcome(case["id"], stage, "another event")


def main() -> int:
    """Run all cases and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="show why a case fails")
    parser.add_argument("--only", default="", help="only cases with this in their id")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [run_case(case, Path(folder)) for case in cases() if has_order(case) and options.only in case["id"]]
    if options.verbose:
        for one in found:
            if one.stage != "identical":
                print(f"{one.stage}: {one.id}\n    {one.why[:600]}")
    counts = Counter(one.stage for one in found)
    print(
        f"histories: {counts['identical']}/{len(found)} imported, replayed (with a new Task, too), exported identically"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
