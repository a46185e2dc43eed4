"""A cache entry as bytes: a JSON array `["sfnrun cache", 2, CHECKSUM, EXPIRY, LENGTH, {…}, VALUE]`, never a pickle.

The checksum covers everything after it. EXPIRY is at a fixed offset, so that a server's script can read it. LENGTH is
that of the `{…}`, so that the text of VALUE is returned byte for byte. Bytes that cannot be read (damaged, foreign, of
another format) raise Unreadable, which is a miss and not an error.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct, json

__all__ = ["ETAG_LENGTH", "EXPIRY", "Entry", "Unreadable", "decode", "encode", "etag", "is_expired"]

FORMAT = 2
_MAGIC = b'["sfnrun cache",'
_OPENING = b'["sfnrun cache",%d,"' % FORMAT
_SUM_LENGTH = 32
_SUM_END = len(_OPENING) + _SUM_LENGTH
_NEVER = 10**15 - 1
EXPIRY = slice(_SUM_END + 2, _SUM_END + 17)
_LENGTH_START = EXPIRY.stop + 1
_META_START = _LENGTH_START + 9

# The opening and the checksum; two stored values are the same if these are.
ETAG_LENGTH = _SUM_END


class Unreadable(Exception):
    """Stored bytes that are not an entry; the message says why: damaged, foreign, of another format."""


class Entry(Struct, frozen=True, omit_defaults=True):
    """Metadata of a cached result or error, or of a tombstone.

    `kind` "value": the text is a result; "error": it is `{"error": …, "cause": …}`; "tombstone": `written_by`
    invalidated the entry, or claimed the key if `written_by` is empty.
    `called_at`, `stored_at` and `expires_at` (None: never) are milliseconds of the engine's clock. `took_ms` is how
    long the handler took by that clock, `real_took_ms` by the wall clock.
    `code` and `resource` are None if they do not matter: a result written through comes from other code than the
    reader's. `tag_version` is the version of the task's tag (see `tag_key`) when the handler was called, `key_text` a
    readable form of the key, `submitted` what a `.sync` service answered first. `id` makes every entry distinct.
    """

    kind: Literal["value", "error", "tombstone"]
    task: str
    state: str
    called_at: int
    stored_at: int
    expires_at: int | None = None
    took_ms: int = 0
    real_took_ms: int = 0
    version: str = ""
    code: dict[str, str] | None = None
    resource: str | None = None
    tag_version: str = ""
    key_text: str = ""
    written_by: str = ""
    submitted: str | None = None
    id: str = ""


_read = json.Decoder(Entry).decode
_write = json.Encoder().encode


def encode(entry: Entry, text: str) -> bytes:
    """Return the bytes of an entry and of the JSON text that it describes."""
    meta = _write(entry)
    text_bytes = text.encode("utf-8", "surrogatepass")
    rest = b'",%15d,%8d,%b,%b]' % (_frame_expiry(entry), len(meta), meta, text_bytes)
    return _OPENING + _sum(rest) + rest


def decode(data: bytes) -> tuple[Entry, str]:
    """Return an entry and its text. Raises Unreadable."""
    if not data.startswith(_OPENING):
        raise Unreadable("of another format" if data.startswith(_MAGIC) else "foreign")
    if _sum(data[_SUM_END:]) != data[len(_OPENING) : _SUM_END]:
        raise Unreadable("damaged")
    try:
        meta_end = _META_START + int(data[_LENGTH_START : _META_START - 1])
        return _read(data[_META_START:meta_end]), data[meta_end + 1 : -1].decode("utf-8", "surrogatepass")
    except ValueError as error:  # not written by sfnrun, although the checksum is right
        raise Unreadable("foreign") from error


def _frame_expiry(entry: Entry) -> int:
    """A tombstone has expired from the start."""
    if entry.kind == "tombstone":
        return 0
    return _NEVER if entry.expires_at is None else min(max(0, entry.expires_at), _NEVER)


def is_expired(data: bytes | None, by: int) -> bool:
    """Return whether there is no value, one that expires by this time, or one that is not an entry."""
    if data is None:
        return True
    expiry = data[EXPIRY].lstrip()
    return not expiry.isdigit() or int(expiry) <= by


def etag(data: bytes) -> bytes:
    """Return the part of a stored value that identifies it."""
    return data[:ETAG_LENGTH]


def _sum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest()[:_SUM_LENGTH].encode()
