"""`sfnrun cache`: inspect, clear, prefill, export and import cached Task results."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfnrun.cli import options
from sfnrun.cli.application import add, group
from sfnrun.cli.completion import complete_task
from sfnrun.errors import UsageError

if TYPE_CHECKING:
    from sfnrun.config import Project

__all__ = ["app"]

app = group(
    "Inspect, clear, prefill, export and import cached Task results.",
    "sfnrun cache stats",
    "sfnrun cache clear GetPrice",
)

Task = Annotated[
    str | None,
    typer.Argument(
        metavar="[TASK]",
        help="Only entries of this Task: state, function or resource; * for any characters.",
        autocompletion=complete_task,
    ),
]
Source = Annotated[str, typer.Argument(metavar="FILE|-", help="JSON Lines; - is stdin.")]


def stats(config: options.Config = None, json: options.Json = False) -> None:
    """Show hits, misses and time saved, for each task."""
    from sfnrun.api.cache_tools import inventory, now_ms
    from sfnrun.cli.output import print_json, print_rows
    from sfnrun.view.tables import STATS_FIGURES, backend_line, stats_row

    project = _project(config)
    with inventory(project) as cache:
        found = cache.stats(now_ms())
    if json:
        rows = [{**task._asdict(), "hit_rate": task.hit_rate} for task in found.tasks]
        print_json({"backend": found.label, "faults": found.faults, **found.info._asdict(), "tasks": rows})
    elif found.tasks:
        print_rows(("TASK", *STATS_FIGURES), [stats_row(task) for task in found.tasks], figures=STATS_FIGURES)
        print(backend_line(found), file=sys.stderr)
    else:
        _nothing(project)


def list_(
    task: Task = None, limit: options.Limit = 30, config: options.Config = None, json: options.Json = False
) -> None:
    """List cached results, newest first."""
    from sfnrun.api.cache_tools import inventory, now_ms
    from sfnrun.cli.output import print_json, print_rows
    from sfnrun.view.tables import ENTRY_COLUMNS, ENTRY_FIGURES, entry_row

    project = _project(config)
    with inventory(project) as cache:
        entries = cache.entries(now_ms(), task)
    shown = entries[:limit] if limit else entries
    if json:
        print_json([entry._asdict() for entry in shown])
    elif entries:
        print_rows(ENTRY_COLUMNS, [entry_row(entry) for entry in shown], figures=ENTRY_FIGURES)
        if len(shown) < len(entries):
            print(f"{len(shown):,} of {len(entries):,}", file=sys.stderr)
    else:
        _nothing(project, "" if task is None else f" for {task}")


def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of the entry, or a unique prefix of it.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the value instead of its shape.")] = False,
    config: options.Config = None,
) -> None:
    """Show one entry, with its value masked."""
    from sfnrun.api.cache_tools import inventory
    from sfnrun.cli.output import print_json

    with inventory(_project(config)) as cache:
        found = cache.show(key, reveal=reveal)
    print_json({"key": found.key, **_members(found.entry), "value": found.value})


def clear(
    task: Task = None,
    expired: Annotated[bool, typer.Option("--expired", help="Only expired entries.")] = False,
    all_: options.All = False,
    config: options.Config = None,
) -> None:
    """Remove cached results."""
    from sfnrun.api.cache_tools import inventory, now_ms
    from sfnrun.view.text import counted

    if all_ == (task is not None or expired):
        raise UsageError("no entries to clear were selected", "pass TASK, --expired or --all")
    with inventory(_project(config)) as cache:
        count = cache.clear(task=task, expired_at=now_ms() if expired else None)
    print(f"{counted(count, 'entry')} removed", file=sys.stderr)


def warm(file: Source, config: options.Config = None) -> None:
    """Fill the cache in advance.

    Each line has `task`, `payload` and perhaps `value`; without a value, the task's handler is called.
    """
    from sfnrun.api.cache_tools import warm

    warmed = warm(_project(config), _lines(file))
    counts = f"{warmed.given} stored from values, {warmed.asked} computed by handlers, {warmed.failed} failed"
    print(counts, file=sys.stderr)
    if warmed.failed:
        raise typer.Exit(1)


def export(output: options.Output = None, config: options.Config = None) -> None:
    """Export all entries, including values, as JSON Lines."""
    from sfnrun.api.cache_tools import inventory
    from sfnrun.cli.output import print_document, print_line

    with inventory(_project(config)) as cache:
        if output is None:
            for line in cache.export():
                print_line(line)
        else:
            print_document("\n".join(cache.export()), output)


def import_(file: Source, config: options.Config = None) -> None:
    """Import entries from `sfnrun cache export`."""
    from sfnrun.api.cache_tools import inventory
    from sfnrun.view.text import counted

    with inventory(_project(config)) as cache:
        count = cache.import_lines(_lines(file))
    print(f"{counted(count, 'entry')} imported", file=sys.stderr)


def demo(
    backend: Annotated[
        str | None, typer.Option(metavar="URL", help="Cache backend.", show_default="a temporary directory")
    ] = None,
) -> None:
    """Run the caching example and measure a hit, a miss and a stale read."""
    from sfnrun.api.cache_demo import cache_demo
    from sfnrun.cli.output import print_line

    cache_demo(print_line, backend)


def _project(config: list[str] | None) -> Project:
    from sfnrun.config import load_project

    return load_project(config=config or None)


def _nothing(project: Project, whose: str = "") -> None:
    from sfnrun.api.cache_tools import place_of

    print(f"no cached results{whose} in {place_of(project)}", file=sys.stderr)


def _lines(file: str) -> Iterable[str]:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not valid UTF-8", "save the file as UTF-8") from None


def _members(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


add(app, list_, "sfnrun cache list", "sfnrun cache list GetPrice --json", name="list")
add(app, show, "sfnrun cache show 3f1c", "sfnrun cache show 3f1c --reveal")
add(app, stats, "sfnrun cache stats", "sfnrun cache stats --json | jq .tasks")
add(app, clear, "sfnrun cache clear GetPrice", "sfnrun cache clear --expired")
add(app, warm, "sfnrun cache warm prices.jsonl", "sfnrun cache warm - < prices.jsonl")
add(app, export, "sfnrun cache export > results.jsonl", "sfnrun cache export -o results.jsonl")
add(app, import_, "sfnrun cache import results.jsonl", "sfnrun cache import - < results.jsonl", name="import")
add(app, demo, "sfnrun cache demo", "sfnrun cache demo --backend redis://127.0.0.1:6379")
