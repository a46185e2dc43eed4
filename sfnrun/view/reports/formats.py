"""Problems for programs: JSON, SARIF for code scanning, and annotations of GitHub Actions.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import msgspec

from sfnrun.errors import Problem, Span
from sfnrun.payload import dumps
from sfnrun.version import __version__
from sfnrun.view.reports.checked import Checked
from sfnrun.view.shapes import problem_json

__all__ = ["github", "json", "sarif"]


def json(files: Sequence[Checked]) -> str:
    """`{"files": [{"path", "problems": [{"rule", "code", "severity", "message", …}]}]}`, on one line."""
    return dumps({"files": [{"path": file.path, "problems": list(map(problem_json, file.problems))} for file in files]})


# --- SARIF 2.1.0, which code scanning of GitHub, GitLab and Azure reads ---

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def sarif(files: Sequence[Checked]) -> str:
    """A log of one run, indented."""
    results = [(file, problem) for file in files for problem in file.problems]
    indices: dict[str, int] = {}
    for _, problem in results:
        indices.setdefault(problem.rule, len(indices))
    describe = files[0].describe if files else lambda rule: None
    run = {
        "tool": {
            "driver": {
                "name": "sfnrun",
                "version": __version__,
                "informationUri": "https://github.com/sfnrun/sfnrun",
                "rules": [_sarif_rule(id, describe(id)) for id in indices],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(file, problem, indices[problem.rule]) for file, problem in results],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2).decode()


def _sarif_rule(id: str, described: tuple[str, str, str] | None) -> dict[str, Any]:
    if described is None:
        return {"id": id}
    title, text, severity = described
    plain = text.replace("`", "")
    return {
        "id": id,
        "shortDescription": {"text": title.replace("`", "")},
        "fullDescription": {"text": plain},
        "help": {"text": plain, "markdown": text},
        "defaultConfiguration": {"level": _LEVELS[severity]},
    }


def _result(file: Checked, problem: Problem, index: int) -> dict[str, Any]:
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return {
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": "error" if file.fails(problem) else _LEVELS[problem.severity],
        "message": {"text": text},
        "locations": [_location(file, problem)],
    }


def _location(file: Checked, problem: Problem) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(file.path)}}
    if problem.span:
        place["region"] = _region(problem.span)
    location: dict[str, Any] = {"physicalLocation": place}
    if problem.location:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.location}]
    return location


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _uri(path: str) -> str:
    """A path as given is relative to where the tool ran, which is how code scanning wants it."""
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix())


# --- workflow commands, which GitHub shows next to the lines of a pull request ---

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def github(files: Sequence[Checked]) -> str:
    """A line for each problem."""
    return "\n".join(_command(file, problem) for file in files for problem in file.problems)


def _command(file: Checked, problem: Problem) -> str:
    command = "error" if file.fails(problem) else _COMMANDS[problem.severity]
    properties = ",".join(f"{name}={value.translate(_IN_PROPERTIES)}" for name, value in _properties(file, problem))
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return f"::{command} {properties}::{text.translate(_IN_DATA)}"


def _properties(file: Checked, problem: Problem) -> Iterator[tuple[str, str]]:
    span = problem.span
    yield "file", file.path
    if span:
        yield "line", str(span.line)
        yield "endLine", str(span.end_line)
        # Columns are understood on one line only, and there the last one is inclusive.
        if span.end_line == span.line:
            yield "col", str(span.column)
            yield "endColumn", str(max(span.column, span.end_column - 1))
    yield "title", f"{problem.rule} {problem.code}".strip()
