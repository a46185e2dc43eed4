"""The splitter: a text that was deployed beside this file, in parts of so many lines."""

from pathlib import Path


def lambda_handler(event, context):
    path = Path(__file__).with_name(Path(event["text"]).name)
    lines = path.read_text(encoding="utf-8").splitlines()
    size = event["lines_per_part"]
    return ["\n".join(lines[start : start + size]) for start in range(0, len(lines), size)]
