"""Parse the JSON value of a definition into a Machine, and compile every expression.

The definition has passed the rules (`asl.lint`), so its shape is right. Only expressions can fail; all errors are
reported together. `asl.field_table` says which fields are compiled in which way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sfnrun.asl.field_table import BEFORE, FieldRow, fields_of
from sfnrun.asl.model import (
    STATE_TYPES,
    Catcher,
    ChoiceRule,
    Field,
    Machine,
    Pointer,
    QueryLanguage,
    Retrier,
    State,
    StateMachine,
)
from sfnrun.asl.resource import resource_or_function
from sfnrun.asl.text.source import Source, location_text
from sfnrun.digest import sha256_hex
from sfnrun.errors import DefinitionError, ExpressionError, Problem
from sfnrun.expr.scope import Expression
from sfnrun.payload import Json, dumps, room_to_nest

if TYPE_CHECKING:
    from sfnrun.expr.jsonata import Jsonata

__all__ = ["parse"]

Node = Mapping[str, Any]
T = TypeVar("T")


def parse(source: Source) -> Machine:
    """Return the Machine of a definition. Raises DefinitionError for expressions that do not compile."""
    parser = _Parser(source)
    node = source.value
    language: QueryLanguage = node.get("QueryLanguage", "JSONPath")
    parser.language = language
    with room_to_nest():
        graph = parser.graph(node, ())
    machine = Machine(
        graph=graph,
        query_language=language,
        timeout_seconds=node.get("TimeoutSeconds"),
        comment=node.get("Comment", ""),
        name=_name_of(source),
        text=source.definition or dumps(node),
        sha256=sha256_hex(source.definition or dumps(node)),
        file=source.name,
        substitutions=source.substitutions.given,
    )
    if parser.problems:
        raise DefinitionError(
            sorted(parser.problems, key=lambda one: (one.span.line, one.span.column) if one.span else ())
        )
    return machine


def _name_of(source: Source) -> str:
    """Return the name of a machine in its template, else the one of its file: "order" for `order.asl.yaml`."""
    if source.within:
        return str(source.within[source.within.index("Properties") - 1 if "Properties" in source.within else 2])
    name = re.split(r"[/\\]", source.name)[-1].split(".")[0]
    return name if name and not name.startswith(("-", "<")) else "StateMachine"


class _Parser:
    """Walks a definition; `problems` collects the expressions that do not compile."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.language: QueryLanguage = "JSONPath"
        self.problems: list[Problem] = []

    def graph(self, node: Node, at: Pointer) -> StateMachine:
        states = {name: self.state(name, state, (*at, "States", name)) for name, state in node["States"].items()}
        return StateMachine(start_at=node["StartAt"], states=states, pointer=at, comment=node.get("Comment", ""))

    def state(self, name: str, node: Node, at: Pointer) -> State:
        return _StateParser(self, name, node, at).parse()

    def report(self, at: Pointer, error: ExpressionError) -> None:
        self.problems.append(
            self.source.problem(
                "SFN-X00", error.message, at, offset=error.offset, length=error.length, hint=error.hint, code=error.code
            )
        )


