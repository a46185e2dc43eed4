"""The key of an answer: a hash of the task's name, of what it was asked and of the environment that counts.

The handler's code, the resource and the version are not in it: they stand in the entry, so that a miss can say which
of them changed, and a Task that writes can find the key of the Task that reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from sfnrun.cache.policy import Policy
from sfnrun.payload import Json, canonical

__all__ = ["generation_key", "key_of", "question_of", "readable"]

_READABLE_LENGTH = 300
_MASK = "•••"


def question_of(policy: Policy, payload: Json) -> Json:
    """The part of the payload that counts. Raises NoKey."""
    return payload if policy.key is None else policy.key(payload)


def key_of(policy: Policy, question: Json, environment: Mapping[str, str], resource: str = "") -> str:
    """40 hexadecimal digits. 200 KB of payload take less than 2 ms."""
    where = resource if policy.by_resource else ""
    values = tuple((name, environment.get(name)) for name in policy.vary) if policy.vary else ()
    return hashlib.sha256(_about(policy.task, where, values) + canonical(question)).hexdigest()[:40]


@lru_cache(maxsize=1024)
def _about(task: str, resource: str, values: tuple[tuple[str, str | None], ...]) -> bytes:
    return canonical([task, resource, values]) + b"\n"


def generation_key(task: str) -> str:
    """The key of the mark that all entries of a task must bear to be good; a new mark makes them stale at once."""
    return "gen-" + hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def readable(question: Json, redact: frozenset[str]) -> str:
    """The question as people may see it in listings: redacted members masked, cut to 300 characters."""
    text = canonical(masked(question, redact) if redact else question).decode("utf-8", "replace")
    return text if len(text) <= _READABLE_LENGTH else text[: _READABLE_LENGTH - 1] + "…"


def masked(value: Json, redact: frozenset[str]) -> Json:
    """The value with the members of these names masked, at every depth."""
    if isinstance(value, dict):
        return {name: _MASK if name in redact else masked(member, redact) for name, member in value.items()}
    if isinstance(value, list):
        return [masked(item, redact) for item in value]
    return value
