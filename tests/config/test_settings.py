"""sfnrun.yaml: what it may say, what it means, and what is reported of mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from msgspec import UNSET

from sfnrun.config import (
    Answer,
    CacheRule,
    CacheSettings,
    CacheTarget,
    FunctionSettings,
    LimitSettings,
    MachineSettings,
    Settings,
    TaskError,
    TaskRule,
    load_project,
    milliseconds,
)
from sfnrun.config.scalars import size_in_bytes
from sfnrun.config.schema import settings_schema
from sfnrun.errors import ConfigError

SCHEMA = settings_schema()
TABLE = Path(__file__).with_name("settings_errors.yaml")
MISTAKES = [
    pytest.param(case["text"], case["says"], id=case["name"]) for case in yaml.safe_load(TABLE.read_text("utf-8"))
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "price.py").write_text("def handler(event, context): ...\n")
    (tmp_path / "order.asl.yaml").write_text("")
    return tmp_path


def settings(folder: Path, text: str, *over: str) -> Settings:
    (folder / "sfnrun.yaml").write_text(text)
    paths = [folder / "sfnrun.yaml"]
    for number, each in enumerate(over):
        paths.append(folder / f"over-{number}.yaml")
        paths[-1].write_text(each)
    return load_project(folder, config=paths).settings


@pytest.mark.parametrize(("text", "says"), MISTAKES)
def test_mistakes_are_reported_with_their_location(
    text: str, says: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_WORD", "hush")
    with pytest.raises(ConfigError) as caught:
        settings(folder, text)
    assert str(caught.value).replace(str(folder), "DIR").splitlines() == says.splitlines()


def test_every_key(folder: Path) -> None:
    read = settings(
        folder,
        """
        required_version: ">=0.1,<99"
        functions_dir: handlers
        templates: ["infra/*.yaml"]
        substitutions: {Table: orders, Account: 012345678901, Timeout: 30, Fast: true}
        store: runs
        clock: virtual
        seed: 7
        region: eu-central-1
        account: 012345678901
        ignore: [SFN-T19, SFN-G]
        redact: [pin, $.customer.email]
        machines:
          Orders: order.asl.yaml
          Refunds: {definition: order.asl.yaml, type: EXPRESS, role_arn: "arn:aws:iam::012345678901:role/R",
            substitutions: {Table: refunds}, tasks: {Save: {result: {}}}}
        functions:
          ChargeCard: {handler: functions/price.py:handler, timeout: 1m, memory: 512, environment: {N: 1, F: true}}
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
        cache: {backend: "redis://127.0.0.1:6379/0", size_limit: 1.5MB, eviction: lfu, timeout: 50ms}
        limits: {quotas: false}
        x-mine: &mine {anything: [at all]}
        """,
    )
    assert read == Settings(
        required_version=">=0.1,<99",
        functions_dir=folder / "handlers",
        templates=(f"{folder}/infra/*.yaml",),
        substitutions={"Table": "orders", "Account": "012345678901", "Timeout": 30, "Fast": True},
        store=folder / "runs",
        clock="virtual",
        seed=7,
        region="eu-central-1",
        account="012345678901",
        ignore=("SFN-T19", "SFN-G"),
        redact=("pin", "$.customer.email"),
        machines={
            "Orders": MachineSettings(definition=f"{folder}/order.asl.yaml"),
            "Refunds": MachineSettings(
                definition=f"{folder}/order.asl.yaml",
                type="EXPRESS",
                role_arn="arn:aws:iam::012345678901:role/R",
                substitutions={"Table": "refunds"},
                tasks={"Save": TaskRule(result={})},
            ),
        },
        functions={
            "ChargeCard": FunctionSettings(
                handler=f"{folder}/functions/price.py:handler",
                timeout=60.0,
                memory=512,
                environment={"N": 1, "F": True},
            ),
            "*": FunctionSettings(timeout=10.0),
        },
        tasks={
            "Submit": TaskRule(handler="mypackage.jobs:submit", duration_ms=2000, timeout=5.0),
            "Charge": TaskRule(
                attempts=(
                    Answer(error=TaskError("Lambda.TooManyRequestsException")),
                    Answer(error=TaskError("Oops", {"why": [1]})),
                    Answer(result=None, duration_ms=250),
                )
            ),
            "Ask": TaskRule(pending=True),
        },
        cache=CacheSettings(backend="redis://127.0.0.1:6379/0", size_limit=1_572_864, eviction="lfu", timeout_ms=50),
        limits=LimitSettings(quotas=False),
    )
    assert read.tasks["Charge"].attempts[1].error.cause_text == '{"why":[1]}'


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("60s", CacheRule(ttl_ms=60_000)),
        ("90", CacheRule(ttl_ms=90_000)),
        ("true", CacheRule()),
        ("false", CacheRule(enabled=False)),
        (
            "{ttl: 1d, strategy: refresh-ahead, refresh_ahead: 0.5}",
            CacheRule(ttl_ms=86_400_000, strategy="refresh-ahead", refresh_ahead=0.5),
        ),
        ("{key: $.id, vary: [STAGE], version: 2}", CacheRule(key="$.id", vary=("STAGE",), version=2)),
        ("{key: [id, size], jitter: 0.1}", CacheRule(key=("id", "size"), jitter=0.1)),
        (
            "{stale_if_error: 2h, stale_while_revalidate: 15m, negative_ttl: 1s}",
            CacheRule(stale_if_error_ms=7_200_000, stale_while_revalidate_ms=900_000, negative_ttl_ms=1000),
        ),
        (
            "{strategy: write-through, writes: {task: GetPrice, key: $.item}, invalidates: [ListPrices]}",
            CacheRule(
                strategy="write-through",
                writes=CacheTarget("GetPrice", "$.item"),
                invalidates=(CacheTarget("ListPrices"),),
            ),
        ),
    ],
)
def test_cache_rules(written: str, rule: CacheRule, folder: Path) -> None:
    assert settings(folder, f"tasks: {{GetPrice: {{cache: {written}}}}}").tasks["GetPrice"].cache == rule


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing yet\n", "tasks:\n", "{}", "seed: null", "x-a: 1", "machines: {}"]
)
def test_a_file_that_says_nothing_is_all_defaults(text: str, folder: Path) -> None:
    assert settings(folder, text) == Settings()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        load_project(tmp_path, config=tmp_path / "other.yaml")


# --- several files ---


@pytest.mark.parametrize(
    ("below", "above", "expected"),
    [
        ("seed: 1", "seed: 2", "seed: 2"),
        ("seed: 1", "seed: null", "{}"),
        ("ignore: [SFN-G]", "ignore: [SFN-T]", "ignore: [SFN-T]"),
        ("tasks: {A: {result: 1}}", "tasks: {B: {result: 2}}", "tasks: {A: {result: 1}, B: {result: 2}}"),
        ("tasks: {A: {result: 1}}", "tasks: {A: {cache: 60s}}", "tasks: {A: {result: 1, cache: 60s}}"),
        ("tasks: {A: {result: 1}}", "tasks: {A: {error: Oops}}", "tasks: {A: {error: Oops}}"),
        ("tasks: {A: {result: 1, timeout: 5}}", "tasks: {A: {attempts: [{pending: true}]}}",
         "tasks: {A: {attempts: [{pending: true}], timeout: 5}}"),
        ("tasks: {A: {result: 1}}", "tasks: {A: null}", "{}"),
        ("tasks: {A: {result: {a: 1}}}", "tasks: {A: {result: {b: null}}}", "tasks: {A: {result: {b: null}}}"),
        ("tasks: {A: {result: 1}}", "tasks: {A: {result: null}}", "tasks: {A: {result: null}}"),
        ("tasks: {A: {cache: {ttl: 60s, version: 2}}}", "tasks: {A: {cache: 5s}}",
         "tasks: {A: {cache: {ttl: 5s, version: 2}}}"),
        ("functions: {f: {environment: {A: a, B: b}}}", "functions: {f: {environment: {B: c, A: null}}}",
         "functions: {f: {environment: {B: c}}}"),
    ],
)  # fmt: skip
def test_later_files_override_earlier_ones(below: str, above: str, expected: str, folder: Path) -> None:
    assert settings(folder, below, above) == settings(folder, expected)


def test_paths_are_relative_to_their_own_file(folder: Path) -> None:
    (folder / "ci").mkdir()
    (folder / "ci" / "ci.yaml").write_text("store: runs\ncache: {backend: kept}")
    (folder / "sfnrun.yaml").write_text("functions_dir: handlers\nstore: elsewhere")
    read = load_project(folder, config=[folder / "sfnrun.yaml", folder / "ci" / "ci.yaml"]).settings
    assert read.functions_dir == folder / "handlers"
    assert read.store == folder / "ci" / "runs"
    assert read.cache.backend == str(folder / "ci" / "kept")


def test_problems_of_all_files_are_reported_together(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(folder, "seeed: 1", "clock: sun")
    assert [problem.message for problem in caught.value.problems] == [
        "unknown key 'seeed'",
        "'sun' is not one of real, virtual",
    ]


# --- variables ---


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"${env:WORD}"', "hush"),
        ('"<${env:WORD}>"', "<hush>"),
        ('"${env:WORD, other}"', "hush"),
        ('"${env:UNSET_WORD, other word}"', "other word"),
        ('"${env:UNSET_WORD,}"', ""),
        ('"$${env:WORD}"', "${env:WORD}"),
        ('"${WORD}"', "${WORD}"),
        ("{a: ['${env:WORD}']}", {"a": ["hush"]}),
    ],
)
def test_variables_in_strings(written: str, value: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "hush")
    assert settings(folder, f"tasks: {{A: {{result: {written}}}}}").tasks["A"].result == value


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("seed", "7", 7),
        ("account", "012345678901", "012345678901"),
        ("limits: {quotas", "false", False),
        ("functions: {f: {memory", "512", 512),
        ("functions: {f: {timeout", "1m", 60.0),
        ("substitutions: {Table", "7", "7"),
    ],
)
def test_a_variable_that_is_the_whole_value_has_the_type_of_its_key(
    key: str, text: str, value: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIVEN", text)
    found: Any = settings(folder, f'{key}: "${{env:GIVEN}}"{"}" * key.count("{")}')
    written = yaml.safe_load((folder / "sfnrun.yaml").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(written)
    for name in key.replace("{", "").split(": "):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert found == value


def test_a_variable_without_value_is_reported_in_its_own_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"sfnrun\.yaml:2:8: error SFN-CONFIG: the variable UNSET_WORD is not set"):
        settings(folder, 'seed: 1\nstore: "${env:UNSET_WORD}"')


# --- units ---


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (0, 0), (1.5, 1500), ("2", 2000), ("250ms", 250), ("90s", 90_000), ("1.5h", 5_400_000), ("1d", 86_400_000),
        ("1h30m", 5_400_000), ("1m1s1ms", 61_001),
    ],
)  # fmt: skip
def test_durations(written: Any, ms: int) -> None:
    assert milliseconds(written) == ms


@pytest.mark.parametrize("written", ["", "s", "1 s", "-1", "1w", True, "1e3", "\u0661s", "1h 30m", "1h30", None])
def test_invalid_durations_are_rejected(written: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        milliseconds(written)


@pytest.mark.parametrize(
    ("written", "size"), [("512B", 512), ("512KB", 524_288), ("1.5MB", 1_572_864), ("1GB", 1_073_741_824)]
)
def test_sizes(written: str, size: int) -> None:
    assert size_in_bytes(written) == size


@pytest.mark.parametrize("written", [512, "512", "5 MB", "1TB", "", True, "-1KB"])
def test_invalid_sizes_are_rejected(written: Any) -> None:
    with pytest.raises(ValueError, match=r"has no unit|is not a size"):
        size_in_bytes(written)


# --- the schema ---


def keys_of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of every record, with its schema."""
    for name, record in {"": schema, **schema["$defs"]}.items():
        whole = next((each for each in record.get("anyOf", ()) if "properties" in each), record)
        yield from ((f"{name}.{key}", member) for key, member in whole.get("properties", {}).items())


