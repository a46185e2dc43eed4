"""`sfnrun trace`: recorded executions; user code is never imported."""

from sfnrun.cli import trace_diff, trace_export, trace_import, trace_list, trace_replay, trace_show, trace_why
from sfnrun.cli.application import add, group

__all__ = ["app"]

app = group(
    "List, show, explain, compare, replay, import and export recorded executions.",
    "sfnrun trace list --status FAILED",
    "sfnrun trace why",
)

add(app, trace_list.list_, "sfnrun trace list --status FAILED,CRASHED", "sfnrun trace list --since 2h", name="list")
add(app, trace_show.show, "sfnrun trace show last", "sfnrun trace show last:Checkout[2].Price")
add(app, trace_why.why, "sfnrun trace why", "sfnrun trace why refund:IsItMuch")
add(
    app,
    trace_diff.diff,
    "sfnrun trace diff last~1",
    "sfnrun trace diff yesterday today --all",
    exit_codes="Exit codes: 1 they differ.",
)
add(
    app,
    trace_replay.replay_,
    "sfnrun trace replay --check 'histories/*.jsonl' -d order.asl.yaml",
    "sfnrun trace replay last --step",
    name="replay",
    exit_codes="Exit codes: 3 a replay diverged.",
)
add(
    app,
    trace_import.import_,
    "sfnrun trace import history.json -d order.asl.json",
    "sfnrun trace import - < history.json",
    name="import",
)
add(app, trace_export.export, "sfnrun trace export last -o run.svg", "sfnrun trace export last --format aws")
