"""What a rule is: a function with a stable ID that yields Findings, or a row if it only passes on what was found.

The decorator of a function says what it looks at, so that `sfnrun.asl.lint.rulebook` walks a definition once:

    on="source"       the text cannot be read; the reader reports it, the rule only documents it
    on="shape"        a violation of schema.json (sfnrun.asl.lint.shape.Violation)
    on="machine"      the whole definition (sfnrun.asl.lint.outline.Outline)
    on="expressions"  all expressions of the definition (sfnrun.asl.lint.expressions.Expressions)
    on="scope"        one `States` object: of the state machine, a branch or a processor (outline.Scope)
    on="state"        one state (outline.State), of the types given
    on="path"         one JSONPath expression (expressions.Found) of the kinds given: "template", "call", "template!" …
    on="jsonata"      one JSONata expression (expressions.Found) of the kinds given: "expression", "literal" …
    on="reading"      one expression that reads variables, of the languages given: "path", "jsonata"
    on="context"      one JSONPath expression that reads the context object
    on="accepted"     a form that other validators reject and AWS accepts; never reported

The documentation of a rule has four parts: what it checks for ("Checks for …", or "Not reported: …"), `Why is this
bad?`, `Example:` (wrong) and `How to fix:`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from sfnrun.errors import Fix, Severity

__all__ = ["RULES", "Finding", "Findings", "Row", "Rule", "enter_rows", "rule"]

Pointer = tuple[str | int, ...]
Target = Literal[
    "source",
    "shape",
    "machine",
    "expressions",
    "scope",
    "state",
    "path",
    "jsonata",
    "reading",
    "context",
    "accepted",
]

_CODE = "SCHEMA_VALIDATION_FAILED"


class Finding(Struct, frozen=True):
    """One thing that a rule found: where and what.

    `pointer` is the value under the caret, or its key if `key`; `offset` and `length` narrow it to characters of a
    string value. `location` is AWS's pointer if it is another one (AWS reports the object that misses a field, or has
    one too many). `severity` and `code` override those of the rule; `located` False is a problem without a location in
    AWS. `fix` is the change that fixes it, if that is safe.
    """

    pointer: Pointer
    message: str
    hint: str = ""
    key: bool = False
    offset: int | None = None
    length: int | None = None
    location: Pointer | None = None
    located: bool = True
    severity: Severity | None = None
    code: str | None = None
    fix: Fix | None = None


Findings = Iterator[Finding]
Check = Callable[[Any], Findings]


class Rule(Struct, frozen=True):
    """A rule: its ID, AWS's code, its severity, what it looks at, its function, its section and its documentation."""

    id: str
    code: str
    severity: Severity
    on: Target
    types: tuple[str, ...]
    default: bool
    check: Check
    section: str
    text: str

    @property
    def title(self) -> str:
        """The first sentence of the documentation."""
        return " ".join(self.documentation.partition("\n\n")[0].split()).rstrip(".")

    @property
    def documentation(self) -> str:
        """What the rule checks for, why that is bad, an example and how to fix it, in Markdown."""
        return inspect.cleandoc(self.text)


class Row(NamedTuple):
    """A rule without a function: a violation of the shape with a constant hint, or nothing to report."""

    id: str
    text: str
    hint: str = ""
    on: Literal["shape", "source", "accepted"] = "shape"
    code: str = _CODE
    severity: Severity = "error"


RULES: dict[str, Rule] = {}


def rule(
    id: str,
    *,
    on: Target,
    code: str = _CODE,
    severity: Severity = "error",
    types: tuple[str, ...] = (),
    default: bool = True,
) -> Callable[[Check], Check]:
    """Enter a function into RULES. `default` False: only if it is selected by name. No `types`: every state."""

    def enter(check: Check) -> Check:
        _enter(Rule(id, code, severity, on, types, default, check, _section(check.__module__), check.__doc__ or ""))
        return check

    return enter


def enter_rows(module: str, rows: Iterable[Row]) -> None:
    """Enter the rows of a section into RULES."""
    for row in rows:
        check = _passes_on(row.hint) if row.on == "shape" else _finds_nothing
        _enter(Rule(row.id, row.code, row.severity, row.on, (), True, check, _section(module), row.text))


def _enter(entered: Rule) -> None:
    if entered.id in RULES:
        raise ValueError(f"duplicate rule {entered.id}")
    RULES[entered.id] = entered


def _section(module: str) -> str:
    return module.rpartition(".")[2]


def _passes_on(hint: str) -> Check:
    def check(violation: Any) -> Findings:
        yield violation.found(hint)

    return check


def _finds_nothing(target: Any) -> Findings:
    yield from ()
