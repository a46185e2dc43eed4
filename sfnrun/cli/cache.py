"""`sfnrun cache`: what is kept of Task results, where, and what it saved; tables for people, `--json` for programs."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sfnrun.config import Project

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="See, clear, fill and carry kept Task results.",
    epilog="Example: [bold]sfnrun cache stats[/bold]",
    rich_markup_mode="rich",
    add_completion=False,
)

ConfigFile = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="Configuration.", show_default="sfnrun.yaml")
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@app.command(epilog="Example: [bold]sfnrun cache stats[/bold]")
def stats(config: ConfigFile = None, json: Json = False) -> None:
    """Show hits, misses and what they saved, by task."""
    from sfnrun.api.cache_tools import inventory, now_ms

    settings = _settings(config)
    with inventory(settings) as found:
        told = found.stats(now_ms())
    if json:
        rows = [{**task._asdict(), "hit_rate": task.hit_rate} for task in told.tasks]
        _write_json({"backend": told.label, "faults": told.faults, **told.info._asdict(), "tasks": rows})
        return
    if told.tasks:
        _table(_STATS, told.tasks)
        _write(_whole(told))
    else:
        _nothing(settings)


@app.command("list", epilog="Example: [bold]sfnrun cache list GetPrice[/bold]")
def list_(
    task: Annotated[str | None, typer.Argument(help="Only what is kept for this task.", show_default=False)] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List what is kept, the youngest first."""
    from sfnrun.api.cache_tools import inventory, now_ms

    settings = _settings(config)
    with inventory(settings) as found:
        lines = found.entries(now_ms(), task)
    if json:
        _write_json([line._asdict() for line in lines])
    elif lines:
        _table(_LIST, lines)
    else:
        _nothing(settings, "" if task is None else f" for {task}")


@app.command(epilog="Example: [bold]sfnrun cache show 3f1c --reveal[/bold]")
def show(
    key: Annotated[str, typer.Argument(help="The key of an entry, or how it begins.", show_default=False)],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the value itself, not only its shape.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show one entry, its value masked."""
    from sfnrun.api.cache_tools import inventory

    with inventory(_settings(config)) as found:
        shown = found.show(key, reveal=reveal)
    _write_json({"key": shown.key, **_members(shown.entry), "value": shown.value})


@app.command(epilog="Example: [bold]sfnrun cache clear --state GetPrice[/bold]")
def clear(
    state: Annotated[str | None, typer.Option(help="Only what is kept for this task.")] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Only what has expired.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Everything, counters too.")] = False,
    config: ConfigFile = None,
) -> None:
    """Remove what is kept."""
    from sfnrun.api.cache_tools import inventory, now_ms
    from sfnrun.errors import UsageError
    from sfnrun.view.text import counted

    if all_ == (state is not None or expired):
        raise UsageError("say what is to be cleared", "--state NAME, --expired, or --all")
    with inventory(_settings(config)) as found:
        count = found.clear(task=state, expired_at=now_ms() if expired else None)
    print(f"{counted(count, 'entry')} removed", file=sys.stderr)


@app.command(epilog="Example: [bold]sfnrun cache warm prices.jsonl[/bold]")
def warm(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help='Lines of {"task", "payload", "value"}.')],
    config: ConfigFile = None,
) -> None:
    """Fill the cache before it is asked; a line without a value asks the task's handler."""
    from sfnrun.api.cache_tools import warm

    warmed = warm(_settings(config), _lines(file))
    print(f"{warmed.given} given, {warmed.asked} asked, {warmed.failed} failed", file=sys.stderr)
    if warmed.failed:
        raise typer.Exit(1)


@app.command(epilog="Example: [bold]sfnrun cache export > answers.jsonl[/bold]")
def export(config: ConfigFile = None) -> None:
    """Write everything that is kept to stdout, one JSON line an entry, values and all."""
    from sfnrun.api.cache_tools import inventory

    with inventory(_settings(config)) as found:
        for line in found.export():
            _write(line)


@app.command("import", epilog="Example: [bold]sfnrun cache import answers.jsonl[/bold]")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="What `sfnrun cache export` wrote.")],
    config: ConfigFile = None,
) -> None:
    """Keep what was exported elsewhere."""
    from sfnrun.api.cache_tools import inventory
    from sfnrun.view.text import counted

    with inventory(_settings(config)) as found:
        count = found.import_lines(_lines(file))
    print(f"{counted(count, 'entry')} kept", file=sys.stderr)


