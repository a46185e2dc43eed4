"""What an execution did in a graph: how often each state was visited, how it went, and which ways were taken."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from sfnrun.history.visit import Visit
from sfnrun.view.measures import duration

__all__ = ["Path", "path_of", "times"]

# Of several visits the one that went worst is shown.
_WORST = ("failed", "caught", "aborted", "running", "succeeded")


def times(count: int) -> str:
    """How often, for what was more than once: "\u00d73"."""
    return f"\u00d7{count:,}" if count > 1 else ""


class Path:
    """The visits of each state, and how often each way was taken, by the names of its two ends."""

    def __init__(self) -> None:
        self.visits: dict[str, list[Visit]] = defaultdict(list)
        self.taken: Counter[tuple[str, str]] = Counter()

    def outcome(self, state: str) -> str:
        """How the state went: an outcome of Visit, or "" if it was not visited."""
        found = {visit.outcome for visit in self.visits.get(state, ())}
        return next((outcome for outcome in _WORST if outcome in found), "")

    def told(self, state: str) -> list[str]:
        """What is written under the state's name: how long, how often, how many retries, and its error."""
        visits = self.visits.get(state, ())
        if not visits:
            return []
        took = [visit.took for visit in visits]
        parts = [times(len(visits))] if len(visits) > 1 else []
        if any(took):
            longest = f"≤ {duration(max(took))}" if len(visits) > 1 else duration(took[0])
            parts.append(longest)
        retries = sum(visit.retries for visit in visits)
        if retries:
            parts.append("1 retry" if retries == 1 else f"{retries:,} retries")
        errors = dict.fromkeys(visit.error for visit in visits if visit.error and visit.outcome in ("failed", "caught"))
        return [*([" · ".join(parts)] if parts else []), *[str(error) for error in errors][:2]]


def path_of(visits: Iterable[Visit]) -> Path:
    """The path that visits, in order, make."""
    path = Path()
    last: dict[str, str] = {}
    for visit in visits:
        path.visits[visit.name].append(visit)
        if visit.fiber in last:
            path.taken[last[visit.fiber], visit.name] += 1
        last[visit.fiber] = visit.name
    return path
