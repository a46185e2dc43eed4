"""One kept answer as bytes: a JSON array `["sfnrun cache", 1, CHECKSUM, EXPIRY, LENGTH, {…}, VALUE]`, never a pickle.

The checksum covers all that follows it. EXPIRY stands where a server's script can read it; LENGTH is that of the `{…}`,
so the text of VALUE comes out as it went in.
Whatever cannot be read (damaged, foreign, of a newer format) is Unreadable, which is a miss and no error.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct, json

__all__ = ["EXPIRY", "HEAD_LENGTH", "Entry", "Unreadable", "decode", "encode", "head", "is_dead"]

FORMAT = 1
_MAGIC = b'["sfnrun cache",'
_OPENING = b'["sfnrun cache",%d,"' % FORMAT
_SUM_LENGTH = 32
_SUM_END = len(_OPENING) + _SUM_LENGTH
_NEVER = 10**15 - 1
EXPIRY = slice(_SUM_END + 2, _SUM_END + 17)
_LENGTH_START = EXPIRY.stop + 1
_META_START = _LENGTH_START + 9

# The opening and the checksum: as good as the whole for telling whether two stored values are the same.
HEAD_LENGTH = _SUM_END


class Unreadable(Exception):
    """Stored bytes that are no entry of ours; the message says which kind: damaged, foreign, newer."""


class Entry(Struct, frozen=True, omit_defaults=True):
    """What is known of a kept answer, enough to judge it; or the mark that one is gone.

    `kind` "value": the text beside it is a result; "error": `{"error":…,"cause":…}`; "gone": `by` made it stale.
    `asked_at`, `stored_at` and `expires_at` (None: never) are engine milliseconds, `took_ms` what the handler
    took, by that clock too, and `really_took_ms` by the clock on the wall.
    `code` and `resource` are None where they do not count: a result written through comes from other code than the
    reader's. `generation` is the mark of the task (see `generation_key`) when this was asked, `question` a readable
    part of the key, `submitted` what a `.sync` service answered at once. `id` makes every entry different.
    """

    kind: Literal["value", "error", "gone"]
    task: str
    state: str
    asked_at: int
    stored_at: int
    expires_at: int | None = None
    took_ms: int = 0
    really_took_ms: int = 0
    version: str = ""
    code: dict[str, str] | None = None
    resource: str | None = None
    generation: str = ""
    question: str = ""
    by: str = ""
    submitted: str | None = None
    id: str = ""


_read = json.Decoder(Entry).decode
_write = json.Encoder().encode


def encode(entry: Entry, text: str) -> bytes:
    """The bytes of an entry and of the JSON text that it is about."""
    meta = _write(entry)
    text_bytes = text.encode("utf-8", "surrogatepass")
    rest = b'",%15d,%8d,%b,%b]' % (_frame_expiry(entry), len(meta), meta, text_bytes)
    return _OPENING + _sum(rest) + rest


def decode(data: bytes) -> tuple[Entry, str]:
    """The entry of stored bytes and its text. Raises Unreadable."""
    if not data.startswith(_OPENING):
        raise Unreadable("of a newer format" if data.startswith(_MAGIC) else "foreign")
    if _sum(data[_SUM_END:]) != data[len(_OPENING) : _SUM_END]:
        raise Unreadable("damaged")
    try:
        meta_end = _META_START + int(data[_LENGTH_START : _META_START - 1])
        return _read(data[_META_START:meta_end]), data[meta_end + 1 : -1].decode("utf-8", "surrogatepass")
    except ValueError as error:  # somebody else's, with a checksum that fits
        raise Unreadable("foreign") from error


def _frame_expiry(entry: Entry) -> int:
    """A mark that an entry is gone is dead from the start."""
    if entry.kind == "gone":
        return 0
    return _NEVER if entry.expires_at is None else min(max(0, entry.expires_at), _NEVER)


def is_dead(data: bytes | None, by: int) -> bool:
    """Whether there is nothing, or what expires by a time, or nothing of ours."""
    if data is None:
        return True
    expiry = data[EXPIRY].lstrip()
    return not expiry.isdigit() or int(expiry) <= by


def head(data: bytes) -> bytes:
    """What tells this stored value from any other."""
    return data[:HEAD_LENGTH]


def _sum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest()[:_SUM_LENGTH].encode()
