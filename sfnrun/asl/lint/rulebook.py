"""Run the rules: `check` returns every problem of a definition in one run, in line order.

A section of rules is imported when a definition has one of its words, so that a small definition is checked without
most of them: start-up time. `all_rules` imports all sections.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from msgspec.structs import replace

from sfnrun.asl.lint import shape
from sfnrun.asl.lint.expressions import Expressions
from sfnrun.asl.lint.outline import Outline
from sfnrun.asl.lint.rule import RULES, Finding, Rule
from sfnrun.asl.text.source import Source, location_text
from sfnrun.errors import Problem, UsageError
from sfnrun.payload import dumps

__all__ = ["SECTIONS", "all_rules", "check", "rules_named"]

# Section -> words of which a valid definition has one if a rule of the section can find anything in it. The workflow
# type is one of the words.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "document": ("",),
    "states": ("",),
    "transitions": ("",),
    "names": ("",),
    "retry_catch": ('"ErrorEquals"',),
    "choice_fields": (),
    "choice": ('"Choice"',),
    "wait": ('"Wait"',),
    "task_resource": ('"Task"',),
    "task": ('"Task"', "${"),
    "pass_fail": ('"$', '"States.', '"Fail"'),
    "map": ('"Map"',),
    "map_distributed": ('"Map"',),
    "parallel": (),
    "paths": ('.$"', 'Path"', '"$', '"States.'),
    "known_values": ('Path"', '.$"', '"Variable"'),
    "intrinsics": ("States.",),
    "context_object": ("$$",),
    "variables": ('"Assign"', "$"),
    "jsonata": ("{%", '"JSONata"'),
    "express": ('"EXPRESS"',),
}


def all_rules() -> Mapping[str, Rule]:
    """Return every rule by ID."""
    for section in SECTIONS:
        _import(section)
    return RULES


@cache
def _import(section: str) -> None:
    import_module(f"sfnrun.asl.lint.rules.{section}")


def check(
    source: Source,
    *,
    workflow_type: str = "STANDARD",
    select: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Problem]:
    """Return the problems of a definition, in line order.

    `select` are the rules to check instead of the default ones, `ignore` those to leave out: IDs ("SFN-G02") or
    sections ("SFN-G"), with or without the prefix. `workflow_type` is STANDARD or EXPRESS. Raises UsageError for an
    unknown rule.
    """
    outline = Outline.of(source.value, workflow_type, source)
    violations = shape.violations(outline.value)
    if violations or select or ignore:
        sections = tuple(SECTIONS)
    else:
        text = f'{dumps(outline.value)}"{workflow_type}"'
        sections = tuple(name for name, words in SECTIONS.items() if any(word in text for word in words))
    for section in sections:
        _import(section)
    chosen = _chosen(tuple(sorted(select)), tuple(sorted(ignore)), sections)
    problems = [_problem(source, rule, finding) for rule, finding in _findings(outline, violations, chosen)]
    return sorted(dict.fromkeys(problems), key=_position)


Chosen = dict[str, dict[str, list[Rule]]]


@cache
def _chosen(select: tuple[str, ...], ignore: tuple[str, ...], sections: tuple[str, ...]) -> Chosen:
    """Return the rules to run by what they look at, and for states by type."""
    wanted = rules_named(select) if select else {id for id, rule in RULES.items() if rule.default}
    chosen: Chosen = defaultdict(lambda: defaultdict(list))
    for id in sorted(wanted - rules_named(ignore)):
        rule = RULES[id]
        if rule.section in sections:
            for type_ in rule.types or ("",):
                chosen[rule.on][type_].append(rule)
    return chosen


def rules_named(names: Collection[str]) -> set[str]:
    """Return the IDs of the rules that IDs or sections name. Raises UsageError for an unknown one."""
    rules = all_rules() if names else {}
    found: set[str] = set()
    for name in names:
        id = "SFN-" + name.upper().removeprefix("SFN").lstrip("-")
        meant = {id} & rules.keys() or {known for known in rules if known.rstrip("0123456789") == id}
        if not meant:
            close = shape.close_to(id, rules)
            hint = f"did you mean {close}?" if close else "run `sfnrun validate --explain all` to list all rules"
            raise UsageError(f"unknown rule {name}", hint)
        found |= meant
    return found


def _findings(outline: Outline, violations: list[shape.Violation], chosen: Chosen) -> list[tuple[Rule, Finding]]:
    found: list[tuple[Rule, Finding]] = []

    def look(rules: list[Rule], target: Any) -> None:
        for rule in rules:
            for finding in rule.check(target):
                found.append((rule, finding))

    for violation in violations:
        found += _broken(RULES[violation.rule], violation, chosen)
    look(chosen["machine"][""], outline)
    for scope in outline.scopes:
        look(chosen["scope"][""], scope)
    for_all, for_type = chosen["state"][""], chosen["state"]
    for state in outline.states:
        look(for_all, state)
        look(for_type[state.type] if state.type else [], state)
    expressions = Expressions(outline)
    look(chosen["expressions"][""], expressions)
    for expression in expressions.all:
        look(chosen[expression.language][expression.kind], expression)
        if expression.is_compiled and not expression.error:
            if expression.compiled.reads:
                look(chosen["reading"][expression.language], expression)
            if "$$" in expression.text and expression.language == "path":
                look(chosen["context"][""], expression)
    return found


def _broken(rule: Rule, violation: shape.Violation, chosen: Chosen) -> list[tuple[Rule, Finding]]:
    """Return the findings of a violation of the schema. For a rule on something else, they have AWS's words."""
    if rule not in chosen[rule.on][rule.types[0] if rule.types else ""]:
        return []
    return [(rule, finding) for finding in (rule.check(violation) if rule.on == "shape" else (violation.found(),))]


def _problem(source: Source, rule: Rule, finding: Finding) -> Problem:
    problem = source.problem(
        rule.id,
        finding.message,
        finding.pointer,
        key=finding.key,
        offset=finding.offset,
        length=finding.length or 1,
        hint=finding.hint,
        code=rule.code if finding.code is None else finding.code,
        severity=finding.severity or rule.severity,
        location=None if finding.location is None else location_text(finding.location),
        fix=finding.fix,
    )
    # AWS reports no location for some problems; the span keeps ours.
    return problem if finding.located else replace(problem, location=None)


def _position(problem: Problem) -> tuple[int, int, str]:
    span = problem.span
    return (span.line, span.column, problem.rule) if span else (0, 0, problem.rule)
