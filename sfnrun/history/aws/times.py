"""Time notations of AWS histories, so that an export uses the notation of the import.

The CLI prints ISO 8601 in the zone of the machine that it ran on (version 1: seconds since the epoch). boto3 returns
datetimes, which `json.dumps(default=str)` writes with a space. The JavaScript SDK ends times in Z. CloudWatch counts
milliseconds. All of them are whole milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

from sfnrun.payload import Json
from sfnrun.record import timestamp

__all__ = ["format_time", "milliseconds", "notation"]

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
# Seconds since the epoch have eleven digits from the year 5138 on.
_SECONDS = 10**11


def milliseconds(value: Json) -> int:
    """Return a time of any notation in milliseconds since the Unix epoch. Raises ValueError for anything else."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a time")
    if isinstance(value, str):
        return _of_datetime(datetime.fromisoformat(value))
    return round(value * 1000) if value < _SECONDS else int(value)


def _of_datetime(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def notation(value: Json) -> str:
    """Return the name of a time's notation: a key of WRITERS, or "iso" or "blank" with the offset, as "iso+02:00"."""
    if isinstance(value, int | float):
        return "seconds" if value < _SECONDS else "milliseconds"
    if value.isdigit():
        return "digits"
    found = _ISO.fullmatch(value)
    if found is None:
        return "iso+00:00"
    if found[2] == "Z":
        return "zulu"
    return ("iso" if found[1] == "T" else "blank") + found[2]


def format_time(ms: int, name: str) -> Json:
    """Return a time in the notation of this name."""
    if name in WRITERS:
        return WRITERS[name](ms)
    hours, minutes = int(name[-6:-3]), int(name[-6] + name[-2:])
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    moment = moment.astimezone(timezone(timedelta(hours=hours, minutes=minutes)))
    return moment.isoformat(sep="T" if name.startswith("iso") else " ")


WRITERS: dict[str, Callable[[int], Json]] = {
    "digits": str,
    "milliseconds": int,
    "seconds": lambda ms: ms / 1000,
    "zulu": timestamp,
}
