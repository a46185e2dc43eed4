"""Every option that more than one command has, declared once: names, letter, value, panel and help.

A command lists its arguments and own options first, then these by panel, in the order of `PANELS`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sfnrun.cli.completion import complete_run, complete_task

__all__ = [
    "PANELS",
    "Address",
    "All",
    "Cache",
    "CacheTtl",
    "Clock",
    "ClockName",
    "Config",
    "Debug",
    "Definition",
    "Fsync",
    "Functions",
    "Input",
    "Json",
    "Limit",
    "Machine",
    "MockConfig",
    "Name",
    "NoCache",
    "NoLimits",
    "NoStore",
    "Output",
    "Progress",
    "ProgressStyle",
    "Quiet",
    "Refresh",
    "Run",
    "Runs",
    "Seed",
    "Set",
    "Since",
    "Status",
    "Step",
    "Store",
    "TestCase",
    "Text",
    "Type",
    "Until",
    "Verbose",
    "Watch",
    "WorkflowType",
]

TASKS, CACHE, CLOCK, DEBUG, DISPLAY, RECORD = PANELS = ("Tasks", "Cache", "Clock", "Debug", "Display", "Record")


WorkflowType = Literal["STANDARD", "EXPRESS"]
ClockName = Literal["real", "virtual"]
ProgressStyle = Literal["auto", "live", "plain", "json", "none"]


# --- arguments ---

Run = Annotated[
    str,
    typer.Argument(
        metavar="[RUN]",
        help="Execution: its name, ARN or FILE.jsonl; `last`, `last~1` for the one before.",
        autocompletion=complete_run,
        show_default=True,
    ),
]
Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN]...",
        help="Executions: names, ARNs or FILE.jsonl, globs of files too; `last`, `last~1` for the one before.",
        autocompletion=complete_run,
        show_default="last",
    ),
]

Address = Annotated[
    str,
    typer.Argument(
        metavar="[RUN[:PLACE]]",
        help="Execution, and a place in it: order-7:Checkout[2].Price#3@2; an empty RUN is the last one.",
        autocompletion=complete_run,
    ),
]

# --- without a panel ---

Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        metavar="JSON|FILE|-|@RUN",
        help="Input: JSON, a file, - for stdin, or @RUN for the input of that run.",
    ),
]
Definition = Annotated[
    str | None,
    typer.Option("--definition", "-d", metavar="MACHINE", help="Use this definition.", show_default="as recorded"),
]
Config = Annotated[
    list[str] | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings, later files over earlier ones. Repeatable.", show_default="found"
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set the substitution ${NAME}. Repeatable."),
]
Type = Annotated[
    WorkflowType | None,
    typer.Option("--type", help="Workflow type.", show_default="from the template, else STANDARD"),
]
NoLimits = Annotated[
    bool,
    typer.Option("--no-limits", help="Do not enforce AWS quotas, such as 256 KiB of data and 25,000 events."),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Do it again whenever a file changes.")]
Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only executions with this status, such as FAILED or CRASHED. Repeatable, or separated by commas.",
    ),
]
Machine = Annotated[
    str | None,
    typer.Option("--machine", metavar="NAME", help="Only executions of this state machine; * for any characters."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="MOMENT", help="Only since then: 90s, 2h, 3d ago, or 2026-11-22T08:30."),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="MOMENT", help="Only until then: 90s, 2h, 3d ago, or 2026-11-22T08:30."),
]
Text = Annotated[
    str | None, typer.Option("--text", metavar="TEXT", help="Only executions whose history contains this text.")
]
All = Annotated[bool, typer.Option("--all", help="Everything.")]
Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", help="At most N rows; 0 for all.", min=0)]

# --- panels ---

Functions = Annotated[
    str | None,
    typer.Option(
        "--functions",
        metavar="DIR",
        help="Directory of Python handlers.",
        show_default="functions",
        rich_help_panel=TASKS,
    ),
]
MockConfig = Annotated[
    str | None,
    typer.Option(
        "--mock-config",
        metavar="FILE",
        help="Mock file of Step Functions Local. Requires --test-case.",
        rich_help_panel=TASKS,
    ),
]
TestCase = Annotated[
    str | None,
    typer.Option("--test-case", metavar="NAME", help="Test case in --mock-config to run.", rich_help_panel=TASKS),
]
Cache = Annotated[
    bool,
    typer.Option("--cache", help="Cache the results of all Tasks, with or without a rule.", rich_help_panel=CACHE),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Do not read or write the cache.", rich_help_panel=CACHE)]
CacheTtl = Annotated[
    str | None,
    typer.Option(
        "--cache-ttl", metavar="DURATION", help="Time to live of results, over every rule.", rich_help_panel=CACHE
    ),
]
Refresh = Annotated[
    list[str] | None,
    typer.Option(
        "--refresh",
        metavar="TASK",
        help="Ignore the cached results of this Task and cache new ones. Repeatable.",
        autocompletion=complete_task,
        rich_help_panel=CACHE,
    ),
]
Clock = Annotated[
    ClockName | None,
    typer.Option(
        "--clock",
        help="Clock: `virtual` skips waits, retry delays and timeouts.",
        show_default="real",
        rich_help_panel=CLOCK,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        help="Seed for all randomness: under the virtual clock the same seed gives the same history.",
        show_default="random",
        rich_help_panel=CLOCK,
    ),
]
Step = Annotated[bool, typer.Option("--step", help="Pause before each state.", rich_help_panel=DEBUG)]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug", help="Run handlers on the main thread, without time limits, for breakpoint().", rich_help_panel=DEBUG
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show failures only.", rich_help_panel=DISPLAY)]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Show how each state changed the data; -vv shows whole values.",
        show_default=False,
        metavar="",
        rich_help_panel=DISPLAY,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.", rich_help_panel=DISPLAY)]
Progress = Annotated[
    ProgressStyle | None,
    typer.Option(
        "--progress",
        metavar="STYLE",
        help="How to follow the run on stderr: auto, live, plain, json or none.",
        show_default="auto",
        rich_help_panel=DISPLAY,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the answer to this file.",
        show_default="stdout",
        rich_help_panel=RECORD,
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Directory of recorded executions.",
        show_default=".sfnrun/executions",
        rich_help_panel=RECORD,
    ),
]
NoStore = Annotated[bool, typer.Option("--no-store", help="Do not record the execution.", rich_help_panel=RECORD)]
Fsync = Annotated[
    bool,
    typer.Option(
        "--fsync",
        help="Sync each result to disk before continuing, against power failures.",
        rich_help_panel=RECORD,
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", help="Name of the execution.", show_default="machine and time", rich_help_panel=RECORD),
]