@app.command(epilog="Example: [bold]sfnrun cache demo --backend redis://127.0.0.1:6379[/bold]")
def demo(
    backend: Annotated[
        str | None, typer.Option(metavar="URL", help="Where answers are kept.", show_default="a folder")
    ] = None,
) -> None:
    """Run the caching example and explain what a hit, a miss and a stale answer cost."""
    from sfnrun.api.cache_demo import cache_demo

    cache_demo(_write, backend)


def _settings(path: str | None) -> "Project":
    from sfnrun.config import load_project

    return load_project(config=path)


def _nothing(settings: "Project", whom: str = "") -> None:
    """Say where nothing was found."""
    from sfnrun.api.cache_tools import place_of

    print(f"nothing is kept{whom} in {place_of(settings)}", file=sys.stderr)


def _lines(file: str) -> Iterable[str]:
    from sfnrun.errors import UsageError

    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return text.decode().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8") from None


def _write(line: str) -> None:
    from sfnrun.cli.output import print_line

    print_line(line)


def _write_json(value: Any) -> None:
    import json

    _write(json.dumps(value, indent=2, ensure_ascii=False))


def _members(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _table(columns: dict[str, Callable[[Any], str]], rows: Iterable[Any]) -> None:
    """Columns as wide as they must be; the first is text, the others are figures unless they are text too."""
    from sfnrun.view.text import cells, clean, fit, pad

    lines = [list(columns), *([fit(clean(cell(row)), 60) for cell in columns.values()] for row in rows)]
    widths = [max(map(cells, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        _write("  ".join(pad(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _whole(told: Any) -> str:
    from sfnrun.view.text import counted

    facts = told.info
    parts = [told.label]
    if facts.size_bytes is not None:
        limit = f" of {_size(facts.limit_bytes)}" if facts.limit_bytes else ""
        parts.append(f"{_size(facts.size_bytes)}{limit}")
    if facts.eviction_policy:
        parts.append(f"{counted(facts.evictions, 'eviction')} ({facts.eviction_policy})")
    if told.faults:
        parts.append(f"out of reach {counted(told.faults, 'time')}")
    return ", ".join(parts)


def _ms(ms: int | None) -> str:
    """A length of time; what a run under the virtual clock kept may lie in the future."""
    from sfnrun.view.text import duration

    return "-" if ms is None else f"in {duration(-ms)}" if ms < 0 else duration(ms)


def _size(length: int) -> str:
    from sfnrun.view.text import size

    return size(length)


_STATS: dict[str, Callable[[Any], str]] = {
    "task": lambda task: task.task,
    "hit rate": lambda task: "-" if task.hit_rate is None else f"{task.hit_rate:.0%}",
    "hits": lambda task: f"{task.hits:,}",
    "misses": lambda task: f"{task.misses:,}",
    "stale": lambda task: f"{task.stale:,}",
    "bypassed": lambda task: f"{task.bypassed:,}",
    "saved": lambda task: _ms(task.saved_ms),
    "entries": lambda task: f"{task.entries:,}",
    "bytes": lambda task: _size(task.bytes),
    "oldest": lambda task: _ms(task.oldest_ms),
}
_LIST: dict[str, Callable[[Any], str]] = {
    "key": lambda line: line.key[:12],
    "task": lambda line: line.task,
    "age": lambda line: _ms(line.age_ms),
    "expires in": lambda line: (
        "never" if line.expires_in_ms is None else "expired" if line.expires_in_ms <= 0 else _ms(line.expires_in_ms)
    ),
    "took": lambda line: _ms(line.took_ms),
    "bytes": lambda line: _size(line.bytes),
    "asked": lambda line: ("failed: " if line.kind == "error" else "") + line.key_text,
}
