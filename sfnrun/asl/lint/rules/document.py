"""Rules about the document: that it can be read, and what stands at its top."""

from __future__ import annotations

from sfnrun.asl.lint.outline import Outline
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []

MAX_SIZE = 1_048_576
NEARLY = 0.8


@rule("SFN-S00", on="source", code="MISSING_DESCRIPTION")
def file_can_be_read(_: object) -> Findings:
    """The file exists and can be read.

    Nothing can be said about a file that is not there, a folder, or one that may not be read.

    Example: `sfnrun validate ordr.asl.json` where there is only `order.asl.json`.
    """
    yield from ()


@rule("SFN-S01", on="source", code="INVALID_JSON_DESCRIPTION")
def text_parses(_: object) -> Findings:
    """The text is JSON, or YAML in a file that ends in .yaml or .yml.

    AWS takes JSON only and refuses comments, trailing commas and single quotes; every such place is reported at once.

    Example: `{"StartAt": "A",}`, where the last comma is one too many.
    """
    yield from ()


@rule("SFN-S02", on="shape")
def top_is_an_object(violation: Violation) -> Findings:
    """The top level is an object.

    A definition is one object with StartAt and States; an array, a text or an empty file is none.

    Example: `[]`
    """
    yield violation.found(hint='a definition begins with {"StartAt": ..., "States": {...}}')


@rule("SFN-S03", on="shape")
def states_are_there(violation: Violation) -> Findings:
    """`States` is required.

    Without it there is nothing to run. A machine that lacks StartAt too is told so in the same breath, as by AWS.

    Example: `{"StartAt": "A"}`
    """
    yield violation.found(hint='States is an object of states by name: "States": {"A": {"Type": "Pass", "End": true}}')


@rule("SFN-S04", on="shape")
def start_is_there(violation: Violation) -> Findings:
    """`StartAt` is required.

    The order in which states are written means nothing, so the first one has to be named.

    Example: `{"States": {"A": {"Type": "Pass", "End": true}}}`
    """
    states = violation.value.get("States") if isinstance(violation.value, dict) else None
    first = next(iter(states), "") if isinstance(states, dict) else ""
    yield violation.found(hint=f'add "StartAt": "{first}"' if first else "")


@rule("SFN-S05", on="shape")
def states_are_not_empty(violation: Violation) -> Findings:
    """`States` is an object with at least one state.

    An empty machine cannot start.

    Example: `{"StartAt": "A", "States": {}}`
    """
    yield violation.found(key=True)


@rule("SFN-S06", on="shape")
def state_is_an_object(violation: Violation) -> Findings:
    """Every member of `States` is an object.

    Often a field of the machine slipped one level too deep.

    Example: `"States": {"QueryLanguage": "JSONata", "A": {...}}`, where QueryLanguage belongs beside States.
    """
    name = violation.field
    beside = name in ("Comment", "QueryLanguage", "StartAt", "TimeoutSeconds", "Version")
    yield violation.found(hint=f"did you mean to set {name} beside States?" if beside else "")


@rule("SFN-S07", on="shape")
def top_has_no_other_fields(violation: Violation) -> Findings:
    """At the top there are Comment, QueryLanguage, StartAt, States, TimeoutSeconds and Version, nothing else.

    AWS refuses a definition with any other field, and a misspelt one would do nothing.

    Example: `{"Commment": "…", "StartAt": "A", "States": {...}}`
    """
    yield violation.found()


@rule("SFN-S08", on="shape")
def comment_is_a_string(violation: Violation) -> Findings:
    """`Comment` is a string wherever it is allowed: machine, branch, processor, retrier, catcher, rule.

    AWS refuses anything else. (For the Comment of a state see SFN-F08.)

    Example: `"Comment": ["first line", "second line"]`
    """
    yield violation.found()


@rule("SFN-S09", on="shape")
def version_is_a_string(violation: Violation) -> Findings:
    """`Version` is a string; there is only "1.0".

    A number is refused, and YAML makes one of an unquoted 1.0.

    Example: `Version: 1.0`
    """
    yield violation.found(hint='write "1.0", with quotes')


@rule("SFN-S10", on="shape")
def machine_timeout_in_range(violation: Violation) -> Findings:
    """The machine's `TimeoutSeconds` is an integer from 1 to 99999999.

    Neither a path nor an expression can stand here: there is no input yet.

    Example: `{"TimeoutSeconds": 0, "StartAt": …}`
    """
    yield violation.found()


@rule("SFN-S11", on="shape")
def query_language_is_known(violation: Violation) -> Findings:
    """`QueryLanguage` is exactly "JSONPath" or "JSONata".

    Upper and lower case count. While the language is unknown, no field is said to belong to the other one.

    Example: `"QueryLanguage": "jsonata"`
    """
    yield violation.found(message="The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]")


@rule("SFN-S12", on="source", code="INVALID_JSON_DESCRIPTION")
def keys_are_unique(_: object) -> Findings:
    """No key stands twice in one object, in JSON or in YAML.

    Most parsers keep the last one without a word: a whole state can be lost.

    Example: `"States": {"Done": {...}, "Done": {...}}`
    """
    yield from ()


@rule("SFN-S13", on="machine", severity="warning", code="")
def definition_is_not_too_long(outline: Outline) -> Findings:
    """A definition has at most 1,048,576 characters; from 80 % on this is a warning.

    CreateStateMachine refuses a longer one (a quota that cannot be raised). Large literals can be moved into a function
    or an S3 object, parts of the machine into a nested one.

    Example: a `Result` with a table of 900 KB.
    """
    size = len(outline.source.definition) if outline.source else 0
    if size > MAX_SIZE * NEARLY:
        message = f"Definition is {size:,} characters long; the limit is {MAX_SIZE:,}"
        yield Finding((), message, severity="error" if size > MAX_SIZE else "warning")


@rule("SFN-S14", on="source", code="")
def yaml_is_json(_: object) -> Findings:
    """A YAML definition holds only what JSON can: no other keys than strings, no dates, no cycles, no foreign tags.

    AWS never sees the YAML; what is no JSON would be lost or changed on the way.

    Example: `States: {1: {Type: Pass}}`, where the key 1 is a number.
    """
    yield from ()


@rule("SFN-S16", on="source", severity="warning", code="")
def comments_ignore_what_there_is(_: object) -> Findings:
    """A comment `# sfnrun: ignore` names rules that exist.

    Else it ignores nothing, and what it was meant for is told.

    Example: `# sfnrun: ignore SFN-G99`
    """
    yield from ()


@rule("SFN-S15", on="source", severity="info", code="")
def template_holds_its_machine(_: object) -> Findings:
    """A template holds the definition of its state machine, or names a file that does.

    CloudFormation, SAM, CDK and Serverless templates are looked through, and the machines in them are checked. What
    stands in S3, or is chosen by a condition, cannot be.

    Example: `DefinitionUri: s3://bucket/order.asl.json`
    """
    yield from ()
