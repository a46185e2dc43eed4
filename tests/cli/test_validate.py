"""`sfnrun validate`: which files, which rules, which exit code."""

import itertools
import re
import shutil
from pathlib import Path

import pytest
import yaml

from sfnrun.asl.lint.rule_docs import page
from sfnrun.asl.lint.rulebook import all_rules
from sfnrun.cli.validate import changes

ROOT = Path(__file__).resolve().parents[2]
BROKEN = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}'
CLEAN = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'
WARNED = """\
StartAt: A
States:
  A:
    Type: Choice
    Choices:
      - {Variable: $.x, IsNull: true, Next: B}
  B: {Type: Succeed}
"""


@pytest.fixture
def write(folder):
    """Write files by name."""

    def write(**texts: str) -> None:
        for name, text in texts.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")

    return write


def checked(done) -> list[str]:
    """The files that have problems, in order."""
    return list(dict.fromkeys(re.findall(r"^([^ :]+):\d+:\d+: ", done.out, re.MULTILINE)))


def test_a_good_file_has_nothing_to_say(sfn, hello):
    assert sfn("validate", hello) == (0, "", "1 file checked, no problems\n")
    assert sfn("validate", hello, "--quiet") == (0, "", "")


def test_all_problems_of_all_files_are_told_at_once(sfn, definition, hello):
    first = definition({"A": {"Type": "Pass", "Next": "B"}}, name="first.asl.json")
    second = definition({"A": {"Type": "Task", "End": True}}, start="Nowhere", name="second.asl.json")
    done = sfn("validate", first, hello, second)
    assert done.code == 1
    assert "first.asl.json:6:15: error SFN-G02 MISSING_TRANSITION_TARGET: Missing 'Next' target: B\n" in done.out
    assert '    6 |       "Next": "B"\n      |               ^^^\n' in done.out
    assert "second.asl.json:" in done.out
    assert done.err.startswith("3 files checked: ")
    assert "errors" in done.err


def test_stdin_is_a_file_too(sfn):
    done = sfn("validate", "-", stdin='{"StartAt": "A"}')
    assert done.code == 1
    assert "-:1:1: error" in done.out


def test_user_code_is_never_imported(sfn, definition, function):
    task = function("f", "raise SystemExit('imported')\n")
    assert sfn("validate", definition({"T": task})).code == 0


def test_values_for_placeholders(sfn, write):
    write(m_json='{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": ${Pause}, "End": true}}}')
    assert sfn("validate", "m.json", "--set", "Pause=5").code == 0
    assert sfn("validate", "m.json", "--set", "Pause=soon").code == 1
    write(sfnrun_yaml="substitutions: {Pause: -1}")
    assert "SFN-W03" in sfn("validate", "m.json").out
    assert sfn("validate", "m.json", "--set", "Pause=5").code == 0
    write(other_yaml="substitutions: {Pause: 1}")
    assert sfn("validate", "m.json", "--config", "other.yaml").code == 0


# --- which files -----------------------------------------------------------------------------------------------------


def test_folders_are_searched_for_definitions_and_templates(sfn, write):
    template = (
        f"Resources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      Definition: {BROKEN}\n"
    )
    write(
        a_asl_json=BROKEN,
        sub__b_asl_yaml=BROKEN,
        sub__deep__c_asl_yml=BROKEN,
        d_asl=BROKEN,
        template_yaml=template,
        sub__serverless_yml="stepFunctions: {stateMachines: {m: {definition: " + BROKEN + "}}}",
        chart__template_yaml="kind: Deployment",
        package_json="{",
        node__modules__x_asl_json="{",
    )
    shutil.copytree("node", "node_modules")
    shutil.copytree("node", ".hidden")
    done = sfn("validate", "sub", "a.asl.json", ".")
    found = ["sub/b.asl.yaml", "sub/serverless.yml", "sub/deep/c.asl.yml", "a.asl.json"]
    again = ["./a.asl.json", "./d.asl", "./template.yaml", "./node/modules/x.asl.json"]
    assert checked(done)[:8] == [*found, *again]
    assert sfn("validate").err == sfn("validate", ".").err


