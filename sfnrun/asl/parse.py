"""From a definition's JSON value to a Machine: every expression is compiled here, and the interpreter sees no text.

What is parsed has been checked (`asl.rules.check`), so its shape is known to be right; only expressions can still
fail, and those are reported all at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sfnrun.asl.model import (
    Catcher,
    Choice,
    ChoiceRule,
    Fail,
    Field,
    Machine,
    Map,
    Parallel,
    Pass,
    Pointer,
    QueryLanguage,
    Retrier,
    State,
    StateMachine,
    Succeed,
    Task,
    Wait,
)
from sfnrun.asl.resource import resource_or_function
from sfnrun.asl.text.source import Source, location_text
from sfnrun.digest import sha256_hex
from sfnrun.errors import DefinitionError, ExpressionError, Problem
from sfnrun.expr.choice import compile_rule
from sfnrun.expr.intrinsics import compile_intrinsic, is_intrinsic
from sfnrun.expr.jsonpath import compile_path, compile_reference_path
from sfnrun.expr.scope import Expression
from sfnrun.expr.template import jsonata_inside, jsonata_template, jsonpath_template
from sfnrun.payload import dumps, room_to_nest

if TYPE_CHECKING:
    from sfnrun.expr.jsonata import Jsonata

__all__ = ["parse"]

Node = Mapping[str, Any]
T = TypeVar("T")

# What of `$states` an expression may read: before the state's work, after it, and in a Catcher.
BEFORE = frozenset({"input", "context"})
AFTER = BEFORE | {"result"}
# There is no result where an error was caught, but AWS's own tools take expressions that read it (SFN-Q08 warns).
CAUGHT = AFTER | {"errorOutput"}
WORKING = frozenset({"Task", "Parallel", "Map"})


def parse(source: Source) -> Machine:
    """The Machine of a definition without errors. Raises DefinitionError for expressions that do not compile."""
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
    """Walks a definition; `problems` collects what does not compile."""

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
    """One state; `language` is its own query language."""

    def __init__(self, parser: _Parser, name: str, node: Node, at: Pointer) -> None:
        self.parser = parser
        self.name = name
        self.node = node
        self.at = at
        self.language: QueryLanguage = node.get("QueryLanguage", parser.language)

    def parse(self) -> State:
        kind = self.node["Type"]
        return STATES[kind](**self.common(), **OWN_FIELDS[kind](self))

    def common(self) -> dict[str, Any]:
        node = self.node
        is_map = node["Type"] == "Map"
        fields = {
            "name": self.name,
            "pointer": self.at,
            "query_language": self.language,
            "comment": node.get("Comment", ""),
            "next": node.get("Next"),
            "assign": self.template("Assign", sees=AFTER if node["Type"] in WORKING else BEFORE),
            "retry": tuple(_retrier(entry) for entry in node.get("Retry", ())),
            "catch": tuple(self.catcher(entry, index) for index, entry in enumerate(node.get("Catch", ()))),
        }
        if self.language == "JSONata":
            sees = AFTER if node["Type"] in WORKING else BEFORE
            return fields | {"arguments": self.template("Arguments"), "output": self.template("Output", sees=sees)}
        return fields | {
            "input_path": self.path("InputPath"),
            "parameters": None if is_map else self.template("Parameters"),
            "result_selector": self.template("ResultSelector"),
            "result_path": self.reference_path(node, "ResultPath", self.at),
            "output_path": self.path("OutputPath"),
            "discards": frozenset(
                name for name in ("InputPath", "ResultPath", "OutputPath") if name in node and node[name] is None
            ),
        }

    # --- expressions ---

    def compiled(self, at: Pointer, compile: Callable[[], T]) -> T | None:
        try:
            return compile()
        except ExpressionError as error:
            self.parser.report(at, error)
            return None

    def path(self, field: str) -> Expression | None:
        text = self.node.get(field)
        return None if text is None else self.compiled((*self.at, field), lambda: compile_path(text))

    def path_or_intrinsic(self, field: str) -> Expression | None:
        text = self.node[field]
        compile: Callable[[str], Expression] = compile_intrinsic if is_intrinsic(text) else compile_path
        return self.compiled((*self.at, field), lambda: compile(text))

    def reference_path(self, node: Node, field: str, at: Pointer) -> Expression | None:
        text = node.get(field)
        if text is None or text == "$":
            return None
        return self.compiled((*at, field), lambda: compile_reference_path(text))

    def template(
        self, field: str, node: Node | None = None, at: Pointer | None = None, sees: frozenset[str] = BEFORE
    ) -> Any:
        """The template of a field of the state, or of a rule or catcher in it; None where it is not given.

        `sees` are the members of `$states` that JSONata may read there.
        """
        node = self.node if node is None else node
        if field not in node:
            return None
        at = self.at if at is None else at
        where = (*at, field)
        label = location_text(where[len(self.at) :])[1:]  # "Output", "Catch[0]/Output"

        def on_error(inside: Pointer, error: ExpressionError) -> None:
            self.parser.report((*where, *inside), error)

        if self.language == "JSONPath":
            return jsonpath_template(node[field], on_error)
        return jsonata_template(node[field], label, on_error, lambda text, path: _jsonata(text, path, sees))

    def field(self, name: str) -> Field | None:
        """A field that may be literal, `{% %}`, or given by its Path."""
        node = self.node
        if f"{name}Path" in node:
            return Field(f"{name}Path", expression=self.path_or_intrinsic(f"{name}Path"))
        if name not in node:
            return None
        value = node[name]
        if self.language == "JSONPath" or isinstance(value, int | float):
            return Field(name, literal=value)
        if isinstance(value, str) and jsonata_inside(value) is not None:
            return Field(name, expression=self.compiled((*self.at, name), lambda: _jsonata(value, name, BEFORE)))
        template = self.template(name)  # an array or object with expressions in it, as Items may be
        return Field(name, literal=value) if template.constant else Field(name, expression=template)

    # --- parts of states ---

    def catcher(self, node: Node, index: int) -> Catcher:
        at = (*self.at, "Catch", index)
        return Catcher(
            error_equals=tuple(node["ErrorEquals"]),
            next=node["Next"],
            result_path=self.reference_path(node, "ResultPath", at),
            discards_error="ResultPath" in node and node["ResultPath"] is None,
            assign=self.template("Assign", node, at, CAUGHT),
            output=self.template("Output", node, at, CAUGHT) if self.language == "JSONata" else None,
        )

    def rule(self, node: Node, index: int) -> ChoiceRule:
        at = (*self.at, "Choices", index)
        jsonata = self.language == "JSONata"
        matches, reads, text = self.condition(node, at) if jsonata else self.comparison(node, at)
        return ChoiceRule(
            matches=matches,
            next=node["Next"],
            assign=self.template("Assign", node, at),
            output=self.template("Output", node, at) if jsonata else None,
            text=text,
            reads=reads,
        )

    def comparison(self, node: Node, at: Pointer) -> tuple[Any, frozenset[str], str]:
        def on_error(inside: Pointer, error: ExpressionError) -> None:
            self.parser.report((*at, *inside), error)

        rule = compile_rule(node, on_error)
        return rule.matches, rule.reads, ""

    def condition(self, node: Node, at: Pointer) -> tuple[Any, frozenset[str], str]:
        literal = node["Condition"]
        if isinstance(literal, bool):
            return lambda document, scope: literal, frozenset(), dumps(literal)
        condition = self.compiled((*at, "Condition"), lambda: _jsonata(literal, f"Choices[{at[-1]}]/Condition", BEFORE))
        if condition is None:
            return lambda document, scope: False, frozenset(), literal
        evaluate, expect = condition.evaluate, condition.expect
        return lambda document, scope: expect(evaluate(document, scope), "boolean"), condition.reads, literal


def _jsonata(text: str, field: str, sees: frozenset[str]) -> Jsonata:
    from sfnrun.expr.jsonata import compile_jsonata  # a JSONPath machine never needs it

    return compile_jsonata(text, field, allowed=sees)


def _retrier(node: Node) -> Retrier:
    return Retrier(
        error_equals=tuple(node["ErrorEquals"]),
        interval_seconds=node.get("IntervalSeconds", 1),
        max_attempts=node.get("MaxAttempts", 3),
        backoff_rate=node.get("BackoffRate", 2.0),
        max_delay_seconds=node.get("MaxDelaySeconds"),
        full_jitter=node.get("JitterStrategy") == "FULL",
    )


def _pass_fields(state: _StateParser) -> dict[str, Any]:
    return {"result": state.node.get("Result"), "has_result": "Result" in state.node}


def _task_fields(state: _StateParser) -> dict[str, Any]:
    return {
        "resource": resource_or_function(state.node["Resource"]),
        "timeout_seconds": state.field("TimeoutSeconds"),
        "heartbeat_seconds": state.field("HeartbeatSeconds"),
        "credentials": state.template("Credentials"),
    }


def _choice_fields(state: _StateParser) -> dict[str, Any]:
    choices = tuple(state.rule(node, index) for index, node in enumerate(state.node["Choices"]))
    return {"choices": choices, "default": state.node.get("Default")}


def _wait_fields(state: _StateParser) -> dict[str, Any]:
    return {"seconds": state.field("Seconds"), "timestamp": state.field("Timestamp")}


def _fail_fields(state: _StateParser) -> dict[str, Any]:
    return {"error": state.field("Error"), "cause": state.field("Cause")}


def _parallel_fields(state: _StateParser) -> dict[str, Any]:
    branches = enumerate(state.node["Branches"])
    return {"branches": tuple(state.parser.graph(branch, (*state.at, "Branches", index)) for index, branch in branches)}


def _map_fields(state: _StateParser) -> dict[str, Any]:
    node = state.node
    processor = "ItemProcessor" if "ItemProcessor" in node else "Iterator"
    selector = "ItemSelector" if "ItemSelector" in node else "Parameters"
    mode = node[processor].get("ProcessorConfig", {}).get("Mode", "INLINE")
    return {
        "processor": state.parser.graph(node[processor], (*state.at, processor)),
        "items": state.field("Items"),
        "item_selector": state.template(selector),
        "max_concurrency": state.field("MaxConcurrency"),
        "distributed": mode == "DISTRIBUTED",
        "label": node.get("Label"),
        "tolerated_failure_count": state.field("ToleratedFailureCount"),
        "tolerated_failure_percentage": state.field("ToleratedFailurePercentage"),
    }


STATES: dict[str, type[State]] = {
    "Pass": Pass,
    "Task": Task,
    "Choice": Choice,
    "Wait": Wait,
    "Succeed": Succeed,
    "Fail": Fail,
    "Parallel": Parallel,
    "Map": Map,
}

OWN_FIELDS: dict[str, Callable[[_StateParser], dict[str, Any]]] = {
    "Pass": _pass_fields,
    "Task": _task_fields,
    "Choice": _choice_fields,
    "Wait": _wait_fields,
    "Succeed": lambda state: {},
    "Fail": _fail_fields,
    "Parallel": _parallel_fields,
    "Map": _map_fields,
}
