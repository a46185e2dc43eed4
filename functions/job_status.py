"""Tells how a job is doing: it runs, and is done when it is asked for the fourth time."""


def handler(event, context):
    status = "SUCCEEDED" if event["polls"] >= 3 else "RUNNING"
    print(f"{event['id']} is {status}")
    return {**event, "status": status}
