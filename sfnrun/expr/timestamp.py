"""Times as the Amazon States Language writes them: RFC 3339, which Java calls ISO-8601 extended offset date-time."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

__all__ = ["instant_ms"]

# Seconds may be missing, as java.time.format.DateTimeFormatter.ISO_OFFSET_DATE_TIME has it.
_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d(?::\d\d)?)", re.ASCII | re.IGNORECASE
)


@lru_cache(maxsize=1024)
def instant_ms(text: str) -> float | None:
    """Milliseconds since 1970 of a timestamp with offset, fractions kept; None if the text is not one."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        return None
    minutes, seconds, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(minutes.upper() + (seconds or ":00") + offset.upper().replace("Z", "+00:00"))
        return moment.timestamp() * 1000 + int((fraction or "").ljust(9, "0")) / 1_000_000
    except (ValueError, OverflowError):
        return None
