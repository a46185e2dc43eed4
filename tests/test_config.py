"""sfnrun.yaml: what it may say, where it is found, and what a person is told whose file has mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sfnrun.config import (
    CacheRule,
    CacheSettings,
    CacheTarget,
    Config,
    FunctionSettings,
    Reply,
    TaskRule,
    load_config,
    milliseconds,
)
from sfnrun.config.file import config_schema
from sfnrun.errors import ConfigError

TABLE = Path(__file__).with_name("tables") / "config_errors.yaml"
MISTAKES = [
    pytest.param(case["text"], case["says"], id=case["name"]) for case in yaml.safe_load(TABLE.read_text("utf-8"))
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "price.py").write_text("def handler(event, context): ...\n")
    return tmp_path


def config(folder: Path, text: str) -> Config:
    (folder / "sfnrun.yaml").write_text(text)
    return load_config(None, folder)


@pytest.mark.parametrize(("text", "says"), MISTAKES)
def test_mistakes_are_shown_where_they_are(text: str, says: str, folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config(folder, text)
    assert str(caught.value).replace(str(folder), "DIR").splitlines() == says.splitlines()


def test_all_that_can_be_said(folder: Path) -> None:
    read = config(
        folder,
        """
        functions: functions
        substitutions: {Table: orders, Account: 012345678901, Timeout: 30, Fast: true}
        function_settings:
          ChargeCard: {handler: functions/price.py:handler, timeout: 1m, memory: 512, env: {TABLE: t, N: 1, F: true}}
          "*": {timeout: 10}
        tasks:
          Submit: {handler: mypackage.jobs:submit, duration: 2s, timeout: 5}
          Charge:
            attempts:
              - error: Lambda.TooManyRequestsException
              - error: {error: Oops, cause: {why: [1]}}
              - result: null
                duration: 250ms
          Ask: {pending: true}
        cache: {backend: "redis://127.0.0.1:6379/0", dir: kept, size_limit: 1.5MB, eviction: lfu, timeout: 50ms,
          redact: [pin]}
        environment: {STAGE: dev}
        ignore: [SFN-T19]
        seed: 7
        region: eu-central-1
        account: "012345678901"
        role_arn: arn:aws:iam::012345678901:role/R
        state_machine_name: Orders
        history: runs
        """,
    )
    assert read == Config(
        path=folder / "sfnrun.yaml",
        functions=folder / "functions",
        substitutions={"Table": "orders", "Account": "012345678901", "Timeout": 30, "Fast": True},
        function_settings={
            "ChargeCard": FunctionSettings(
                f"{folder}/functions/price.py:handler", 60.0, 512, {"TABLE": "t", "N": "1", "F": "true"}
            ),
            "*": FunctionSettings(timeout=10.0),
        },
        tasks=(
            TaskRule("Submit", (Reply("handler", "mypackage.jobs:submit", duration_ms=2000),), 2000, 5.0),
            TaskRule(
                "Charge",
                (
                    Reply("error", error="Lambda.TooManyRequestsException"),
                    Reply("error", error="Oops", cause='{"why":[1]}'),
                    Reply("result", duration_ms=250),
                ),
            ),
            TaskRule("Ask", (Reply("pending"),)),
        ),
        cache=CacheSettings("redis://127.0.0.1:6379/0", folder / "kept", 1_572_864, "lfu", 50, ("pin",)),
        environment={"STAGE": "dev"},
        ignore=("SFN-T19",),
        seed=7,
        region="eu-central-1",
        account="012345678901",
        role_arn="arn:aws:iam::012345678901:role/R",
        state_machine_name="Orders",
        history=folder / "runs",
    )


CACHE_RULES = [
    ("60s", CacheRule(ttl_ms=60_000)),
    ("90", CacheRule(ttl_ms=90_000)),
    ("true", CacheRule()),
    ("false", CacheRule(enabled=False)),
    (
        "{ttl: 1d, strategy: refresh-ahead, refresh_ahead: 0.5}",
        CacheRule(True, 86_400_000, "refresh-ahead", None, refresh_ahead=0.5),
    ),
    ("{key: $.id, vary: [STAGE], version: 2}", CacheRule(key="$.id", vary=("STAGE",), version="2")),
    ("{key: [id, size], jitter: 0.1}", CacheRule(key=("id", "size"), jitter=0.1)),
    (
        "{stale_if_error: 2h, stale_while_revalidate: 15m, negative_ttl: 1s}",
        CacheRule(stale_if_error_ms=7_200_000, stale_while_revalidate_ms=900_000, negative_ttl_ms=1000),
    ),
    (
        "{strategy: write-through, writes: {task: GetPrice, key: $.item}, invalidates: [ListPrices], redact: [pin]}",
        CacheRule(
            strategy="write-through",
            writes=CacheTarget("GetPrice", "$.item"),
            invalidates=(CacheTarget("ListPrices"),),
            redact=("pin",),
        ),
    ),
]


@pytest.mark.parametrize(("written", "rule"), CACHE_RULES)
def test_cache_rules(written: str, rule: CacheRule, folder: Path) -> None:
    assert config(folder, f"tasks: {{GetPrice: {{cache: {written}}}}}").tasks[0].cache == rule


RULES = """
tasks:
  "arn:aws:states:::dynamodb:*": {result: any}
  dynamodb:putItem: {result: put}
  "*": {timeout: 9}
  GetPrice: {result: state}
  Price: {result: function}
  Cached: {cache: 60s}
