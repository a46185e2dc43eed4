import os

invocations = 0
print("cold start")


def handler(event, context):
    global invocations  # noqa: PLW0603
    invocations += 1
    if event == "exit":
        raise SystemExit(2)
    return {"invocations": invocations, "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"]}
