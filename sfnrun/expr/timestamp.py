"""Parse timestamps of the Amazon States Language: RFC 3339, Java's ISO-8601 extended offset date-time."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

__all__ = ["instant_ms"]

# Seconds are optional in java.time.format.DateTimeFormatter.ISO_OFFSET_DATE_TIME.
_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d(?::\d\d)?)", re.ASCII | re.IGNORECASE
)


@lru_cache(maxsize=1024)
def instant_ms(text: str) -> float | None:
    """Milliseconds since the Unix epoch, with fractions; None if the text is not a timestamp with an offset."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        return None
    minutes, seconds, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(minutes.upper() + (seconds or ":00") + offset.upper().replace("Z", "+00:00"))
        return moment.timestamp() * 1000 + int((fraction or "").ljust(9, "0")) / 1_000_000
    except (ValueError, OverflowError):
        return None
