"""What a service integration refuses before it starts, because its parameters have a wrong format.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html and a recorded refusal.
"""

from __future__ import annotations

from collections.abc import Callable

from sfnrun.effects import Resource
from sfnrun.payload import Json

__all__ = ["badly_formed"]


def _lists_of_texts(value: Json) -> bool:
    """API Gateway's multi-value maps: every member is an array of strings."""
    return isinstance(value, dict) and all(
        isinstance(member, list) and all(isinstance(text, str) for text in member) for member in value.values()
    )


FORMATS: dict[tuple[str, str], dict[str, Callable[[Json], bool]]] = {
    ("apigateway", "invoke"): {"Headers": _lists_of_texts, "QueryParameters": _lists_of_texts},
}


def badly_formed(resource: Resource, parameters: Json) -> list[str]:
    """Names of the parameters whose format the service does not take."""
    formats = FORMATS.get((resource.service, resource.action))
    if formats is None or not isinstance(parameters, dict):
        return []
    return [name for name, fits in formats.items() if parameters.get(name) is not None and not fits(parameters[name])]
