"""Events of AWS written as lines, see imports.yaml."""

import json
import re
from typing import Any

from sfnrun.record import details_key

LINE = re.compile(r"(\d+)<(\d+) (\w+)(?:\[([^\]#]+)(?:#(\d+))?\])?$")
START = 1_700_000_000.25
PAYLOADS = ("input", "output", "parameters")
NUMBERS = ("length", "redriveCount", "timeoutInSeconds", "heartbeatInSeconds")


def events_of(lines: list[str]) -> list[dict[str, Any]]:
    """The events as the AWS CLI prints them, but with times in seconds since 1970, as its version 1 has them."""
    events: list[dict[str, Any]] = []
    for line in lines:
        head, *members = line.split(" | ")
        at = START if not events else events[-1]["timestamp"] + 1
        if members and members[-1].startswith("@"):
            at = START + float(members.pop()[1:])
        events.append(event_of(head, members, at))
    return events


def event_of(head: str, members: list[str], at: float) -> dict[str, Any]:
    id, previous, type, name, index = LINE.match(head).groups()
    details: dict[str, Any] = {} if name is None else {"name": name}
    if index is not None:
        details["index"] = int(index)
    for member in members:
        key, _, text = member.partition(" ")
        if key == "assignedVariables":
            details |= {key: json.loads(text), "assignedVariablesDetails": {"truncated": False}}
        else:
            details[key] = int(text) if key in NUMBERS else text
        if key in PAYLOADS and key != "parameters":
            details[f"{key}Details"] = {"truncated": False}
    event = {"timestamp": at, "type": type, "id": int(id), "previousEventId": int(previous)}
    key = details_key(type)
    return event if key is None else {**event, key: details}