"""


@pytest.mark.parametrize(
    ("state", "function", "resource", "result", "timeout", "ttl"),
    [
        ("GetPrice", "Price", "arn:aws:states:::lambda:invoke", "state", 9, None),
        ("Other", "Price", "arn:aws:states:::lambda:invoke", "function", 9, None),
        ("Cached", "Price", "arn:aws:states:::lambda:invoke", "function", 9, 60_000),
        ("Cached", None, "arn:aws:states:::dynamodb:putItem", "put", 9, 60_000),
        ("Other", None, "arn:aws:states:::dynamodb:getItem", "any", 9, None),
        ("Other", None, "arn:aws-cn:states:::dynamodb:putItem", "put", 9, None),
        ("Other", None, "arn:aws:states:::sqs:sendMessage", None, 9, None),
    ],
)
def test_the_rule_of_a_task(
    state: str, function: str | None, resource: str, result: Any, timeout: float, ttl: int | None, folder: Path
) -> None:
    rule = config(folder, RULES).task_rule(state, function, resource)
    assert rule is not None
    reply = rule.reply(0)
    assert (reply.result if reply else None) == result
    assert rule.timeout == timeout
    assert (rule.cache.ttl_ms if rule.cache else None) == ttl


def test_no_rule_for_a_task() -> None:
    rules = Config(tasks=(TaskRule("A"), TaskRule("sns:*")))
    assert rules.task_rule("B", "F", "arn:aws:states:::sqs:sendMessage") is None
    assert rules.task_rule("B", None, "arn:aws:states:::sns:publish") == TaskRule("sns:*")


def test_the_last_reply_answers_all_further_attempts() -> None:
    rule = TaskRule("A", (Reply("error", error="E"), Reply("result", result=1)))
    assert [reply.kind for attempt in range(4) if (reply := rule.reply(attempt))] == ["error", *["result"] * 3]
    assert TaskRule("A").reply(0) is None


def test_function_settings_by_name_then_by_the_most_specific_pattern() -> None:
    settings = {
        "*": FunctionSettings(timeout=1),
        "Get*": FunctionSettings(timeout=2),
        "GetOne": FunctionSettings(timeout=4),
    }
    read = Config(function_settings=settings)
    assert [read.function(name).timeout for name in ("Put", "GetTwo", "GetOne")] == [1, 2, 4]
    assert Config().function("Any") == FunctionSettings(None, 3.0, 128, {})


def test_where_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, inner = tmp_path / "project", tmp_path / "project" / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "sfnrun.yaml").write_text("seed: 1")
    monkeypatch.chdir(project)
    # What lies above the working directory is not ours.
    assert load_config(None, inner).path is None
    (project / "sfnrun.yaml").write_text("seed: 2")
    assert load_config(None, inner).path == project / "sfnrun.yaml"
    (project / "a" / "sfnrun.yml").write_text("seed: 3")
    assert load_config(None, inner).seed == 3
    assert load_config(project / "sfnrun.yaml", inner).seed == 2


def test_the_git_root_ends_the_search_and_the_working_directory_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, elsewhere = tmp_path / "up" / "project", tmp_path / "elsewhere"
    (project / ".git").mkdir(parents=True)
    (project / "machines").mkdir()
    elsewhere.mkdir()
    (tmp_path / "up" / "sfnrun.yaml").write_text("seed: 1")
    monkeypatch.chdir(elsewhere)
    assert load_config(None, project / "machines").path is None
    (elsewhere / "sfnrun.yaml").write_text("seed: 2")
    assert load_config(None, project / "machines").seed == 2
    (project / "sfnrun.yaml").write_text("seed: 3")
    assert load_config(None, project / "machines").seed == 3


def test_the_folder_of_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = tmp_path / "statemachines"
    machines.mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_config(None, machines).functions == machines / "functions"
    (tmp_path / "functions").mkdir()
    assert load_config(None, machines).functions == tmp_path / "functions"
    (tmp_path / "sfnrun.yaml").write_text("functions: handlers")
    assert load_config(None, machines).functions == tmp_path / "handlers"


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "tasks:\n", "{}"])
def test_a_file_may_say_nothing(text: str, folder: Path) -> None:
    read = config(folder, text)
    defaults = Config(path=folder / "sfnrun.yaml", functions=folder / "functions")
    assert (read.tasks, read.seed, read.functions) == (defaults.tasks, defaults.seed, defaults.functions)
    assert read.cache.dir == folder / ".sfnrun" / "cache"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "other.yaml", tmp_path)


@pytest.mark.parametrize(
    ("written", "ms"),
    [(0, 0), (1.5, 1500), ("2", 2000), ("250ms", 250), ("90s", 90_000), ("1.5h", 5_400_000), ("1d", 86_400_000)],
)
def test_durations(written: Any, ms: int) -> None:
    assert milliseconds(written) == ms


@pytest.mark.parametrize("written", ["", "s", "1 s", "-1", "1w", True, "1e3", "\u0661s"])
def test_what_is_no_duration(written: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        milliseconds(written)


def test_the_schema_is_one_and_describes_everything() -> None:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    undescribed = [
        f"{name}.{key}"
        for name, part in {"": schema, **schema["$defs"]}.items()
        for key, setting in part.get("properties", {}).items()
        if "description" not in setting and "$ref" not in setting
    ]
    assert undescribed == []


def test_importing_and_finding_no_file_is_cheap() -> None:
    program = (
        "import sys, pathlib; from sfnrun.config import load_config; load_config(None, pathlib.Path(sys.argv[1]));"
        "print([name for name in ('yaml', 'jsonschema_rs', 'difflib', 'sfnrun.asl') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, "/"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent / "tables",
    )
    assert run.stdout.strip() == "[]"
