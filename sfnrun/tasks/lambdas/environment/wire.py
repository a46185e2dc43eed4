"""Frames between sfnrun, a zygote and the environments: a kind, a JSON header and a body of bytes.

An event and a result are bodies, so sfnrun never encodes them again. All lengths are known before anything is read.
"""

from __future__ import annotations

import json
import socket
import struct
from collections import namedtuple
from collections.abc import Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ERROR",
    "HELLO",
    "HINT",
    "INIT_ERROR",
    "INVOKE",
    "OUTCOME",
    "READY",
    "RESPONSE",
    "SPAWN",
    "Frame",
    "Frames",
    "pack",
    "receive",
    "receive_with_descriptors",
]

# From sfnrun to a zygote, and back.
SPAWN = 1
HELLO = 2
# From sfnrun to an environment.
INVOKE = 3
# From an environment to sfnrun. HINT comes before the process ends, OUTCOME from a handler that knows of sfnrun.
READY = 4
INIT_ERROR = 5
RESPONSE = 6
ERROR = 7
HINT = 8
OUTCOME = 9

_HEAD = struct.Struct("!BII")
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


# One message: its kind, its header (a dict) and its body (bytes).
Frame = namedtuple("Frame", "kind header body")


def pack(kind: int, header: dict[str, Any], body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    text = _encode(header).encode() if header else b""
    return b"".join((_HEAD.pack(kind, len(text), len(body)), text, body))


class Frames:
    """Cuts received bytes into frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with these bytes. Raises ValueError for bytes that are not frames."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEAD.size:
            kind, header, body = _HEAD.unpack_from(buffer)
            start, end = _HEAD.size + header, _HEAD.size + header + body
            if not SPAWN <= kind <= OUTCOME:
                raise ValueError(f"no frame has the kind {kind}")
            if len(buffer) < end:
                return
            frame = Frame(
                kind, _decode(buffer[_HEAD.size : start].decode()) if header else {}, bytes(buffer[start:end])
            )
            del buffer[:end]
            yield frame


def receive(connection: socket.socket) -> Frame | None:
    """The next frame of a blocking socket; None at its end."""
    head = _exactly(connection, _HEAD.size)
    if head is None:
        return None
    kind, header, body = _HEAD.unpack(head)
    text, data = _exactly(connection, header), _exactly(connection, body)
    if text is None or data is None:
        return None
    return Frame(kind, _decode(text.decode()) if text else {}, bytes(data))


def receive_with_descriptors(connection: socket.socket, count: int) -> tuple[Frame | None, list[int]]:
    """The next frame and the descriptors that came with it; None at the end of the socket."""
    try:
        head, descriptors, _, _ = socket.recv_fds(connection, _HEAD.size, count)
    except ConnectionResetError:  # closed before it read everything that was sent
        head, descriptors = b"", []
    if not head:
        return None, []
    rest = _exactly(connection, _HEAD.size - len(head))
    assert rest is not None
    kind, header, body = _HEAD.unpack(head + rest)
    text, data = _exactly(connection, header), _exactly(connection, body)
    assert text is not None
    assert data is not None
    return Frame(kind, _decode(text.decode()), bytes(data)), descriptors


def _exactly(connection: socket.socket, count: int) -> bytearray | None:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        received = connection.recv_into(view)
        if not received:
            return None
        view = view[received:]
    return data
