"""The settings in force, each with its origin: a file and line, an environment variable, or the default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct, inspect

from sfnrun.asl.text.source import Pointer
from sfnrun.config.names import functions_named
from sfnrun.config.reader import member_type, plain_type, scalar_of, type_of
from sfnrun.config.settings import Settings
from sfnrun.errors import UsageError, did_you_mean
from sfnrun.payload import Json
from sfnrun.record import ACCOUNT, REGION

if TYPE_CHECKING:
    from sfnrun.config.project import Project

__all__ = ["Value", "value_at", "values_of"]

MASK = "•••"


class Value(Struct, frozen=True):
    """One setting: its key, such as `functions.charge-card.timeout`, its value and where that comes from."""

    key: str
    value: Json
    origin: str


def values_of(project: Project) -> list[Value]:
    """Every setting in force, those of maps by name; values that come from the environment are masked."""
    found = [
        _value(project, pointer, value, type) for pointer, value, type in _leaves(project.plain, type_of(Settings))
    ]
    said = {value.key.partition(".")[0] for value in found}
    defaults = {
        "functions_dir": str(project.functions_dir),
        "store": str(project.store),
        "clock": "real",
        "region": REGION,
        "account": ACCOUNT,
        "cache.backend": project.cache.backend,
    }
    keys = {value.key for value in found}
    found += [Value(key, value, "default") for key, value in defaults.items() if key not in keys]
    order = [field.encode_name for field in type_of(Settings).fields]
    return sorted(found, key=lambda value: order.index(value.key.partition(".")[0])) if said or found else []


def value_at(project: Project, key: str) -> list[Value]:
    """The settings at a key and below it; of a function also those of patterns. Raises UsageError."""
    values = values_of(project)
    found = [value for value in values if value.key == key or value.key.startswith(f"{key}.")]
    if not found and key.startswith("functions."):
        name, _, rest = key.removeprefix("functions.").partition(".")
        for entry in functions_named(list(project.settings.functions), name):
            found = [
                value for value in values if f"{value.key}.".startswith(f"functions.{entry}.{rest}".rstrip(".") + ".")
            ]
            if found:
                break
    if not found:
        raise UsageError(f"no setting '{key}'", did_you_mean(key, [value.key for value in values]))
    return found


def _leaves(value: Json, type: inspect.Type, at: Pointer = ()) -> Iterator[tuple[Pointer, Json, inspect.Type]]:
    """One for each key that is not a map of further settings."""
    type = plain_type(type, value)
    if isinstance(value, dict) and value and isinstance(type, inspect.StructType | inspect.DictType):
        for name, member in value.items():
            yield from _leaves(member, member_type(type, name), (*at, name))
    elif at:
        yield at, value, type


def _value(project: Project, pointer: Pointer, value: Json, type: inspect.Type) -> Value:
    scalar = scalar_of(type)
    shown = value if scalar is None else scalar.show(value)
    key = ".".join(map(str, pointer))
    if key in project.variables:
        return Value(key, shown, f"SFNRUN_{key.upper()}")
    for file in reversed(project.files):
        line = file.line_of(pointer)
        if line is not None:
            is_secret = any(secret[: len(pointer)] == pointer for secret in file.secrets)
            return Value(key, MASK if is_secret else shown, f"{file.path}:{line}")
    return Value(key, shown, "default")