def test_globs_are_for_shells_that_leave_them_to_us(sfn, write):
    write(a_asl_json=BROKEN, sub__b_asl_json=BROKEN, sub__c_txt="")
    assert checked(sfn("validate", "**/*.asl.json")) == ["a.asl.json", "sub/b.asl.json"]
    assert checked(sfn("validate", "*.asl.json", "a.asl.json")) == ["a.asl.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["*.asl.yaml"], "no file matches *.asl.yaml"),
        (["empty"], "no definitions found in empty"),
        ([], "no definitions found in ."),
        (["--config", "gone.yaml", "m.asl.json"], "gone.yaml"),
        (["m.asl.json", "--select", "SFN-G99"], "unknown rule SFN-G99"),
        (["m.asl.json", "--ignore", "nonsense"], "unknown rule nonsense"),
        (["--explain", "G99"], "unknown rule G99"),
        (["--watch", "-"], "cannot watch stdin"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense(sfn, folder, arguments, says):
    (folder / "empty").mkdir()
    (folder / "m.asl.json").write_text(CLEAN) if arguments else None
    done = sfn("validate", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_the_worst_file_decides(sfn, write, folder):
    write(good_asl_json=CLEAN, bad_asl_json=BROKEN, warned_asl_yaml=WARNED)
    (folder / "folder.asl.json").mkdir()

    def code(*arguments: str) -> int:
        return sfn("validate", *arguments).code

    assert code("good.asl.json") == 0
    assert code("warned.asl.yaml", "good.asl.json") == 0
    assert code("warned.asl.yaml", "good.asl.json", "--strict") == 1
    assert code("good.asl.json", "bad.asl.json", "good.asl.json") == 1
    assert code("good.asl.json", "gone.asl.json", "bad.asl.json") == 2
    assert "SFN-G02" in sfn("validate", "gone.asl.json", "bad.asl.json").out


def test_a_file_is_told_once_by_itself_and_as_a_part_of_a_template(sfn, write):
    write(
        template_yaml="Resources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n"
        "      Type: EXPRESS\n      DefinitionUri: m.asl.json\n",
        m_asl_json=BROKEN.replace('"Pass"', '"Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"'),
    )
    done = sfn("validate", "template.yaml", "m.asl.json")
    assert done.err.startswith("2 files checked: ")
    assert (done.out.count("SFN-G02"), done.out.count("SFN-K02")) == (1, 1)
    assert "SFN-K02" not in sfn("validate", "template.yaml", "--type", "STANDARD").out
    assert "SFN-K02" in sfn("validate", "m.asl.json", "--type", "EXPRESS").out


# --- which rules -----------------------------------------------------------------------------------------------------


def test_rules_are_selected_and_ignored(sfn, write):
    write(m_asl_json=BROKEN)

    def rules(*options: str) -> list[str]:
        return re.findall(r"SFN-[A-Z]\d\d", sfn("validate", "m.asl.json", *options).out)

    assert rules() == ["SFN-G04", "SFN-G02"]
    assert rules("--select", "SFN-G02") == ["SFN-G02"]
    assert rules("--select", "g02,G04") == ["SFN-G04", "SFN-G02"]
    assert rules("--ignore", "SFNG02") == ["SFN-G04"]
    assert rules("--ignore", "SFN-G") == []
    write(sfnrun_yaml="ignore: [SFN-G04]")
    assert rules() == ["SFN-G02"]
    assert rules("--ignore", "G02") == []
    write(sfnrun_yaml="ignore: [SFN-G99]")
    done = sfn("validate", "m.asl.json")
    assert done.code == 1
    assert "sfnrun.yaml:1:1: error SFN-CONFIG: unknown rule SFN-G99" in done.out


def test_settings_are_those_beside_each_file(sfn, write):
    write(one__m_asl_json=BROKEN, one__sfnrun_yaml="ignore: [SFN-G]", two__m_asl_json=BROKEN)
    assert checked(sfn("validate", "one", "two")) == ["two/m.asl.json"]


COMMENTS = {
    "on the line": ("    Next: B  # sfnrun: ignore SFN-G02", "SFN-G04"),
    "above the line": ("    # sfnrun: ignore G02\n    Next: B", "SFN-G04"),
    "without the dash": ("    Next: B # sfnrun: ignore SFNG02", "SFN-G04"),
    "with a reason": ("    Next: B # sfnrun: ignore SFN-G02 -- B comes with the next release", "SFN-G04"),
    "every rule": ("    Next: B # sfnrun: ignore", "SFN-G04"),
    "another rule": ("    Next: B # sfnrun: ignore SFN-G03", "SFN-G04 SFN-G02"),
    "another line": ("    # sfnrun: ignore SFN-G02\n\n    Next: B", "SFN-G04 SFN-G02"),
    "a section, for the file": ("    Next: B\n# sfnrun: ignore-file SFN-G", ""),
    "two rules, for the file": ("    Next: B\n# sfnrun: ignore-file: SFN-G02, SFN-G04", ""),
    "no such rule": ("    Next: B # sfnrun: ignore SFN-G99", "SFN-G04 SFN-G02 SFN-S16"),
    "another word": ("    Next: B # sfnrun: ignored", "SFN-G04 SFN-G02"),
}


@pytest.mark.parametrize("comment", COMMENTS)
def test_comments_in_yaml(sfn, write, comment):
    lines, left = COMMENTS[comment]
    write(m_asl_yaml=f"StartAt: A\nStates:\n  A:\n    Type: Pass\n{lines}\n")
    assert re.findall(r"^\S+: \w+ (SFN-\w+)", sfn("validate", "m.asl.yaml").out, re.MULTILINE) == left.split()


def test_execute_ignores_what_validate_ignores(sfn, write):
    text = "StartAt: A\nStates:\n  A: {Type: Pass, End: true}\n  B: {Type: Succeed}"
    write(m_asl_yaml=text)
    assert sfn("execute", "m.asl.yaml").code == 2
    write(m_asl_yaml=f"{text}  # sfnrun: ignore SFN-G03\n")
    assert sfn("execute", "m.asl.yaml").code == 0
    write(m_asl_yaml=text, sfnrun_yaml="ignore: [SFN-G03]")
    assert sfn("execute", "m.asl.yaml").code == 0
    write(sfnrun_yaml="")
    assert sfn("trace", "replay", "last").code == 0


def test_rules_are_explained(sfn):
    done = sfn("validate", "--explain", "g02")
    assert done.code == 0
    assert done.out.startswith("SFN-G02  error · MISSING_TRANSITION_TARGET\n\n")
    assert "Example:" in done.out
    section = sfn("validate", "--explain", "SFN-G").out
    assert re.findall(r"^SFN-\w+", section, re.MULTILINE) == sorted(id for id in all_rules() if id.startswith("SFN-G"))
    assert sfn("validate", "--explain", "all").out == page() + "\n"


def test_the_page_of_rules_is_in_step():
    """`sfnrun validate --explain all > RULES.md` writes it anew."""
    written = (ROOT / "RULES.md").read_text("utf-8")
    assert written == page() + "\n"
    assert sorted(re.findall(r"^### (SFN-\w+)$", written, re.MULTILINE)) == sorted(all_rules())


# --- habits of such tools --------------------------------------------------------------------------------------------


def test_watching_sees_what_is_new_changed_and_gone(folder):
    one, two = folder / "one", folder / "two"
    one.write_text("1")
    acts = iter([lambda: None, lambda: two.write_text("2"), lambda: one.write_text("longer"), one.unlink])

    def pause() -> None:
        next(acts)()

    seen = changes(lambda: ["one", "two", "never"], pause)
    assert list(itertools.islice(seen, 3)) == [["two"], ["one"], ["one"]]


def test_watching_checks_again_until_it_is_interrupted(sfn, write, monkeypatch):
    write(m_asl_json=BROKEN)
    texts = iter([CLEAN, BROKEN + " ", "{"])

    def pause(seconds: float) -> None:
        text = next(texts, None)
        if text is None:
            raise KeyboardInterrupt
        write(m_asl_json=text)

    monkeypatch.setattr("sfnrun.cli.validate.time.sleep", pause)
    done = sfn("validate", "m.asl.json", "--watch")
    assert done.code == 130
    assert re.findall(r"^(?:m.asl.json changed|1 file checked[^\n]*)", done.err, re.MULTILINE) == [
        "1 file checked: 2 errors",
        "m.asl.json changed",
        "1 file checked, no problems",
        "m.asl.json changed",
        "1 file checked: 2 errors",
        "m.asl.json changed",
        "1 file checked: 1 error",
    ]
    assert "Traceback" not in done.err


def test_the_hooks_of_pre_commit():
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["sfnrun-validate", "sfnrun-validate-templates"]
    matches = {hook["id"]: re.compile(hook["files"]).search for hook in hooks}
    for name in ("a.asl.json", "x/b.asl.yaml", "c.asl.yml", "d.asl"):
        assert matches["sfnrun-validate"](name)
    for name in ("template.yaml", "x/template.yml", "cdk.out/S.template.json", "serverless.yml"):
        assert matches["sfnrun-validate-templates"](name)
        assert not matches["sfnrun-validate"](name)
    for name in ("aslx.json", "a.asl.jsonx", "package.json", "mytemplate.yaml"):
        assert not any(match(name) for match in matches.values())


def test_the_hooks_run(sfn, write):
    """Each with its own arguments on a file of its kind."""
    write(
        m_asl_json=CLEAN,
        template_yaml="Resources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n"
        f"      Definition: {CLEAN}\n",
    )
    for hook, file in zip(
        yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()), ("m.asl.json", "template.yaml"), strict=True
    ):
        program, *arguments = hook["entry"].split()
        assert program == "sfnrun"
        assert sfn(*arguments, *hook.get("args", []), file) == (0, "", "")
