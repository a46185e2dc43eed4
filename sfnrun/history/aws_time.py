"""How a history from AWS writes its times, so that what was read in one notation is given back in it.

The CLI prints ISO 8601 in the zone of the machine that it ran on (its version 1: seconds since 1970), boto3 gives
datetimes, which `json.dumps(default=str)` writes with a blank, JavaScript's SDK ends them in Z, CloudWatch counts
milliseconds. All of them stand for whole milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

from sfnrun.payload import Json

__all__ = ["milliseconds", "notation", "written"]

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
# Seconds since 1970 have eleven digits only in the year 5138.
_SECONDS = 10**11


def milliseconds(value: Json) -> int:
    """A time in any of the notations, in milliseconds since 1970. Raises ValueError for what is none."""
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
    """The name of the notation of a time: one of WRITERS, or "iso" and "blank" with their offset, "iso+02:00"."""
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


def written(ms: int, name: str) -> Json:
    """A time in the notation of this name."""
    if name in WRITERS:
        return WRITERS[name](ms)
    hours, minutes = int(name[-6:-3]), int(name[-6] + name[-2:])
    moment = _datetime(ms).astimezone(timezone(timedelta(hours=hours, minutes=minutes)))
    return moment.isoformat(sep="T" if name.startswith("iso") else " ")


def _datetime(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _zulu(ms: int) -> str:
    return _datetime(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


WRITERS: dict[str, Callable[[int], Json]] = {
    "digits": str,
    "milliseconds": int,
    "seconds": lambda ms: ms / 1000,
    "zulu": _zulu,
}
