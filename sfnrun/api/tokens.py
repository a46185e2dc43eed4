"""Task tokens: what TARGET names, and what can be sent to one."""

from __future__ import annotations

from collections.abc import Sequence

from sfnrun.addresses import is_token, parse_place
from sfnrun.effects import Failed, Heartbeat, Succeeded
from sfnrun.engine.execution import names_in_token
from sfnrun.errors import ApiError, Token, UsageError
from sfnrun.payload import Json, Payload

__all__ = ["Message", "is_task_token", "matching_token", "succeeded"]

Message = Succeeded | Failed | Heartbeat


def succeeded(output: Json | Payload) -> Succeeded:
    """The answer with a result. Raises ApiError InvalidOutput for one that is not JSON."""
    if isinstance(output, Payload):
        return Succeeded(output)
    try:
        return Succeeded(Payload.from_python({} if output is None else output))
    except (TypeError, ValueError) as error:
        raise ApiError("InvalidOutput", f"Invalid Output: '{error}'") from None


def is_task_token(target: str) -> bool:
    """Whether TARGET is a task token, and not RUN or RUN:PLACE."""
    return is_token(target) or bool(names_in_token(target))


def matching_token(tokens: Sequence[Token], target: str, place: str | None) -> Token:
    """The only one of a run's open tokens that is at a place. Raises UsageError if there are none, or several."""
    found = [token for token in tokens if place is None or _is_at(token, place)]
    if len(found) == 1:
        return found[0]
    places = ", ".join(f"{token.run}:{token.place}" for token in found or tokens)
    if found:
        raise UsageError(f"several open task tokens at '{target}'", f"choose one of {places}")
    raise UsageError(f"no open task token at '{target}'", places and f"open tokens: {places}")


def _is_at(token: Token, place: str) -> bool:
    """Whether a token is at a place, of which outer states and numbers can be left out."""
    there = parse_place(token.place)
    remaining = list(parse_place(place, {step.state for step in there.steps}).steps)
    for step in reversed(there.steps):
        wanted = remaining[-1]
        if step.state == wanted.state and wanted.item in (None, step.item):
            remaining.pop()
        if not remaining:
            return True
    return False
