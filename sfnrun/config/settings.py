"""Settings of sfnrun.yaml, each key with its type, its description and examples.

`msgspec.convert` reads the file into these records, and the JSON Schema is made from them. A key whose attribute has
another name says so: `ttl` is read as `ttl_ms`, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, field
from msgspec.structs import replace

from sfnrun.config.scalars import (
    CACHE_ADDRESSES,
    Account,
    Backend,
    Definition,
    Directory,
    Duration,
    Handler,
    Invalid,
    Pattern,
    Region,
    Role,
    RuleId,
    Seconds,
    Size,
    VersionRange,
)
from sfnrun.payload import Json, dumps

__all__ = [
    "ANSWERS",
    "SHORT_FORMS",
    "Answer",
    "CacheRule",
    "CacheSettings",
    "CacheTarget",
    "FunctionSettings",
    "LimitSettings",
    "MachineSettings",
    "Settings",
    "TaskError",
    "TaskRule",
]

# Of these a rule has one, and an attempt exactly one.
ANSWERS = ("handler", "result", "error", "pending", "attempts")

Text = Annotated[str, Meta(min_length=1)]
Scalar = str | int | float | bool


def key(description: str, *examples: Json) -> Meta:
    """What the schema and the documentation say of a key."""
    return Meta(description=description, examples=list(examples))


class TaskError(Struct, frozen=True, forbid_unknown_fields=True):
    """An error that a Task fails with."""

    error: Annotated[Text, key("Error name, as Retry and Catch match it.", "Bank.Timeout")]
    cause: Annotated[Json, key("Cause. Values that are not strings are serialized to JSON.", "no reply in 30 s")] = None

    @property
    def cause_text(self) -> str | None:
        """The cause as the history has it."""
        return self.cause if self.cause is None or isinstance(self.cause, str) else dumps(self.cause)


_RESULT = key("Result of the Task, returned literally.", {"MessageId": "m-1"}, None)
_ERROR = key("Error of the Task: its name, or its name and cause.", "CardDeclined", {"error": "Oops", "cause": "why"})
_HANDLER = key(
    "Python callable: dir/file.py:function relative to this file, package.module:function, or module.function.",
    "functions/price.py:handler",
    "my_package.jobs:submit",
)
_PENDING = key("If true, the Task never completes by itself. For Tasks with a token, or to test a timeout.", True)
_SIMULATED = key("Simulated duration of the Task.", "2s", 0.5)


class Answer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What answers one attempt of a Task: exactly one of `handler`, `result`, `error`, `pending`."""

    handler: Annotated[Handler | None, _HANDLER] = None
    result: Annotated[Json, _RESULT] = UNSET
    error: Annotated[TaskError | None, _ERROR] = None
    pending: Annotated[bool, _PENDING] = False
    duration_ms: Annotated[Duration | None, _SIMULATED] = field(default=None, name="duration")

    def __post_init__(self) -> None:
        if not _only_answer(self):
            raise Invalid("an attempt needs an answer", "give it one of handler, result, error, pending")


_TTL = key("Time to live. Default: until evicted.", "60s", "15m")
_CACHE_KEY = key(
    "Part of the payload to use as cache key: a JSONPath, a JSONata expression in {% %}, or a list of fields. "
    "Default: the whole payload.",
    ["sku"],
    "$.sku",
    "{% $states.input.sku %}",
)
Key = Annotated[str, Meta(min_length=1)] | Annotated[tuple[str, ...], Meta(min_length=1)] | None
Fraction = Annotated[float, Meta(ge=0, le=1)]


class CacheTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The cached results of another task; with a `key` the one that the writer's payload names."""

    task: Annotated[Text, key("Name of the other task under `tasks`.", "GetPrice")]
    key: Annotated[Key, _CACHE_KEY] = None


class CacheRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the results of a Task are cached."""

    enabled: Annotated[bool, key("If false, results of this Task are not cached.", False)] = True
    ttl_ms: Annotated[Duration | None, _TTL] = field(default=None, name="ttl")
    key: Annotated[Key, _CACHE_KEY] = None
    strategy: Annotated[
        Literal["lazy", "write-through", "refresh-ahead"],
        key(
            "lazy: on a miss, call the handler and store its result. write-through: store the result of this task for "
            "the task that reads it. refresh-ahead: refresh shortly before expiry. Default: lazy.",
            "refresh-ahead",
        ),
    ] = "lazy"
    vary: Annotated[tuple[str, ...], key("Environment variables that are part of the cache key.", ["STAGE"])] = ()
    version: Annotated[
        str | int | float, key("Version of the results. Results of another version are stale.", "2", 3)
    ] = ""
    stale_if_error_ms: Annotated[
        Duration, key("How long after expiry an entry may be returned if the handler fails.", "1h")
    ] = field(default=0, name="stale_if_error")
    stale_while_revalidate_ms: Annotated[
        Duration, key("How long after expiry an entry may be returned while a new one is fetched.", "10s")
    ] = field(default=0, name="stale_while_revalidate")
    negative_ttl_ms: Annotated[Duration, key("How long errors are cached. Default: not cached.", "5s")] = field(
        default_factory=Duration, name="negative_ttl"
    )
    jitter: Annotated[
        Fraction, key("Largest part of the TTL to subtract at random, so that entries do not expire together.", 0.1)
    ] = 0.0
    refresh_ahead: Annotated[
        Fraction, key("Last part of the TTL in which refresh-ahead refreshes. Default: 0.2.", 0.5)
    ] = 0.2
    writes: Annotated[
        CacheTarget | None, key("Task that reads what this one writes, for strategy write-through.", "GetPrice")
    ] = None
    invalidates: Annotated[
        tuple[CacheTarget, ...], key("Tasks whose cached results this one makes stale.", ["ListPrices"])
    ] = ()


class TaskRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What answers a Task, and how its results are cached."""

    handler: Annotated[Handler | None, _HANDLER] = None
    result: Annotated[Json, _RESULT] = UNSET
    error: Annotated[TaskError | None, _ERROR] = None
    pending: Annotated[bool, _PENDING] = False
    attempts: Annotated[
        Annotated[tuple[Answer, ...], Meta(min_length=1)],
        key(
            "One answer for each attempt, in order; the last one is used for all later attempts.",
            [{"error": "Bank.Timeout"}, {"result": {}}],
        ),
    ] = ()
    duration_ms: Annotated[Duration | None, _SIMULATED] = field(default=None, name="duration")
    timeout: Annotated[Seconds | None, key("Time limit of the handler, in real time.", "5s")] = None
    cache: Annotated[
        CacheRule | None, key("Cache rule: true (no expiry), false, a TTL such as 60s, or a map.", "60s", {"ttl": "1h"})
    ] = None

    def __post_init__(self) -> None:
        _only_answer(self)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What answers each attempt, the last one all later attempts; empty if the rule does not say."""
        if self.attempts:
            return self.attempts
        if self.handler is None and self.result is UNSET and self.error is None and not self.pending:
            return ()
        return (Answer(handler=self.handler, result=self.result, error=self.error, pending=self.pending),)

    def without_handlers(self) -> TaskRule:
        """The rule without anything that runs code."""
        return replace(self, handler=None, attempts=tuple(each for each in self.attempts if each.handler is None))

    def answer(self, attempt: int) -> Answer | None:
        """What answers an attempt, counted from 0; None if the rule does not say."""
        answers = self.answers
        return answers[min(attempt, len(answers) - 1)] if answers else None


def _only_answer(rule: Answer | TaskRule) -> bool:
    """Whether a rule says what answers. Raises Invalid if it says so twice."""
    given = [
        name
        for name, value in (
            ("handler", rule.handler),
            ("result", None if rule.result is UNSET else True),
            ("error", rule.error),
            ("pending", rule.pending),
            ("attempts", rule.attempts if isinstance(rule, TaskRule) else None),
        )
        if value
    ]
    if len(given) > 1:
        raise Invalid(
            f"'{given[0]}' and '{given[1]}' exclude each other", "for one after the other use attempts:", key=given[1]
        )
    return bool(given)


_PYTHON = key(
    "Python that runs functions: a version, or the path of an interpreter. "
    "Default: VIRTUAL_ENV, the .venv of the project, or that of sfnrun.",
    "3.12",
    ".venv/bin/python",
)


class FunctionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What Lambda knows of a function."""

    handler: Annotated[Handler | None, _HANDLER] = None
    timeout: Annotated[Seconds | None, key("Timeout, as configured in Lambda. Default: 3 seconds.", "30s")] = None
    memory: Annotated[Annotated[int, Meta(ge=128, le=10240)] | None, key("Memory in MB. Default: 128.", 512)] = None
    environment: Annotated[
        Mapping[str, Scalar | None],
        key("Environment variables by name; those of all matching entries are merged.", {"LOG_LEVEL": "debug"}),
    ] = {}
    mode: Annotated[
        Literal["process", "in-process"] | None,
        key(
            "Where the function runs: process, in execution environments of its own; in-process, one call at a time, "
            "for patches of this process and breakpoints. Default: process.",
            "in-process",
        ),
    ] = None
    python: Annotated[Text | None, _PYTHON] = None
    layers: Annotated[
        tuple[Pattern, ...] | None,
        key("Layers, as directories or zip files; later ones overwrite earlier ones.", ["layers/common"]),
    ] = None
    preload: Annotated[
        tuple[Text, ...] | None,
        key("Installed packages that are slow to import, imported once for all environments.", ["boto3"]),
    ] = None
    log_format: Annotated[
        Literal["text", "json"] | None, key("Format of the function's log. Default: text.", "json")
    ] = None


class MachineSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A state machine of the project."""

    definition: Annotated[
        Definition | None, key("Definition file, or TEMPLATE#NAME.", "order.asl.yaml", "template.yaml#Order")
    ] = None
    type: Annotated[
        Literal["STANDARD", "EXPRESS"] | None, key("Workflow type. Default: from the template.", "EXPRESS")
    ] = None
    role_arn: Annotated[
        Role | None, key("Role in the ExecutionStarted event.", "arn:aws:iam::123456789012:role/Orders")
    ] = None
    substitutions: Annotated[
        Mapping[str, Scalar], key("Values of ${Name} placeholders of this machine alone.", {"TableName": "orders"})
    ] = {}
    tasks: Annotated[
        Mapping[str, TaskRule], key("Rules for the Tasks of this machine alone.", {"Save": {"result": {}}})
    ] = {}


class CacheSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the results of Tasks are cached."""

    backend: Annotated[
        Backend | None,
        key(
            f"A directory, or a server: {', '.join(CACHE_ADDRESSES.values())}. Default: .sfnrun/cache.",
            "redis://127.0.0.1:6379/0",
            "memory://",
            "kept",
        ),
    ] = None
    size_limit: Annotated[
        Size, key("Size at which eviction begins, for directories and memory. Default: 256MB.", "64MB")
    ] = 256 * 1024 * 1024
    eviction: Annotated[
        Literal["lru", "lfu"],
        key("Entry to evict first: the least recently or the least frequently used. Default: lru.", "lfu"),
    ] = "lru"
    timeout_ms: Annotated[
        Duration,
        key(
            "Timeout of a request to a cache server. After it, the run continues without the cache. Default: 200ms.",
            "50ms",
        ),
    ] = field(default=200, name="timeout")


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Quotas."""

    quotas: Annotated[
        bool, key("If false, AWS's quotas are not enforced, such as 256 KiB of data and 25,000 events.", False)
    ] = True


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of sfnrun for the state machines in this directory and below."""

    required_version: Annotated[
        VersionRange | None, key("Versions of sfnrun that can read this file.", ">=0.1", ">=0.1,<2")
    ] = None
    functions_dir: Annotated[
        Directory | None, key("Directory of Python handlers found by name. Default: functions.", "src/handlers")
    ] = None
    templates: Annotated[
        tuple[Pattern, ...] | None,
        key(
            "Templates with state machines of this project, as files or glob patterns; [] for none. "
            "Default: those next to this file, and cdk.out/*.template.json.",
            ["infra/template.yaml"],
            [],
        ),
    ] = None
    substitutions: Annotated[
        Mapping[str, Scalar],
        key("Values of ${Name} placeholders in definitions, by name. --set overrides them.", {"TableName": "orders"}),
    ] = {}
    store: Annotated[
        Directory | None, key("Directory that executions are recorded in. Default: .sfnrun/executions.", "histories")
    ] = None
    clock: Annotated[
        Literal["real", "virtual"] | None,
        key("Clock of `execute`: real, or virtual to skip waits, retry delays and timeouts.", "virtual"),
    ] = None
    seed: Annotated[
        int | None,
        key("Seed for jitter, UUIDs and States.MathRandom: the same seed gives the same history.", 1),
    ] = None
    python: Annotated[Text | None, _PYTHON] = None
    region: Annotated[Region | None, key("AWS region in ARNs and events. Default: us-east-1.", "eu-central-1")] = None
    account: Annotated[Account | None, key("AWS account in ARNs. Default: 123456789012.", "000000000000")] = None
    ignore: Annotated[
        tuple[RuleId, ...], key("Rules or sections that `validate` does not report.", ["SFN-G09", "SFN-T"])
    ] = ()
    redact: Annotated[
        tuple[Text, ...],
        key("Keys and JSONPaths whose values are masked wherever values are shown.", ["card", "$.customer.email"]),
    ] = ()
    machines: Annotated[
        Mapping[str, MachineSettings],
        key("State machines by name: a definition, or a map.", {"Order": "order.asl.yaml"}),
    ] = {}
    functions: Annotated[
        Mapping[str, FunctionSettings],
        key("Functions by name; * matches any characters. Matching entries are merged.", {"*": {"timeout": "30s"}}),
    ] = {}
    tasks: Annotated[
        Mapping[str, TaskRule],
        key(
            "Mocks, handlers and cache rules of Tasks: by state, else by function, else by resource, else by pattern "
            "with * for any characters. dynamodb:* is short for arn:aws:states:::dynamodb:*.",
            {"sns:publish": {"result": {"MessageId": "m-1"}}},
        ),
    ] = {}
    cache: Annotated[CacheSettings, key("Cache of Task results.", {"backend": "memory://", "size_limit": "64MB"})] = (
        field(default_factory=CacheSettings)
    )
    limits: Annotated[LimitSettings, key("Limits to enforce.", {"quotas": False})] = field(
        default_factory=LimitSettings
    )


def _cache_rule(written: Json) -> Json:
    return {"enabled": written} if isinstance(written, bool) else {"ttl": written}


# Types that may be written shorter: what the short form is, its JSON Schema, and what it stands for.
SHORT_FORMS: dict[type, tuple[str, dict[str, Any], Callable[[Json], Json]]] = {
    CacheRule: ("true, false or a duration", {"type": ["boolean", "number", "string"]}, _cache_rule),
    CacheTarget: ("the name of a task", {"type": "string", "minLength": 1}, lambda written: {"task": written}),
    MachineSettings: ("a definition", {"type": "string", "minLength": 1}, lambda written: {"definition": written}),
    TaskError: ("the name of an error", {"type": "string", "minLength": 1}, lambda written: {"error": written}),
}
