"""The documentation of the rules, out of the rules themselves: one for the terminal, all of them as a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

from sfnrun.asl.lint.rule import Rule
from sfnrun.asl.lint.rulebook import SECTIONS, all_rules, rules_named

__all__ = ["explained", "page"]

_PAGE = """\
# The rules of `sfnrun validate`

`sfnrun validate --explain all` prints this page. A rule has a stable ID, AWS's diagnostic code if AWS has one, and a
severity: AWS rejects a definition with an error and accepts one with a warning or a note. `--select` and `--ignore`
accept IDs (`SFN-G02`, `G02`) and sections (`SFN-G`); so do `ignore:` in sfnrun.yaml and comments in YAML:
`# sfnrun: ignore SFN-G02` on the line or above it, `# sfnrun: ignore-file SFN-G02` for the file.
"""


def explained(name: str) -> str:
    """The documentation of a rule, of a section, or of all. Raises UsageError for a rule that does not exist."""
    if name.lower() == "all":
        return page()
    return "\n\n".join(_in_terminal(all_rules()[id]) for id in sorted(rules_named([name])))


def _in_terminal(rule: Rule) -> str:
    return f"{rule.id}  {' · '.join(_about(rule))}\n\n{rule.documentation}"


def _about(rule: Rule) -> Iterator[str]:
    if rule.on == "accepted":
        yield "accepted"
    else:
        yield "note" if rule.severity == "info" else rule.severity
    if rule.code:
        yield rule.code
    if not rule.default:
        yield "only if selected"


def page() -> str:
    """Every rule on one page of Markdown, by section."""
    return "\n".join([_PAGE, *(line for section in SECTIONS for line in _section(section))])


_PARTS = re.compile(r"^(Why is this bad\?|Example:|How to fix:)", re.MULTILINE)


def _section(section: str) -> Iterator[str]:
    rules = [rule for rule in all_rules().values() if rule.section == section]
    about_all = import_module(f"sfnrun.asl.lint.rules.{section}").__doc__ or ""
    yield f"## {section.replace('_', ' ').capitalize()}\n"
    yield f"{about_all.partition(chr(10))[0]}\n"
    for rule in sorted(rules, key=lambda rule: rule.id):
        about = [f"`{word}`" if word.isupper() else word for word in _about(rule)]
        yield f"### {rule.id}\n"
        yield f"{' · '.join(about)}\n"
        yield _PARTS.sub(r"**\1**", rule.documentation) + "\n"
