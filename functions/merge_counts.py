"""The reducer: the sum of all counts, and the words that lead."""

from collections import Counter


def handler(event, context):
    total = Counter()
    for counts in event["counts"]:
        total.update(counts)
    leading = sorted(total.items(), key=lambda entry: (-entry[1], entry[0]))[: event["top"]]
    return {"words": total.total(), "different": len(total), "leading": dict(leading)}
