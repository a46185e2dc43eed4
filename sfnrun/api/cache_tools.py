"""What can be done with a cache from outside a run: look into it, clear it, carry it elsewhere, fill it beforehand."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from sfnrun.api.caching import compile_key
from sfnrun.cache.admin import CacheAdmin
from sfnrun.cache.backend import Unavailable
from sfnrun.cache.backends import open_backend
from sfnrun.cache.entry import Entry
from sfnrun.cache.key import key_of, key_text, select_key
from sfnrun.cache.policy import KeyNotFound, Policies, Policy, expiry, retention_seconds
from sfnrun.cache.store import Store
from sfnrun.config import Project
from sfnrun.config.names import function_arn
from sfnrun.effects import Pending, Reply, Request, Resource
from sfnrun.errors import TaskFailed, UnavailableError, UsageError
from sfnrun.payload import Json, Payload, loads
from sfnrun.record import ACCOUNT, REGION
from sfnrun.tasks.cached.fingerprint import CodeFingerprints
from sfnrun.tasks.resolve import Resolver, TaskNames

__all__ = ["Warmed", "inventory", "now_ms", "place_of", "warm"]


def now_ms() -> int:
    """Milliseconds since 1970 by the clock on the wall, which entries of runs under the real clock are judged by."""
    return int(time.time() * 1000)


def place_of(project: Project) -> str:
    """Where the settings keep answers: the folder, or a server's address without what is secret."""
    backend = project.cache.backend or ""
    return open_backend(project.cache).label if "://" in backend else backend


@contextmanager
def inventory(project: Project) -> Iterator[CacheAdmin]:
    """The cache that the settings name, for looking into it. Raises UnavailableError if it cannot be reached."""
    with _store(project) as store:
        yield CacheAdmin(store)


@contextmanager
def _store(project: Project) -> Iterator[Store]:
    store = Store(open_backend(project.cache))
    try:
        yield store
    except Unavailable as error:
        raise UnavailableError(f"cannot reach the cache: {error}", "check `cache:` in sfnrun.yaml") from error
    finally:
        store.close()


class Warmed(NamedTuple):
    """What came of warming: entries that were given with their value, handlers that were asked, and failed."""

    given: int = 0
    asked: int = 0
    failed: int = 0


def warm(project: Project, lines: Iterable[str]) -> Warmed:
    """Fill the cache before it is asked, from lines `{"task": "GetPrice", "payload": {…}, "value": …}`.

    `task` is the name of a rule in sfnrun.yaml. Without a `value` the handler of the state or function of that name is
    asked. Raises UsageError for a line that says something else.
    """
    warmer = _Warmer(project)
    with _store(project) as store:
        outcomes = [warmer.keep(store, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return Warmed(outcomes.count("given"), outcomes.count("asked"), outcomes.count("failed"))


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    task: str
    payload: msgspec.Raw
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Warmer:
    def __init__(self, project: Project) -> None:
        self._project = project
        self._policies = Policies(project, compile_key)
        self._resolver = Resolver(project)
        self._fingerprints = CodeFingerprints(project.root)

    def keep(self, store: Store, number: int, text: str) -> str:
        """Keep the answer that a line speaks of; "given", "asked" or "failed"."""
        try:
            line = msgspec.json.decode(text, type=_Line)
            policy = self._policies.named(line.task)
            payload = Payload(loads(bytes(line.payload).decode()))
            question = select_key(policy, payload.value)
        except (ValueError, KeyNotFound) as error:
            raise UsageError(f"line {number}: {error}", '{"task": "GetPrice", "payload": {…}, "value": …}') from error
        if isinstance(line.value, msgspec.Raw):
            self._store(store, policy, question, bytes(line.value).decode(), None, 0)
            return "given"
        return self._ask(store, policy, question, payload)

    def _ask(self, store: Store, policy: Policy, question: Json, payload: Payload) -> str:
        name = policy.task
        region, account = self._project.settings.region or REGION, self._project.settings.account or ACCOUNT
        resource = Resource(function_arn(name, region, account), "lambda", "lambda", name=name)
        handler = self._resolver.find(TaskNames(name, name, resource))
        if handler is None:
            raise UsageError(f"nobody answers {name}", "give the line a value, or the task a handler")
        request = Request("warm", "warm", name, resource, payload, 0, None, {}, at=now_ms())
        began = time.perf_counter()
        try:
            result = handler.call(request)
        except TaskFailed:
            return "failed"
        output = result.output if isinstance(result, Reply) else result
        if isinstance(output, Pending) or (isinstance(result, Reply) and result.failure is not None):
            return "failed"
        took = round((time.perf_counter() - began) * 1000)
        value = output if isinstance(output, Payload) else Payload.from_python(output)
        self._store(store, policy, question, value.text, self._fingerprints.of(handler), took)
        return "asked"

    def _store(self, store: Store, policy: Policy, question: Json, text: str, code: object, took_ms: int) -> None:
        at, key = now_ms(), key_of(policy, question, os.environ)
        entry = Entry(
            "value",
            policy.task,
            policy.task,
            at,
            at,
            expiry(policy, key, at),
            took_ms,
            took_ms,
            policy.version,
            dict(code) if isinstance(code, dict) else None,
            tag_version=(store.tag_version(policy.task) or "") if policy.tagged else "",
            key_text=key_text(question, policy.redact),
            written_by="warm",
        )
        if not store.put(key, entry, text, retention_seconds(policy)):
            raise Unavailable(f"{store.backend.label} keeps nothing")
