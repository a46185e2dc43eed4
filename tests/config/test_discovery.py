"""Where a project begins, which files count, and what its settings say of Tasks, functions and machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sfnrun.config import (
    Answer,
    CacheRule,
    FunctionSettings,
    MachineSettings,
    Project,
    Settings,
    TaskRule,
    find_root,
    load_project,
)
from sfnrun.errors import ConfigError

# --- where it begins ---

ROOTS = [
    # files of the tree, where the search begins, the root it finds
    ("a/b/sfnrun.yaml a/sfnrun.yaml", "a/b/c", "a/b"),
    ("a/sfnrun.yml", "a/b/c", "a"),
    ("a/sfnrun.yaml a/b/template.yaml", "a/b/c", "a"),
    ("a/template.yml a/.git/x", "a/b/c", "a"),
    ("a/serverless.yml", "a/b/c", "a"),
    ("a/cdk.json", "a/b/c", "a"),
    ("a/main.tf", "a/b/c", "a"),
    ("a/other.tf", "a/b/c", "a/b/c"),
    ("a/.git/x", "a/b/c", "a"),
    ("sfnrun.yaml a/.git/x", "a/b/c", "a"),
    ("a/sfnrun.yaml a/.git/x", "a/b/c", "a"),
    ("sfnrun.yaml a/b/.git/x", "a/b/c", "a/b"),
    ("home/sfnrun.yaml", "home/b", "home/b"),
    ("sfnrun.yaml", "home/b", "home/b"),
    ("home/sfnrun.yaml", "home", "home"),
    ("", "a/b", "a/b"),
]


@pytest.mark.parametrize(("files", "start", "root"), ROOTS)
def test_root(files: str, start: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # The directory of the tests may belong to a project itself.
    tree = tmp_path / "home" / "tree" if start.startswith("a") else tmp_path
    monkeypatch.setenv("HOME", str(tree.parent if start.startswith("a") else tree / "home"))
    for file in files.split():
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        is_machine = file.endswith("main.tf")
        (tree / file).write_text('resource "aws_sfn_state_machine" "m" {}' if is_machine else "")
    (tree / start).mkdir(parents=True, exist_ok=True)
    assert find_root(tree / start) == tree / root


def test_the_working_directory_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "machines" / ".git").mkdir(parents=True)
    elsewhere.mkdir()
    for folder, seed in ((project, 1), (elsewhere, 2)):
        (folder / "sfnrun.yaml").write_text(f"seed: {seed}")
    for folder in (project / "machines", elsewhere, tmp_path):
        monkeypatch.chdir(folder)
        assert load_project(project / "machines").settings.seed is None
        assert load_project(project).settings.seed == 1


def test_a_relative_directory_is_that_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sfnrun.yaml").write_text("store: runs")
    monkeypatch.chdir(tmp_path / "sub")
    assert load_project(".").root == load_project(Path()).root == tmp_path
    assert load_project().store == tmp_path / "runs"


def test_two_files_of_settings_are_an_error(tmp_path: Path) -> None:
    for name in ("sfnrun.yaml", "sfnrun.yml"):
        (tmp_path / name).write_text("")
    with pytest.raises(ConfigError, match=r"'sfnrun\.yml' and 'sfnrun\.yaml' exclude each other"):
        load_project(tmp_path)


def test_named_files_count_instead_of_the_one_that_is_found(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sfnrun.yaml").write_text("seed: 1\nregion: eu-west-1")
    (tmp_path / "ci.yaml").write_text("seed: 2")
    found = load_project(tmp_path / "sub", config=tmp_path / "ci.yaml")
    assert (found.settings.seed, found.settings.region, found.root) == (2, None, tmp_path)
    both = load_project(tmp_path, config=[tmp_path / "sfnrun.yaml", str(tmp_path / "ci.yaml")])
    assert (both.settings.seed, both.settings.region) == (2, "eu-west-1")
    assert [file.path.name for file in both.files] == ["sfnrun.yaml", "ci.yaml"]


def test_defaults_are_at_the_root(tmp_path: Path) -> None:
    project = load_project(tmp_path)
    assert project == Project(root=tmp_path)
    assert project.functions_dir == tmp_path / "functions"
    assert project.store == tmp_path / ".sfnrun" / "executions"
    assert project.cache.backend == str(tmp_path / ".sfnrun" / "cache")


def test_templates(tmp_path: Path) -> None:
    for name in ("template.yaml", "cdk.out/A.template.json", "infra/one.yaml", "infra/two.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert load_project(tmp_path).templates == (tmp_path / "template.yaml", tmp_path / "cdk.out" / "A.template.json")
    (tmp_path / "sfnrun.yaml").write_text("templates: ['infra/*.yaml']")
    assert load_project(tmp_path).templates == (tmp_path / "infra" / "one.yaml", tmp_path / "infra" / "two.yaml")
    (tmp_path / "sfnrun.yaml").write_text("templates: []")
    assert load_project(tmp_path).templates == ()


def test_importing_and_finding_no_file_is_cheap(tmp_path: Path) -> None:
    program = (
        "import sys; from sfnrun.config import load_project; load_project(sys.argv[1]);"
        "print([name for name in ('yaml', 'jsonschema_rs', 'difflib', 'sfnrun.asl') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# --- what it says of Tasks ---

RULES = {
    "arn:aws:states:::dynamodb:*": TaskRule(result="any"),
    "dynamodb:putItem": TaskRule(result="put"),
    "*": TaskRule(timeout=9),
    "GetPrice": TaskRule(result="state"),
    "Price": TaskRule(result="function"),
    "Cached": TaskRule(cache=CacheRule(ttl_ms=60_000)),
    "Cached*": TaskRule(result="pattern", timeout=7),
}
LAMBDA, PUT, GET = (
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::dynamodb:putItem",
    "arn:aws:states:::dynamodb:getItem",
)


@pytest.mark.parametrize(
    ("state", "function", "resource", "result", "timeout", "ttl"),
    [
        ("GetPrice", "Price", LAMBDA, "state", 9, None),
        ("Other", "Price", LAMBDA, "function", 9, None),
        ("Other", "price", LAMBDA, "function", 9, None),
        ("Other", "arn:aws:lambda:us-east-1:123456789012:function:PRICE:prod", LAMBDA, "function", 9, None),
        ("Cached", "Price", LAMBDA, "function", 7, 60_000),
        ("Cached", None, PUT, "put", 7, 60_000),
        ("CachedToo", None, GET, "any", 7, None),
        ("Other", "CachedThing", LAMBDA, "pattern", 7, None),
        ("Other", None, GET, "any", 9, None),
        ("Other", None, "arn:aws-cn:states:::dynamodb:putItem", "put", 9, None),
        ("Other", None, "arn:aws:states:::sns:publish", None, 9, None),
    ],
)
def test_task_rules_complete_each_other_the_more_specific_first(
    state: str, function: str | None, resource: str, result: str | None, timeout: float, ttl: int | None
) -> None:
    rule = Project(settings=Settings(tasks=RULES)).task_rule(state, function, resource)
    assert rule.answer(0) == (None if result is None else Answer(result=result))
    assert rule.timeout == timeout
    assert (rule.cache.ttl_ms if rule.cache else None) == ttl


def test_a_pattern_that_matches_nothing_leaves_a_task_without_rule() -> None:
    project = Project(settings=Settings(tasks={"sns:*": TaskRule(result=1), "A": TaskRule(result=2)}))
    assert project.task_rule("B", "F", "arn:aws:states:::sqs:sendMessage") == TaskRule()
    assert project.task_rule("B", None, "arn:aws:states:::sns:publish") == TaskRule(result=1)
    assert project.cache_rule("A", None, PUT) is None


def test_results_are_cached_under_the_name_of_the_rule() -> None:
    project = Project(settings=Settings(tasks=RULES | {"dynamodb:*": TaskRule(cache=CacheRule())}))
    assert project.cache_rule("Cached", None, PUT) == ("Cached", CacheRule(ttl_ms=60_000))
    assert project.cache_rule("Other", None, PUT) == ("dynamodb:*", CacheRule())


def test_the_settings_of_a_machine_come_first() -> None:
    project = Project(
        settings=Settings(
            substitutions={"Table": "orders", "Stage": "dev"},
            tasks={"Save": TaskRule(result="all", timeout=3), "Load": TaskRule(result="all")},
            machines={
                "Refunds": MachineSettings(substitutions={"Table": "refunds"}, tasks={"*": TaskRule(result="own")})
            },
        )
    )
    own = project.for_machine("Refunds")
    assert own.substitutions == {"Table": "refunds", "Stage": "dev"}
    assert own.task_rule("Save", None, PUT) == TaskRule(attempts=(Answer(result="own"),), timeout=3)
    assert list(own.rules) == ["*", "Save", "Load"]
    for other in (project, project.for_machine("Unknown")):
        assert other.task_rule("Save", None, PUT).result == "all"
        assert other.substitutions["Table"] == "orders"


# --- what it says of functions ---


def test_entries_of_a_function_are_merged_the_more_specific_first() -> None:
    entries = {
        "*": FunctionSettings(timeout=1, memory=256, environment={"A": "all", "B": "all"}),
        "get-*": FunctionSettings(timeout=2, environment={"B": "get"}),
        "GetOne": FunctionSettings(timeout=4),
    }
    project = Project(settings=Settings(functions=entries))
    assert project.function("get-two") == FunctionSettings(timeout=2, memory=256, environment={"A": "all", "B": "get"})
    assert project.function("get-one").timeout == project.function("GETONE:prod").timeout == 4
    assert project.function("put").timeout == 1
    assert Project().function("any") == FunctionSettings()


# --- its machines ---

TEMPLATE = """
Resources:
  Shipping:
    Type: AWS::StepFunctions::StateMachine
    Properties: {DefinitionString: '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'}
