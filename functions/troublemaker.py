"""Raises the trouble that it is asked for, or none."""


class NotFound(Exception):
    pass


class Spoilt(Exception):
    pass


class Throttled(Exception):
    pass


class Unavailable(Exception):
    pass


TROUBLES = {trouble.__name__: trouble for trouble in (NotFound, Spoilt, Throttled, Unavailable)}


def handler(event, context):
    trouble = TROUBLES.get(event["trouble"])
    if trouble is not None:
        raise trouble(f"{event['trouble']}, as you asked for")
    return "no trouble"
