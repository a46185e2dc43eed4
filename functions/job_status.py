"""Tells how a job is doing: it runs, and is done when it is asked for the second time."""


def handler(event, context):
    status = "SUCCEEDED" if event["polls"] >= 1 else "RUNNING"
    return {**event, "status": status}