"""


def test_machines_by_name(tmp_path: Path) -> None:
    (tmp_path / "order.asl.yaml").write_text("StartAt: A\nStates: {A: {Type: Succeed}}\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "hidden.asl.json").write_text("")
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    names = {"order": f"{tmp_path}/order.asl.yaml", "Shipping": f"{tmp_path}/template.yaml#Shipping"}
    assert load_project(tmp_path).machines == names
    (tmp_path / "sfnrun.yaml").write_text("machines: {Orders: order.asl.yaml, Shipping: {type: EXPRESS}}")
    project = load_project(tmp_path)
    assert project.machines == names | {"Orders": f"{tmp_path}/order.asl.yaml"}
    assert project.machine_at(tmp_path / "order.asl.yaml") == "Orders"
    assert project.machine_at(tmp_path / "template.yaml", "Shipping") == "Shipping"
    assert project.for_machine("Shipping").own.type == "EXPRESS"
    assert project.machine_at(tmp_path / "sub" / "hidden.asl.json") == ""


def test_what_is_recorded_is_private(tmp_path: Path) -> None:
    from sfnrun.private import make_directory, opener

    make_directory(tmp_path / "a" / ".sfnrun" / "executions")
    make_directory(tmp_path / "a" / ".sfnrun" / "executions")
    assert (tmp_path / "a" / ".sfnrun" / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / "a" / ".gitignore").exists()
    with open(tmp_path / "a" / "file", "x", opener=opener):
        pass
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*") if path.name != ".gitignore"
    }
    assert modes == {".sfnrun": 0o700, "executions": 0o700, "file": 0o600}