class _StateParser:
    """Parses one state; `language` is its own query language."""

    def __init__(self, parser: _Parser, name: str, node: Node, at: Pointer) -> None:
        self.parser = parser
        self.name = name
        self.node = node
        self.at = at
        self.language: QueryLanguage = node.get("QueryLanguage", parser.language)

    def parse(self) -> State:
        node, type_ = self.node, self.node["Type"]
        discards = frozenset(name for name in ("InputPath", "ResultPath", "OutputPath") if node.get(name, "") is None)
        return STATE_TYPES[type_](
            name=self.name,
            pointer=self.at,
            query_language=self.language,
            comment=node.get("Comment", ""),
            next=node.get("Next"),
            discards=discards,
            retry=tuple(_retrier(entry) for entry in node.get("Retry", ())),
            catch=tuple(self.catcher(entry, index) for index, entry in enumerate(node.get("Catch", ()))),
            **self.fields(node, ()),
            **OWN_FIELDS[type_](self),
        )

    def fields(self, node: Node, at: Pointer, part: str = "") -> dict[str, Any]:
        """Return the attributes of the fields in the table: of the state, or of a catcher or rule `at` steps in it."""
        found: dict[str, Any] = {}
        for row in fields_of(self.node["Type"], self.language, part):
            if row.attribute and row.name in node:
                found[row.attribute] = self.field(row, node[row.name], (*at, row.name))
        return found

    def field(self, row: FieldRow, value: Json, at: Pointer) -> Any:
        """Return the value of an attribute: an Expression, a Field, or a constant."""
        if row.kind == "constant":
            return value
        if row.kind == "value":
            return self.value(row, value, at)
        if row.kind == "value path":
            compile: Callable[[str], Expression] = _intrinsic if _is_intrinsic(value) else _path
            return Field(row.name, expression=self.compiled(at, lambda: compile(value)))
        if row.kind == "template":
            return self.template(value, at, row.reads)
        if value is None or (row.kind == "target" and value == "$"):
            return None
        compile = _path if row.kind == "path" else _target
        return self.compiled(at, lambda: compile(value))

    def value(self, row: FieldRow, value: Json, at: Pointer) -> Field:
        """Return a field that is a literal or, in JSONata, maybe an expression."""
        if self.language == "JSONPath" or isinstance(value, int | float):
            return Field(row.name, literal=value)
        if isinstance(value, str) and _is_jsonata(value):
            return Field(row.name, expression=self.compiled(at, lambda: _jsonata(value, row.name, row.reads)))
        template = self.template(value, at, row.reads)  # an array or object with expressions, such as Items
        return Field(row.name, literal=value) if template.constant else Field(row.name, expression=template)

    def compiled(self, at: Pointer, compile: Callable[[], T]) -> T | None:
        try:
            return compile()
        except ExpressionError as error:
            self.parser.report((*self.at, *at), error)
            return None

    def template(self, value: Json, at: Pointer, reads: frozenset[str]) -> Any:
        from sfnrun.expr.template import jsonata_template, jsonpath_template  # many states have no template

        def on_error(inside: Pointer, error: ExpressionError) -> None:
            self.parser.report((*self.at, *at, *inside), error)

        if self.language == "JSONPath":
            return jsonpath_template(value, on_error)
        label = location_text(at)[1:]  # "Output", "Catch[0]/Output"
        return jsonata_template(value, label, on_error, lambda text, path: _jsonata(text, path, reads))

    # --- parts of states ---

    def catcher(self, node: Node, index: int) -> Catcher:
        return Catcher(
            error_equals=tuple(node["ErrorEquals"]),
            next=node["Next"],
            discards_error=node.get("ResultPath", "") is None,
            **self.fields(node, ("Catch", index), "Catch"),
        )

    def rule(self, node: Node, index: int) -> ChoiceRule:
        at = ("Choices", index)
        is_jsonata = self.language == "JSONata"
        matches, reads, text = self.condition(node, at) if is_jsonata else self.comparison(node, at)
        fields = self.fields(node, at, "Choices")
        return ChoiceRule(matches=matches, next=node["Next"], text=text, reads=reads, **fields)

    def comparison(self, node: Node, at: Pointer) -> tuple[Any, frozenset[str], str]:
        from sfnrun.expr.choice import compile_rule  # most machines have few Choice states

        def on_error(inside: Pointer, error: ExpressionError) -> None:
            self.parser.report((*self.at, *at, *inside), error)

        rule = compile_rule(node, on_error)
        return rule.matches, rule.reads, ""

    def condition(self, node: Node, at: Pointer) -> tuple[Any, frozenset[str], str]:
        literal = node["Condition"]
        if isinstance(literal, bool):
            return lambda document, scope: literal, frozenset(), dumps(literal)
        at = (*at, "Condition")
        condition = self.compiled(at, lambda: _jsonata(literal, location_text(at)[1:], BEFORE))
        if condition is None:
            return lambda document, scope: False, frozenset(), literal
        evaluate, expect = condition.evaluate, condition.expect
        return lambda document, scope: expect(evaluate(document, scope), "boolean"), condition.reads, literal


# The compilers are imported when a definition needs them: start-up time.


def _path(text: str) -> Expression:
    from sfnrun.expr.jsonpath import compile_path

    return compile_path(text)


def _target(text: str) -> Expression:
    from sfnrun.expr.jsonpath import compile_reference_path

    return compile_reference_path(text)


def _intrinsic(text: str) -> Expression:
    from sfnrun.expr.intrinsics import compile_intrinsic

    return compile_intrinsic(text)


def _is_intrinsic(text: str) -> bool:
    return text.lstrip().startswith("States.")


def _is_jsonata(text: str) -> bool:
    return len(text) >= 4 and text.startswith("{%") and text.endswith("%}")


def _jsonata(text: str, field: str, reads: frozenset[str]) -> Jsonata:
    from sfnrun.expr.jsonata import compile_jsonata

    return compile_jsonata(text, field, allowed=reads)


def _retrier(node: Node) -> Retrier:
    return Retrier(
        error_equals=tuple(node["ErrorEquals"]),
        interval_seconds=node.get("IntervalSeconds", 1),
        max_attempts=node.get("MaxAttempts", 3),
        backoff_rate=node.get("BackoffRate", 2.0),
        max_delay_seconds=node.get("MaxDelaySeconds"),
        full_jitter=node.get("JitterStrategy") == "FULL",
    )


def _choice(state: _StateParser) -> dict[str, Any]:
    choices = tuple(state.rule(node, index) for index, node in enumerate(state.node["Choices"]))
    return {"choices": choices, "default": state.node.get("Default")}


def _parallel(state: _StateParser) -> dict[str, Any]:
    branches = enumerate(state.node["Branches"])
    return {"branches": tuple(state.parser.graph(branch, (*state.at, "Branches", index)) for index, branch in branches)}


def _map(state: _StateParser) -> dict[str, Any]:
    node = state.node
    processor = "ItemProcessor" if "ItemProcessor" in node else "Iterator"
    mode = node[processor].get("ProcessorConfig", {}).get("Mode", "INLINE")
    return {
        "processor": state.parser.graph(node[processor], (*state.at, processor)),
        "distributed": mode == "DISTRIBUTED",
        "label": node.get("Label"),
    }


def _nothing(state: _StateParser) -> dict[str, Any]:
    return {}


# The attributes of each state type that the field table does not have: states inside it, and its own structure.
OWN_FIELDS: dict[str, Callable[[_StateParser], dict[str, Any]]] = {
    "Choice": _choice,
    "Fail": _nothing,
    "Map": _map,
    "Parallel": _parallel,
    "Pass": lambda state: {"is_constant": "Result" in state.node},
    "Succeed": _nothing,
    "Task": lambda state: {"resource": resource_or_function(state.node["Resource"])},
    "Wait": _nothing,
}
