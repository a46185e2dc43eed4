"""Suppression comments (`# sfnrun: ignore`) in YAML: for a line, the next line or the whole file.

    Next: Done          # sfnrun: ignore SFN-G02
    # sfnrun: ignore SFN-G03, T19 -- the line below
    # sfnrun: ignore-file SFN-G

A rule is written with or without its prefix ("SFN-G02", "G02"); a letter is a whole section; a comment without rules
ignores all. The text after ` -- ` is the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from sfnrun.asl.text.positions import Lines
from sfnrun.errors import Problem, Span, UsageError

__all__ = ["suppressed"]

_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*sfnrun:\s*ignore(?P<file>-file)?(?![\w-])(?P<rules>[^\n#]*)", re.MULTILINE)
_REASON = re.compile(r"(?:^|\s)--(?:\s|$)")


class _Ignored(Struct):
    """The ignored rules of the whole file, and by line; None is every rule."""

    everywhere: list[set[str] | None] = field(default_factory=list)
    by_line: dict[int, list[set[str] | None]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def has(self, problem: Problem) -> bool:
        here = self.by_line.get(problem.span.line, []) if problem.span else []
        return any(rules is None or problem.rule in rules for rules in (*self.everywhere, *here))


def suppressed(problems: Iterable[Problem], texts: Mapping[str, str]) -> list[Problem]:
    """Return the problems that no comment in their file ignores, and one for each comment with an unknown rule.

    `texts` are the texts of YAML files by path; a JSON file has no comments.
    """
    ignored = {path: _ignored(path, text) for path, text in texts.items() if "sfnrun:" in text}
    if not ignored:
        return list(problems)
    kept = [problem for problem in problems if problem.path not in ignored or not ignored[problem.path].has(problem)]
    return kept + [problem for one in ignored.values() for problem in one.problems]


def _ignored(path: str, text: str) -> _Ignored:
    from sfnrun.asl.lint.rulebook import rules_named

    lines = Lines(text)
    ignored = _Ignored()
    for comment in _COMMENT.finditer(text):
        span = lines.span(*comment.span())
        names = [name for name in re.split(r"[\s,]+", _REASON.split(comment["rules"])[0].lstrip(": ")) if name]
        try:
            rules = rules_named(names) if names else None
        except UsageError as error:
            ignored.problems.append(_unknown(path, error, span, lines.line(span.line)))
            continue
        if comment["file"]:
            ignored.everywhere.append(rules)
        else:
            alone = not lines.line(span.line)[: span.column - 1].strip()
            ignored.by_line.setdefault(span.line + alone, []).append(rules)
    return ignored


def _unknown(path: str, error: UsageError, span: Span, source_line: str) -> Problem:
    hint = error.hint
    return Problem(
        "SFN-S16",
        f"{error.message[:1].upper()}{error.message[1:]}; this comment has no effect",
        "warning",
        "",
        hint,
        "/",
        path,
        span,
        source_line,
    )