def test_the_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("name", "member"), [pytest.param(*each, id=each[0]) for each in keys_of(SCHEMA)])
def test_every_key_has_a_description_and_examples_that_validate(
    name: str, member: dict[str, Any], folder: Path
) -> None:
    assert member["description"].endswith((".", ")")), name
    assert member["examples"], name
    record_name, _, key = name.partition(".")
    for example in member["examples"]:
        whole = {key: example, **({"task": "A"} if record_name == "CacheTarget" and key != "task" else {})}
        whole |= {"error": "E"} if record_name == "TaskError" and key != "error" else {}
        whole |= {"result": 1} if record_name == "Answer" and key == "duration" else {}
        written = WITHIN[record_name](whole)
        jsonschema.Draft202012Validator(SCHEMA).validate(written)
        for file in ("template.yaml", "my_package/jobs.py"):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text("")
        settings(folder, msgspec.json.encode(written).decode())


WITHIN: dict[str, Any] = {
    "": lambda value: value,
    "Answer": lambda value: {"tasks": {"A": {"attempts": [value]}}},
    "CacheRule": lambda value: {"tasks": {"A": {"cache": value}}},
    "CacheSettings": lambda value: {"cache": value},
    "CacheTarget": lambda value: {"tasks": {"A": {"cache": {"writes": value}}}},
    "FunctionSettings": lambda value: {"functions": {"f": value}},
    "LimitSettings": lambda value: {"limits": value},
    "MachineSettings": lambda value: {"machines": {"M": value}},
    "TaskError": lambda value: {"tasks": {"A": {"error": value}}},
    "TaskRule": lambda value: {"tasks": {"A": value}},
}


@pytest.mark.parametrize(("text", "says"), MISTAKES)
def test_the_schema_rejects_what_the_reader_rejects(text: str, says: str) -> None:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    only_the_reader_knows = (
        "not found",
        "not set",
        "needs sfnrun",
        "Duplicate key",
        "the same function",
        "•••",
        "a map, such",
    )
    if not any(words in says for words in only_the_reader_knows):
        assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(value)


def test_the_last_answer_is_for_all_later_attempts() -> None:
    rule = TaskRule(attempts=(Answer(error=TaskError("E")), Answer(result=1)))
    assert [rule.answer(attempt) for attempt in range(4)] == [rule.attempts[0], *[rule.attempts[1]] * 3]
    assert TaskRule(cache=CacheRule()).answer(0) is None
    assert TaskRule(result=1).answer(5) == Answer(result=1)
    assert TaskRule().result is UNSET
