"""The documentation of the rules, out of the rules themselves: one for the terminal, all of them as a page."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.asl.lint.rules import RULES, SECTIONS, Rule, rules_named

__all__ = ["explained", "page"]

_PAGE = """\
# The rules of `sfnrun validate`

This page is written by `sfnrun validate --explain all`. A rule has an id that never changes, AWS's own diagnostic code
where AWS has one, and a severity: errors make AWS refuse a definition, warnings are accepted and will hurt, notes are
good to know. `--select` and `--ignore` take ids (`SFN-G02`, `G02`) and sections (`SFN-G`); so do `ignore:` in
sfnrun.yaml and comments in YAML: `# sfnrun: ignore SFN-G02` on the line or above it, `# sfnrun: ignore-file SFN-G02`
for the file.
"""


def explained(name: str) -> str:
    """The documentation of a rule, of a section, or of all. Raises UsageError for a rule that does not exist."""
    if name.lower() == "all":
        return page()
    return "\n\n".join(_in_terminal(RULES[id]) for id in sorted(rules_named([name])))


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
    return "\n".join([_PAGE, *(line for section in SECTIONS for line in _section(section.__name__, section.__doc__))])


def _section(module: str, documentation: str | None) -> Iterator[str]:
    rules = [rule for rule in RULES.values() if rule.check.__module__ == module]
    if not rules:
        return
    name = module.rpartition(".")[2].replace("_", " ").capitalize()
    yield f"## {name}\n"
    yield f"{(documentation or '').partition(chr(10))[0]}\n"
    for rule in sorted(rules, key=lambda rule: rule.id):
        about = [f"`{word}`" if word.isupper() else word for word in _about(rule)]
        yield f"### {rule.id}\n"
        yield f"{' · '.join(about)}\n"
        yield f"{rule.documentation}\n"
