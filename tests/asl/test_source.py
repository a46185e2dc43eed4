"""Definitions are read with positions; what cannot be read has a position and a hint.

    python tests/asl/test_source.py

rewrites the expected messages of the tables unreadable_*.yaml; read the difference before you commit it.
"""

from __future__ import annotations

import io
import json
import math
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sfnrun.asl.load import read_source, unresolved_problems
from sfnrun.asl.text.source import Source, from_text, from_value, location_text
from sfnrun.errors import DefinitionError, Problem, Span

TABLES = Path(__file__).with_name("tables")
SUBSTITUTIONS = {"Word": "some words", "N": 1, "Round": "${Trip}", "Trip": "${Round}"}
UNREADABLE = [
    pytest.param(form, case["text"], case["says"], id=f"{form}: {case['name']}")
    for form in ("json", "yaml")
    for case in yaml.safe_load((TABLES / f"unreadable_{form}.yaml").read_text("utf-8"))
]


def refused(text: str, form: str = "json", **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(DefinitionError) as caught:
        from_text(text, f"bad.asl.{form}", form, SUBSTITUTIONS, **options)  # type: ignore[arg-type]
    return caught.value.problems


def cut(source: Source, span: Span | None) -> str:
    """The text under a span."""
    assert span is not None
    lines = source.text.split("\n")
    start = sum(len(line) + 1 for line in lines[: span.line - 1]) + span.column - 1
    end = sum(len(line) + 1 for line in lines[: span.end_line - 1]) + span.end_column - 1
    return source.text[start:end]


def pointers(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield at, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in members:
        yield from pointers(child, (*at, step))


@pytest.mark.parametrize(("form", "text", "says"), UNREADABLE)
def test_syntax_errors_have_position_and_hint(form: str, text: str, says: str) -> None:
    problems = refused(text, form)
    assert "\n".join(map(str, problems)).splitlines() == says.splitlines()


# The line and column behind what AWS's parser read last: a character, or a word where a value should be.
STOPS = [
    ("not json", 1, 4),
    ('{"a": }', 1, 8),
    ('{"a": nul}', 1, 10),
    ('{"a": 1,}', 1, 10),
    ("{'a': 1}", 1, 3),
    ('{"a" 1}', 1, 7),
    ('{"a": 1\n "b": 2}', 2, 3),
    ("{", 1, 2),
]


@pytest.mark.parametrize(("text", "line", "column"), STOPS)
def test_where_aws_stops_reading(text: str, line: int, column: int) -> None:
    syntax, *_ = refused(text, "json")
    assert syntax.code == "INVALID_JSON_DESCRIPTION"
    assert syntax.location == f'[Source: (String)"{text}"; line: {line}, column: {column}]'


def test_aws_codes_and_locations() -> None:
    (state,) = refused('{"States": {"A": {}, "A": {}}}')
    assert state.code == "DUPLICATE_STATE_NAME"
    assert [problem.code for problem in refused("")] == ["MISSING_DESCRIPTION"]
    assert [problem.code for problem in refused("[]")] == ["SCHEMA_VALIDATION_FAILED"]


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
HOSTILE = {
    "100,000 arrays": ("json", '{"a": ' + "[" * 100_000, "Nested deeper than 1,000 levels"),
    "100,000 arrays, closed": ("json", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "Nested deeper than 1,000"),
    "1,001 objects": ("json", '{"a":' * 1001 + "1" + "}" * 1001, "Nested deeper than 1,000 levels"),
    "100,000 arrays in YAML": ("yaml", "a: " + "[" * 100_000, "Nested deeper than 1,000 levels"),
    "100,000 block lists in YAML": ("yaml", "- " * 100_000, "Nested deeper than 1,000 levels"),
    "1,001 arrays in YAML": ("yaml", "a: " + "[" * 1000 + "]" * 1000, "Nested deeper than 1,000 levels"),
    "1,001 lists and arrays in YAML": ("yaml", "- " * 600 + "[" * 401 + "]" * 401, "Nested deeper than 1,000 levels"),
    "1,001 block lists in YAML": ("yaml", "- " * 1001 + "x", "Nested deeper than 1,000 levels"),
    "1,001 block mappings in YAML": (
        "yaml",
        "".join(f"{' ' * level}a:\n" for level in range(1001)),
        "Nested deeper than 1,000 levels",
    ),
    "billion laughs": ("yaml", LAUGHS, "Aliases expand to more than 500,000 values"),
    "5,000 digits": ("json", '{"a": ' + "1" * 5000 + "}", "is out of range"),
    "lone surrogate": ("json", '{"a": "\udc80"}', "Unpaired surrogate"),
    "lone surrogate in YAML": ("yaml", 'a: "\udc80"', "Unpaired surrogate"),
    "10,000 keys twice": (
        "json",
        '{"a": {' + ", ".join(f'"k{i % 5000}": 1' for i in range(10_000)) + "}}",
        "Duplicate key",
    ),
    "over 1 MB": ("json", '{"a": "' + "x" * 1_048_576 + '"}', "the limit is 1,048,576 characters"),
    "an open string of 1 MB": ("json", '{"a": "' + "\\" * 1_000_000, "Unterminated string"),
    "an open comment of 1 MB": ("json", '{"a": /*' + "*" * 1_000_000, "JSON does not support comments"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused_at_once(name: str) -> None:
    form, text, says = HOSTILE[name]
    began = time.process_time()
    problems = refused(text, form)
    assert time.process_time() - began < 5  # of the processor; quadratic work on these takes minutes
    assert says in problems[0].message
    assert len(problems) <= 100
    assert all(problem.span or problem.rule == "SFN-S13" for problem in problems)


def test_brackets_in_quotes_are_not_levels() -> None:
    text = "a: ['" + "[" * 2000 + "', \"" + "{" * 2000 + '"]'
    assert len(from_text(text, format="yaml").value["a"]) == 2


def test_no_words_of_the_yaml_parser_are_shown() -> None:
    texts = """
        %FOO bar | %YAML 3 | a: "\\q" | a: & | a: !<x | a: |0 | a: > x | a: - b | a: "\\xZZ" | a: ? b | [b: c: d]
        a: !e!x y | {a: :b} | a: `b | %% | a: * | a: "\\ud800" | - a b: - c | a: !x!y!z b | a: |-+1x | a: [b] c
    """
    for text in (part.strip() for line in texts.strip().splitlines() for part in line.split(" | ")):
        with pytest.raises(yaml.YAMLError) as parser:
            list(yaml.parse(text, yaml.CSafeLoader))
        (problem,) = refused(text, "yaml")
        assert str(parser.value.problem) not in problem.message  # type: ignore[attr-defined]
        assert problem.message != "Invalid YAML", text


def test_no_problem_moves_the_cursor() -> None:
    for text in ('{"\\u001b[2J": 1, "\\u001b[2J": 2}', '{"a": "\x1b[2J"}', '{"a": \x1b[2J}'):
        assert "\x1b" not in "".join(map(str, refused(text)))


def test_limits_can_be_lifted() -> None:
    text = json.dumps({"Comment": "x" * 1_048_576})
    assert len(from_text(text, limits=False).value["Comment"]) == 1_048_576


def test_a_thousand_levels_are_read_whatever_the_stack() -> None:
    text = '{"a":' * 1000 + "1" + "}" * 1000

    def deep(frames: int) -> Source:
        return from_text(text) if frames == 0 else deep(frames - 1)

    assert deep(sys.getrecursionlimit() - 300).locate(("a",) * 1000) == Span(1, 5001, 1, 5002)


FILES = {
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "File is UTF-16"),
    "UTF-16 without mark": ('{"a": 1}'.encode("utf-16-le"), "File is UTF-16"),
    "binary": (b"\x7fELF\x02\x01\x01" + b"\x00" * 9, "Binary file"),
    "Latin-1": (
        '{\n  "Comment": "caf\u00e9"\n}'.encode("latin-1"),
        ":2:18: error SFN-S01 INVALID_JSON_DESCRIPTION: Byte 0xe9 is not UTF-8",
    ),
    "cut in a character": (
        '{"Comment": "caf\u00e9'.encode()[:-1],
        ":1:17: error SFN-S01 INVALID_JSON_DESCRIPTION: Byte 0xc3 is not UTF-8",
    ),
    "after a byte order mark": (
        b"\xef\xbb\xbf{\xff",
        ":1:2: error SFN-S01 INVALID_JSON_DESCRIPTION: Byte 0xff is not UTF-8",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_bytes_that_are_no_text(name: str, tmp_path: Path) -> None:
    data, says = FILES[name]
    path = tmp_path / "bad.asl.json"
    path.write_bytes(data)
    with pytest.raises(DefinitionError) as caught:
        read_source(path)
    assert says in str(caught.value)


def test_byte_order_mark_does_not_shift_columns(tmp_path: Path) -> None:
    path = tmp_path / "machine.asl.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n')
    assert read_source(path).locate(("a",)) == Span(1, 7, 1, 8)


def test_a_file_of_1_gb_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DefinitionError, match="Definition has 1,073,741,824 bytes"):
        read_source(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_an_endless_file_ends() -> None:
    with pytest.raises(DefinitionError, match="over 4,194,304 bytes"):
        read_source("/dev/zero")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("order.asl.jsn", "File not found\n  help: did you mean {}/order.asl.json?"),
        ("nowhere/order.asl.json", "File not found\n  help: create the directory {}/nowhere, or correct the path"),
        (".", "Is a directory\n  help: pass a file in this directory: order.asl.json"),
        ("a\0b", "Cannot read file: its name has a NUL character"),
    ],
)
def test_files_that_cannot_be_read(path: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "order.asl.json").write_text("{}")
    with pytest.raises(DefinitionError) as caught:
        read_source(str(tmp_path / path))
    assert str(caught.value).endswith(says.format(tmp_path))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"StartAt: A\n")))
    source = read_source("-")
    assert (source.name, source.format, source.value) == ("-", "yaml", {"StartAt": "A"})


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.asl.json", '{"a": 1}', "json"),
        ("a.asl", '{"a": 1}', "json"),
        ("a.yml", '{"a": 1}', "yaml"),
        ("a.txt", '\n {"a": 1}', "json"),
        ("a", "a: 1", "yaml"),
    ],
)
def test_the_extension_says_the_format_else_the_content(name: str, text: str, form: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    source = read_source(tmp_path / name)
    assert (source.format, source.value) == (form, {"a": 1})


YAML_SCALARS = """
    yes: 'yes' | no: 'no' | on: 'on' | y: 'y' | true: True | False: False | TRUE: True | null: None | ~: None | : None
    0: 0 | 12: 12 | -7: -7 | +1: 1 | 1.5: 1.5 | .5: 0.5 | 2.: 2.0 | 1e3: 1000.0 | 012345678901: '012345678901'
    2024-01-01: '2024-01-01' | 12:30: '12:30' | 1_000: '1_000' | 0x1F: '0x1F' | 0o7: '0o7' | 1.2.3: '1.2.3'
    "5": '5' | 'true': 'true' | !!str 5: '5' | !!float 5: 5 | ! 5: '5' | $.a: '$.a' | =: '='
"""


@pytest.mark.parametrize(
    "case", [part.strip() for line in YAML_SCALARS.strip().splitlines() for part in line.split("|")]
)
def test_yaml_scalars_are_those_of_json(case: str) -> None:
    written, _, value = case.rpartition(": ") if not case.startswith(":") else ("", "", case[2:])
    read = from_text(f"a: {written}", format="yaml").value["a"]
    expected = eval(value)
    assert (read, type(read)) == (expected, type(expected))


def test_yaml_merges_and_shares() -> None:
    source = from_text(
        "defaults: &d {Type: Task, Next: Z}\nother: &o {Next: Y, End: true}\nA:\n  Next: B\n  <<: [*d, *o]\nB: *d\n",
        format="yaml",
    )
    assert source.value["A"] == {"Next": "B", "Type": "Task", "End": True}
    assert source.value["B"] == {"Type": "Task", "Next": "Z"}
    assert source.locate(("A", "Type")) == Span(1, 21, 1, 25)
    assert source.locate(("A", "Next")) == Span(4, 9, 4, 10)
    assert source.locate(("B",)) == Span(6, 4, 6, 6)
    assert source.locate(("B", "Next"), key=True) == Span(1, 27, 1, 31)


def test_locations_are_written_as_aws_does() -> None:
    assert location_text(()) == "/"
    assert location_text(("States", "A", "Catch", 0, "Next")) == "/States/A/Catch[0]/Next"


def test_what_is_missing_is_shown_at_what_it_is_missing_from() -> None:
    source = from_text('{"States": {\n  "A": {"Type": "Task"}}}')
    assert source.locate(("States", "A", "Resource")) is None
    problem = source.problem("SFN-F12", "no Resource", ("States", "A", "Resource"))
    assert (problem.span, problem.location) == (Span(2, 3, 2, 6), "/States/A/Resource")
    assert problem.source_line == '  "A": {"Type": "Task"}}}'
    assert source.problem("SFN-S04", "no StartAt", ("StartAt",)).span == Span(1, 1, 1, 2)


SUBSTITUTED = [
    # text of the value in JSON, substitutions, value, placeholders without a value
    ('"${A}"', {"A": "x"}, "x", []),
    ('"${A}"', {"A": 5}, "5", []),
    ('"${A}"', {"A": True}, "true", []),
    ("${A}", {"A": 5}, 5, []),
    ("${A}", {"A": "5"}, 5, []),
    ("${A}", {"A": "[1, 2]"}, [1, 2], []),
    ("${A}", {}, "${A}", [("A", True, 0)]),
    ('"arn:${P}:x:${R}"', {"P": "aws"}, "arn:aws:x:${R}", [("R", False, 10)]),
    ('"${AWS::Region}/${Fn.Arn}"', {}, "${AWS::Region}/${Fn.Arn}", [("AWS::Region", False, 0), ("Fn.Arn", False, 15)]),
    ('"${A}"', {"A": "${B}-${C}", "B": "b"}, "b-${C}", []),
    ('"$${A} ${!A} \\\\${A}"', {"A": "x"}, "${A} ${A} ${A}", []),
    ('"${an odd name}"', {"an odd name": 1}, "1", []),
    ('"${an odd name} ${} ${1}"', {}, "${an odd name} ${} ${1}", []),
    ('"{% ${name: price} %}"', {}, "{% ${name: price} %}", []),
    ('"{% ${a:b} %}"', {}, "{% ${a:b} %}", []),
    ("\"{% '${A}' & ${B} %}\"", {"B": "$x"}, "{% '${A}' & $x %}", [("A", False, 4)]),
    ('"${A}"', {"A": 'quo"te\\n'}, 'quo"te\\n', []),
]


@pytest.mark.parametrize(("text", "given_values", "value", "missing"), SUBSTITUTED)
def test_substitutions(text: str, given_values: dict[str, Any], value: Any, missing: list[Any]) -> None:
    source = from_text(f'{{"v": {text}}}', substitutions=given_values)
    assert source.value == {"v": value}
    assert [(each.name, each.whole, each.offset) for each in source.unresolved] == missing
    assert all(each.pointer == ("v",) for each in source.unresolved)


def test_substitution_is_the_same_in_yaml_and_from_values() -> None:
    values = {"Timeout": 30, "Name": "x", "Flag": "false"}
    text = 'a: ${Timeout}\nb: "${Timeout}"\nc: ${Name}-1\nd: ${Flag}\ne: ${Name}\nf: ${Missing}\n'
    source = from_text(text, format="yaml", substitutions=values)
    assert source.value == {"a": 30, "b": "30", "c": "x-1", "d": False, "e": "x", "f": "${Missing}"}
    assert source.substituted == ("Timeout", "Name", "Flag")
    assert source.locate(("a",)) == Span(1, 4, 1, 14)

    given_value = {"a": "${Timeout}", "k": ["${Missing}"]}
    from_api = from_value(given_value, substitutions=values)
    assert from_api.value == {"a": "30", "k": ["${Missing}"]}
    assert given_value == {"a": "${Timeout}", "k": ["${Missing}"]}
    assert [each.pointer for each in from_api.unresolved] == [("k", 0)]
    assert unresolved_problems(from_api)[0].span is None


def test_keys_are_substituted_and_found_again() -> None:
    source = from_text('{"States": {"${Env}-A": {"Type": "Pass"}}}', substitutions={"Env": "dev"})
    assert list(source.value["States"]) == ["dev-A"]
    assert cut(source, source.locate(("States", "dev-A"), key=True)) == '"${Env}-A"'
    assert cut(source, source.locate(("States", "dev-A", "Type"))) == '"Pass"'


def test_what_a_placeholder_brought_in_stands_where_it_does() -> None:
    source = from_text('{"a": ${L}, "b": 1}', substitutions={"L": '[{"x": 1}]'})
    assert cut(source, source.locate(("a", 0, "x"))) == "${L}"


def test_unresolved_placeholders_are_named_but_for_those_that_name_a_handler() -> None:
    source = from_text(
        '{"States": {"A": {"Resource": "${ChargeArn}",\n'
        ' "Parameters": {"FunctionName": "${Fn}",\n'
        '  "TableName": "t-${Tabel}", "${Key}": 1},\n'
        ' "TimeoutSeconds": ${Timeout}}}}',
        "order.json",
        substitutions={"Table": "orders"},
    )
    assert [str(problem) for problem in unresolved_problems(source)] == [
        "order.json:3:19: error SFN-T16: No value for ${Tabel}\n"
        '    3 |   "TableName": "t-${Tabel}", "${Key}": 1},\n'
        "      |                   ^^^^^^^^\n"
        "  help: did you mean ${Table}?",
        "order.json:3:30: error SFN-T16: No value for ${Key}\n"
        '    3 |   "TableName": "t-${Tabel}", "${Key}": 1},\n'
        "      |                              ^^^^^^^^\n"
        "  help: pass --set Key=VALUE, or set it under substitutions: in sfnrun.yaml",
        "order.json:4:20: error SFN-T16: No value for ${Timeout}\n"
        '    4 |  "TimeoutSeconds": ${Timeout}}}}\n'
        "      |                    ^^^^^^^^^^\n"
        "  help: pass --set Timeout=VALUE, or set it under substitutions: in sfnrun.yaml",
    ]
    assert {problem.severity for problem in unresolved_problems(source, "info")} == {"info"}


INSIDE = [
    ("json", '{"a": "x\\n\\u00e9\\ud83d\\ude00y"}', "y", "y"),
    ("json", '{"a": "x\\n\\u00e9\\ud83d\\ude00y"}', "\U0001f600", "\\ud83d\\ude00"),
    ("json", '{"a": "one ${N} two"}', "two", "two"),
    ("json", '{"a": "one ${N} two"}', "1", "${N}"),
    ("yaml", "a: plain ${N} text", "text", "text"),
    ("yaml", "a: 'it''s quoted'", "quoted", "quoted"),
    ("yaml", 'a: "tab\\t and \\x41 here"', "here", "here"),
    ("yaml", "a: |\n  first\n  second line\nb: 1", "second", "second"),
    ("yaml", "a: >-\n  folded\n  text\n", "text", "text"),
    ("yaml", 'a: "folded\n   text\\\n   joined"', "joined", "joined"),
    ("yaml", "a:\n  a plain\n  text", "text", "text"),
]


@pytest.mark.parametrize(("form", "text", "part", "shown"), INSIDE)
def test_characters_inside_a_string_are_found(form: Any, text: str, part: str, shown: str) -> None:
    source = from_text(text, format=form, substitutions=SUBSTITUTIONS)
    offset = source.value["a"].index(part)
    assert cut(source, source.locate_inside(("a",), offset, len(part))) == shown


def test_what_cannot_be_found_inside_is_the_whole_value() -> None:
    source = from_text('{"a": "x", "b": 12, "c": {}}')
    assert cut(source, source.locate_inside(("a",), 50)) == '"x"'
    assert cut(source, source.locate_inside(("b",), 1)) == "12"
    assert cut(source, source.locate_inside(("c",), 1)) == "{}"


# PyYAML writes these three as they are and reads them as line ends, its own text included.
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x85\u2028\u2029"), max_size=12).filter(
    lambda text: "${" not in text
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
definitions = st.dictionaries(texts, values, max_size=4)


class Writer:
    """Writes JSON with blanks anywhere, and remembers where it wrote what: the oracle of positions."""

    def __init__(self, blanks: Iterator[str], *, ascii_only: bool) -> None:
        self.text = ""
        self.at: dict[tuple[str | int, ...], tuple[int, int]] = {}
        self.keys: dict[tuple[str | int, ...], tuple[int, int]] = {}
        self._blanks = blanks
        self._ascii_only = ascii_only

    def write(self, value: Any, pointer: tuple[str | int, ...] = ()) -> None:
        self.text += next(self._blanks)
        start = len(self.text)
        if isinstance(value, dict | list):
            members = list(value.items() if isinstance(value, dict) else enumerate(value))
            self.text += "{" if isinstance(value, dict) else "["
            for index, (step, child) in enumerate(members):
                self.text += ("," if index else "") + next(self._blanks)
                if isinstance(value, dict):
                    self.keys[*pointer, step] = (len(self.text), len(self.text) + len(self._dumped(step)))
                    self.text += self._dumped(step) + next(self._blanks) + ":"
                self.write(child, (*pointer, step))
                self.text += next(self._blanks)
            self.text += next(self._blanks) + ("}" if isinstance(value, dict) else "]")
        else:
            self.text += self._dumped(value)
        self.at[pointer] = (start, len(self.text))

    def _dumped(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=self._ascii_only)


def position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


@settings(deadline=None)
@given(definitions, st.lists(st.sampled_from(["", "", " ", "\n", "\r\n", "\t"]), min_size=1, max_size=7), st.booleans())
def test_every_position_in_json_is_where_it_was_written(value: Any, blanks: list[str], ascii_only: bool) -> None:
    endless = (blank for _ in iter(int, 1) for blank in blanks)
    writer = Writer(endless, ascii_only=ascii_only)
    writer.write(value)
    source = from_text(writer.text)
    assert source.value == value
    for places, key in ((writer.at, False), (writer.keys, True)):
        for pointer, (start, end) in places.items():
            expected = Span(*position(writer.text, start), *position(writer.text, end))
            assert source.locate(pointer, key=key) == expected


def nodes(node: yaml.Node, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], yaml.Node]]:
    yield at, node
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield from nodes(child, (*at, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from nodes(child, (*at, index))


@settings(deadline=None)
@given(definitions, st.booleans(), st.booleans())
def test_yaml_gives_the_value_and_positions_that_pyyaml_composes(value: Any, flow: bool, unicode: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=unicode, width=30, sort_keys=False)
    # 1e3 is a number in YAML 1.2 and a text in 1.1, which PyYAML writes.
    assume(not re.search(r"(?m)(^|[ \[{])[-+.0-9]+[eE][-+]?[0-9]+($|[:,\]}])", text))
    source = from_text(text, format="yaml")
    assert source.value == value
    # The parser in Python, of which we use none, is the oracle of the one in C.
    for pointer, node in nodes(yaml.compose(text, Loader=yaml.SafeLoader)):
        span = source.locate(pointer)
        assert span is not None
        assert (span.line, span.column) == position(text, node.start_mark.index)


@settings(deadline=None)
@given(texts, st.booleans())
def test_every_character_of_a_json_string_is_found(text: str, ascii_only: bool) -> None:
    source = from_text(json.dumps({"a": text}, ensure_ascii=ascii_only))
    found = [cut(source, source.locate_inside(("a",), offset)) for offset in range(len(text))]
    assert [json.loads(f'"{part}"') for part in found] == list(text)


@settings(deadline=None)
@given(st.text("ab'\"\\ \n:#-{", max_size=60), st.sampled_from(["", "'", '"', "|", ">"]))
def test_every_letter_of_a_yaml_string_is_found(text: str, style: str) -> None:
    source = from_text(yaml.safe_dump({"a": text}, default_style=style, width=12), format="yaml")
    spans = [source.locate_inside(source_pointer(source), offset) for offset in range(len(text))]
    letters = [(letter, span) for letter, span in zip(text, spans, strict=True) if letter in "ab"]
    assert [cut(source, span) for _, span in letters] == [letter for letter, _ in letters]
    starts = [(span.line, span.column) for _, span in letters if span]
    assert starts == sorted(set(starts))


def source_pointer(source: Source) -> tuple[str, ...]:
    (key,) = source.value
    return (key,)


def test_a_string_whose_last_quote_is_escaped_does_not_end() -> None:
    with pytest.raises(DefinitionError, match="Unterminated string"):
        from_text('{"a\\"\n: 1}', format="json")


@settings(deadline=None)
@given(definitions, st.data())
def test_a_broken_text_is_refused_with_a_position_inside_it(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 2])), ensure_ascii=False)
    at = data.draw(st.integers(0, len(text) - 1))
    broken = (
        text[:at] + data.draw(st.sampled_from(["", ",", '"', "}", "]", ":", "x", "'", "//", "\n"])) + text[at + 1 :]
    )
    try:
        source = from_text(broken, format="json")
    except DefinitionError as error:
        (span,) = {problem.span for problem in error.problems[:1]}
        assert span is not None
        assert 1 <= span.line <= broken.count("\n") + 1
        assert 1 <= span.column <= len(broken.split("\n")[span.line - 1]) + 1
        with pytest.raises(ValueError, match=r".+"):
            json.loads(broken, object_pairs_hook=_no_key_twice, parse_constant=_refuse, parse_float=_finite)
    else:
        assert source.value == json.loads(broken)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> Any:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _finite(text: str) -> float:
    if math.isinf(float(text)):
        raise ValueError(text)
    return float(text)


def _refuse(name: str) -> Any:
    raise ValueError(name)


# --- writing ---------------------------------------------------------------------------------------------------------


def written(case: dict[str, Any], form: str) -> str:
    says = "\n".join(map(str, refused(case["text"], form)))
    lines = [f"- name: {case['name'] or 'null'}", f"  text: {scalar(case['text'])}", f"  says: {scalar(says)}"]
    return "\n".join(lines) + "\n"


def scalar(text: str) -> str:
    """A block if that can be read again, else a quoted string."""
    block = "|-\n" + indent(text, " " * 4)
    try:
        return block if "\t" not in text and text and yaml.safe_load(f"a: {block}") == {"a": text} else json.dumps(text)
    except yaml.YAMLError:
        return json.dumps(text)


def main() -> None:
    for form in ("json", "yaml"):
        path = TABLES / f"unreadable_{form}.yaml"
        text = path.read_text("utf-8")
        head = re.match(r"(?:#[^\n]*\n)*", text)
        blocks = [written(case, form) for case in yaml.safe_load(text)]
        path.write_text((head[0] if head else "") + "\n" + "\n".join(blocks), "utf-8")


if __name__ == "__main__":
    main()
