"""One kept answer as bytes: a JSON array `["sfnrun cache", 1, CHECKSUM, LENGTH, {…}, VALUE]`, never a pickle.

The checksum covers all that follows it. LENGTH is that of the `{…}`, so the text of VALUE comes out as it went in.
Whatever cannot be read (damaged, foreign, of a newer format) is Unreadable, which is a miss and no error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson

__all__ = ["HEAD_LENGTH", "Entry", "Unreadable", "decode", "encode", "head"]

FORMAT = 1
_MAGIC = b'["sfnrun cache",'
_OPENING = b'["sfnrun cache",%d,"' % FORMAT
_SUM_LENGTH = 32
_SUM_END = len(_OPENING) + _SUM_LENGTH
_LENGTH_START = _SUM_END + 2
_META_START = _LENGTH_START + 9

# The opening and the checksum: as good as the whole for telling whether two stored values are the same.
HEAD_LENGTH = _SUM_END


class Unreadable(Exception):
    """Stored bytes that are no entry of ours; the message says which kind: damaged, foreign, newer."""


class Entry(NamedTuple):
    """An answer, or the mark that one is gone, with what is needed to judge it.

    `kind` "value": `text` is the JSON text of the result; "error": of `{"error":…,"cause":…}`; "gone": `by` made the
    answer stale. `asked_at`, `stored_at` and `expires_at` (None: never) are engine milliseconds, `took_ms` what the
    handler took. `code` and `resource` are None where they do not count: a result written through comes from other
    code than the reader's. `generation` is the mark of the task (see `generation_key`) when this was asked, `question`
    a readable part of the key, `submitted` what a `.sync` service answered at once. `id` makes every entry different.
    """

    kind: Literal["value", "error", "gone"]
    task: str
    state: str
    text: str
    asked_at: int
    stored_at: int
    expires_at: int | None = None
    took_ms: int = 0
    version: str = ""
    code: Mapping[str, str] | None = None
    resource: str | None = None
    generation: str = ""
    question: str = ""
    by: str = ""
    submitted: str | None = None
    id: str = ""


_NONE = type(None)
_TYPES: tuple[Any, ...] = (
    str, str, str, str, int, int, (int, _NONE), int, str, (dict, _NONE), (str, _NONE), str, str, str, (str, _NONE), str,
)  # fmt: skip


def encode(entry: Entry) -> bytes:
    """The bytes of an entry."""
    told = entry._asdict()
    del told["text"]
    meta = orjson.dumps(told)
    rest = b'",%8d,%b,%b]' % (len(meta), meta, entry.text.encode("utf-8", "surrogatepass"))
    return _OPENING + _sum(rest) + rest


def decode(data: bytes) -> Entry:
    """The entry of stored bytes. Raises Unreadable."""
    if not data.startswith(_OPENING):
        raise Unreadable("of a newer format" if data.startswith(_MAGIC) else "foreign")
    if _sum(data[_SUM_END:]) != data[len(_OPENING) : _SUM_END]:
        raise Unreadable("damaged")
    meta_end = _META_START + int(data[_LENGTH_START : _META_START - 1])
    try:
        told = orjson.loads(data[_META_START:meta_end])
        entry = Entry(text=data[meta_end + 1 : -1].decode("utf-8", "surrogatepass"), **told)
    except (TypeError, ValueError) as error:
        raise Unreadable("foreign") from error
    if not all(isinstance(value, kind) for value, kind in zip(entry, _TYPES, strict=True)):
        raise Unreadable("foreign")  # somebody else's, with a checksum that fits
    return entry


def head(data: bytes) -> bytes:
    """What tells this stored value from any other."""
    return data[:HEAD_LENGTH]


def _sum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest()[:_SUM_LENGTH].encode()
