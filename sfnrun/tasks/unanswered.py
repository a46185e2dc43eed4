"""Tasks that nothing answers are told all at once, each with the lines of sfnrun.yaml that would answer it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from sfnrun.asl.model import Pointer
from sfnrun.config.names import function_name
from sfnrun.effects import Resource
from sfnrun.errors import UnansweredTaskError
from sfnrun.payload import Json, dumps

__all__ = ["Unanswered", "complaint"]


class Unanswered(Struct, frozen=True):
    """A Task that nothing answers.

    `pointer` leads to its state, `function` is the function that it invokes, if any, and `functions` the folder where
    that would have been found. `answered` are the names under `tasks:`, of which one may be misspelt.
    """

    state: str
    pointer: Pointer
    resource: Resource
    function: str | None
    functions: Path
    answered: tuple[str, ...] = ()

    @property
    def meant(self) -> str:
        """The name under `tasks:` that is almost this state's or function's; "" if there is none."""
        import difflib

        names = [self.state] if self.function is None else [self.state, function_name(self.function)]
        close = (difflib.get_close_matches(name, self.answered, 1, cutoff=0.8) for name in names)
        return next((found[0] for found in close if found), "")

    @property
    def asks(self) -> str:
        """What it asks for, in a few words: "the function charge-card", "sns:publish"."""
        resource = self.resource
        if self.function is not None:
            return f"the function {function_name(self.function)}"
        if resource.kind == "activity":
            return f"the activity {resource.name}"
        return f"{resource.service}:{resource.label}" if resource.service else resource.arn

    @property
    def yaml(self) -> str:
        """The lines that would answer it, to be pasted under `tasks:` in sfnrun.yaml."""
        return f"  {_yaml_key(self.state)}:\n    result: {_yaml_value(_plausible(self.resource))}"

    @property
    def file(self) -> str | None:
        """The file that would answer it, if it invokes a function."""
        if self.function is None:
            return None
        name = _file_name(function_name(self.function))
        path = self.functions / f"{name}.py"
        relative = os.path.relpath(path) if path.is_absolute() else str(path)
        return str(path) if relative.startswith(os.pardir) else relative


def complaint(tasks: Sequence[Unanswered], where: Callable[[Pointer], str] | None = None) -> UnansweredTaskError:
    """The error that lists the tasks; `where` gives "order.asl.yaml:12:5" for a pointer."""
    count = "A Task has" if len(tasks) == 1 else f"{len(tasks)} Tasks have"
    lines = [f"{count} nobody to answer:"]
    for task in tasks:
        place = f" ({where(task.pointer)})" if where else ""
        meant = f"; sfnrun.yaml answers '{task.meant}': is it that?" if task.meant else ""
        lines.append(f"  {task.state}{place} asks for {task.asks}{meant}")
    return UnansweredTaskError("\n".join(lines), _help(tasks))


def _help(tasks: Sequence[Unanswered]) -> str:
    files = list(dict.fromkeys(task.file for task in tasks if task.file))
    parts = []
    if files:
        parts.append(f"Write def handler(event, context) in {', '.join(files)}; or")
    yaml = "\n".join(dict.fromkeys(task.yaml for task in tasks))
    whose = "it answers" if len(tasks) == 1 else "they answer"
    parts.append(f"{'say' if files else 'Say'} in sfnrun.yaml what {whose}:\n\ntasks:\n{yaml}\n")
    return " ".join(parts)


def _file_name(function: str) -> str:
    """${ChargeCardFunctionArn} -> charge_card, charge-card -> charge_card."""
    inside = re.search(r"\$\{(?!AWS::)([^{}]+)\}$", function)
    text = inside[1] if inside else re.sub(r"\$\{[^{}]*\}", "", function)
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)
    while inside and len(words) > 1 and words[-1].lower() in ("arn", "function", "lambda", "name"):
        words.pop()
    return "_".join(word.lower() for word in words) or "function"


def _yaml_key(text: str) -> str:
    """A state's name as a YAML key: quoted where YAML would read something else."""
    plain = re.fullmatch(r"[A-Za-z_][\w -]*[\w]|[A-Za-z_]", text) is not None
    return text if plain and text.lower() not in _YAML_WORDS else dumps(text)


_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def _yaml_value(value: Json) -> str:
    """A value in YAML's flow style, which is JSON with fewer quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_yaml_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml_value, value)) + "]"
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]*", value) else dumps(value)


def _plausible(resource: Resource) -> Json:
    """A result such as the service gives, to begin with."""
    if resource.kind == "lambda":
        return {"ok": True}
    service = resource.service.removeprefix("aws-sdk:").lower()
    action = resource.action.lower()
    if resource.pattern == "waitForTaskToken":
        return {"approved": True}
    if (service, action) in _RESULTS:
        return _RESULTS[service, action]
    return _JOBS.get(service, {}) if resource.pattern.startswith("sync") else {}


_ID = "11111111-2222-3333-4444-555555555555"
_RESULTS: dict[tuple[str, str], Json] = {
    ("apigateway", "invoke"): {"ResponseBody": {}, "StatusCode": 200},
    ("athena", "getqueryresults"): {"ResultSet": {"Rows": []}},
    ("athena", "startqueryexecution"): {"QueryExecutionId": _ID},
    ("bedrock", "invokemodel"): {"Body": {}, "ContentType": "application/json"},
    ("dynamodb", "getitem"): {"Item": {"id": {"S": "1"}}},
    ("dynamodb", "query"): {"Count": 0, "Items": [], "ScannedCount": 0},
    ("dynamodb", "scan"): {"Count": 0, "Items": [], "ScannedCount": 0},
    ("events", "putevents"): {"Entries": [{"EventId": _ID}], "FailedEntryCount": 0},
    ("eventbridge", "putevents"): {"Entries": [{"EventId": _ID}], "FailedEntryCount": 0},
    ("http", "invoke"): {"ResponseBody": {}, "StatusCode": 200, "StatusText": "OK"},
    ("lambda", "invoke"): {"Payload": {"ok": True}, "StatusCode": 200},
    ("s3", "getobject"): {"Body": "", "ContentLength": 0},
    ("s3", "listobjectsv2"): {"Contents": [], "KeyCount": 0},
    ("sfn", "startexecution"): {"ExecutionArn": f"arn:aws:states:us-east-1:123456789012:execution:Name:{_ID}"},
    ("sns", "publish"): {"MessageId": _ID},
    ("sqs", "sendmessage"): {"MD5OfMessageBody": "d41d8cd98f00b204e9800998ecf8427e", "MessageId": _ID},
    ("states", "startexecution"): {"Output": {}, "Status": "SUCCEEDED"},
}
_JOBS: dict[str, Json] = {
    "athena": {"QueryExecution": {"QueryExecutionId": _ID, "Status": {"State": "SUCCEEDED"}}},
    "batch": {"JobId": _ID, "Status": "SUCCEEDED"},
    "codebuild": {"Build": {"BuildStatus": "SUCCEEDED"}},
    "ecs": {"Containers": [{"ExitCode": 0}], "LastStatus": "STOPPED"},
    "glue": {"Id": _ID, "JobRunState": "SUCCEEDED"},
}
