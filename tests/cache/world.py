"""A small world to cache: a database, Tasks that read and write it, and a clock that passes when told to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sfnrun.api.caching import compile_key
from sfnrun.cache.backend import Backend
from sfnrun.cache.concurrency import BackgroundJobs, run_inline
from sfnrun.cache.policy import Policies
from sfnrun.cache.store import Store
from sfnrun.config import Project, load_project
from sfnrun.effects import PENDING, Handler, Reply, Request, Resource
from sfnrun.errors import TaskFailed
from sfnrun.payload import Payload
from sfnrun.tasks.cached import CachedHandlers, Caching

START = 1_700_000_000_000


def config_of(tasks: Mapping[str, Any], folder, redact: tuple[str, ...] = ()) -> Project:
    path = folder / "sfnrun.yaml"
    path.write_text(yaml.safe_dump({"tasks": tasks, "redact": list(redact)}))
    return load_project(folder, config=path)


@dataclass
class World:
    """`database` is what GetPrice reads and PutPrice writes; `calls` counts what the handlers were asked."""

    backend: Backend
    folder: Any
    tasks: Mapping[str, Any]
    clock: str = "virtual"
    now: int = START
    database: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    code: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    takes_ms: int = 0
    redact: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.store = Store(self.backend, self.said.append)
        self.background = BackgroundJobs()
        self.rule(self.tasks)

    def project_of(self, tasks: Mapping[str, Any]) -> Project:
        return config_of({name: {"cache": rule} for name, rule in tasks.items()}, self.folder, self.redact)

    def rule(self, tasks: Mapping[str, Any], **options: Any) -> None:
        """Read the rules, as a new run would."""
        self.caching = Caching(
            self.store,
            Policies(self.project_of(tasks), compile_key),
            fingerprint_of=lambda handler: dict(self.code),
            now=None if self.clock == "virtual" else lambda: self.now,
            background=run_inline if self.clock == "virtual" else self.background,
            environment=self.environment,
            **options,
        )

    cached_replies = None

    def for_request(self, request: Request) -> Handler:
        return Handler(self.call)

    def call(self, request: Request):
        """The handler of every Task."""
        task = request.state
        self.calls[task] = self.calls.get(task, 0) + 1
        if task in self.failing:
            raise TaskFailed(self.failing[task], "on purpose")
        if task in self.pending:
            return PENDING
        sku = request.payload.get("sku")
        if task.startswith("Put"):
            self.database[sku] = request.payload["price"]
        return Reply({"sku": sku, "price": self.database.get(sku)}, duration_ms=self.takes_ms)

    def ask(self, task: str, payload: Any, handler: Handler | None = None, **more: Any) -> Reply:
        """One Task, cached or not, to its end and that of what it started."""
        request = Request(
            key="1", id="1", state=task, attempt=more.get("attempt", 0), token=more.get("token"), context={},
            resource=lambda_of(task), arguments=Payload.parse(json.dumps(payload)), at=self.now,
        )  # fmt: skip
        handlers = CachedHandlers(self if handler is None else Only(handler), self.caching)
        found = handlers.for_request(request)
        # As drivers do, which look for cached replies first; and without, as if there were none.
        cached = handlers.cached_replies([(request, found)]) if self.clock == "real" else {}
        reply = cached.get(request.key) or found.call(request)
        self.background.close(5)
        return reply

    def price(self, sku: str = "a", task: str = "GetPrice") -> Any:
        output = self.ask(task, {"sku": sku}).output
        return (output.value if isinstance(output, Payload) else output)["price"]


@dataclass
class Only:
    """An Answerer with one handler."""

    handler: Handler
    cached_replies = None

    def for_request(self, request: Request) -> Handler:
        return self.handler


def lambda_of(task: str) -> Resource:
    return Resource(f"arn:aws:lambda:us-east-1:123456789012:function:{task}", "lambda", "lambda", name=task)
