"""SHA-256 without what `hashlib` brings along: OpenSSL, which takes as long to load as an execution to run."""

from __future__ import annotations

from importlib import import_module

try:
    sha256 = import_module("_sha2").sha256  # Python 3.12
except ImportError:
    try:
        sha256 = import_module("_sha256").sha256
    except ImportError:  # another implementation of Python
        from hashlib import sha256

__all__ = ["sha256_hex"]


def sha256_hex(text: str) -> str:
    """The hash of a text's UTF-8 bytes, in 64 hexadecimal digits."""
    digest: str = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return digest
