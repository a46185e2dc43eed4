import os


def handler(event, context):
    about = {name: getattr(context, name) for name in event["context"]}
    return {"context": about, "environment": {name: os.environ.get(name) for name in event["environment"]}}
