"""Every problem of a definition in one run, in order of line: its shape, and what no schema can say.

`check` is all there is to call. RULES has every rule by id, with its documentation. The modules beside this one are the
sections of the rules; how a rule is written is said in `sfnrun.asl.lint.rule`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import cache
from typing import Any

from msgspec.structs import replace

from sfnrun.asl.lint import shape
from sfnrun.asl.lint.expressions import Expressions
from sfnrun.asl.lint.outline import Outline
from sfnrun.asl.lint.rule import RULES, Finding, Findings, Rule
from sfnrun.asl.lint.rules import (
    choice,
    context_object,
    document,
    express,
    intrinsics,
    jsonata,
    known_values,
    map,
    map_distributed,
    names,
    parallel,
    pass_fail,
    paths,
    retry_catch,
    states,
    task,
    task_resource,
    transitions,
    variables,
    wait,
)
from sfnrun.asl.text.source import Source, location_text
from sfnrun.errors import Problem

__all__ = ["RULES", "SECTIONS", "Finding", "Findings", "Rule", "check", "rules_named"]

SECTIONS = (
    document,
    states,
    transitions,
    names,
    retry_catch,
    choice,
    wait,
    task_resource,
    task,
    pass_fail,
    map,
    map_distributed,
    parallel,
    paths,
    known_values,
    intrinsics,
    context_object,
    variables,
    jsonata,
    express,
)


def check(
    source: Source,
    *,
    workflow_type: str = "STANDARD",
    select: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Problem]:
    """The problems of a definition, by line.

    `select` are the rules to check instead of those that are on by default, `ignore` those to leave out: ids as
    "SFN-G02", without their prefix, or sections as "SFN-G". `workflow_type` is STANDARD or EXPRESS.
    Raises UsageError for a rule that does not exist.
    """
    chosen = _chosen(tuple(sorted(select)), tuple(sorted(ignore)))
    outline = Outline.of(source.value, workflow_type, source)
    problems = [_problem(source, rule, finding) for rule, finding in _findings(outline, chosen)]
    return sorted(dict.fromkeys(problems), key=_place)


Chosen = dict[str, dict[str, list[Rule]]]


@cache
def _chosen(select: tuple[str, ...], ignore: tuple[str, ...]) -> Chosen:
    """The rules to run by what they look at, and for states by type."""
    wanted = rules_named(select) if select else {id for id, rule in RULES.items() if rule.default}
    chosen: Chosen = defaultdict(lambda: defaultdict(list))
    for id in sorted(wanted - rules_named(ignore)):
        rule = RULES[id]
        for type_ in rule.types or ("",):
            chosen[rule.on][type_].append(rule)
    return chosen


def rules_named(names: Collection[str]) -> set[str]:
    """The ids of the rules that are meant by ids or sections. Raises UsageError for a name that means none."""
    found: set[str] = set()
    for name in names:
        id = "SFN-" + name.upper().removeprefix("SFN").lstrip("-")
        meant = {id} & RULES.keys() or {known for known in RULES if known.rstrip("0123456789") == id}
        if not meant:
            from sfnrun.errors import UsageError

            close = shape.close_to(id, RULES)
            raise UsageError(
                f"there is no rule {name}",
                f"did you mean {close}?" if close else "sfnrun validate --explain all lists them",
            )
        found |= meant
    return found


def _findings(outline: Outline, chosen: Chosen) -> list[tuple[Rule, Finding]]:
    found: list[tuple[Rule, Finding]] = []

    def look(rules: list[Rule], place: Any) -> None:
        for rule in rules:
            for finding in rule.check(place):
                found.append((rule, finding))

    for violation in shape.violations(outline.value):
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
    """What a violation of the schema breaks. A rule about meaning has no words for it: AWS's are used."""
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
    # AWS gives no location for some; ours is kept, as the span.
    return problem if finding.located else replace(problem, location=None)


def _place(problem: Problem) -> tuple[int, int, str]:
    span = problem.span
    return (span.line, span.column, problem.rule) if span else (0, 0, problem.rule)
