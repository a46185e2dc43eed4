"""The JSON Schema of sfnrun.yaml, made from the types of Settings."""

from __future__ import annotations

from typing import Any

import msgspec

from sfnrun.config.settings import ANSWERS, SHORT_FORMS, Answer, Settings, TaskRule

__all__ = ["settings_schema"]

_VARIABLE = r"^\$\{env:[^{}]+\}$"
_OWN_KEYS: dict[str, Any] = {"^x-": {}}


def settings_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a settings file."""
    (_, *_), components = msgspec.json.schema_components(
        [Settings], schema_hook=lambda kind: {}, ref_template="#/$defs/{name}"
    )
    defs = {name: _of_record(schema) for name, schema in components.items()}
    for record, (what, short, _) in SHORT_FORMS.items():
        defs[record.__name__] = {
            "description": defs[record.__name__]["description"],
            "anyOf": [{**short, "description": f"Short for a map: {what}."}, defs[record.__name__]],
        }
    only_one = [{"required": [one, other]} for i, one in enumerate(ANSWERS) for other in ANSWERS[i + 1 :]]
    defs[TaskRule.__name__]["not"] = {"anyOf": only_one}
    defs[Answer.__name__]["oneOf"] = [{"required": [name]} for name in ANSWERS if name != "attempts"]
    whole = defs.pop(Settings.__name__)
    defs["variable"] = {"description": "The value of an environment variable.", "type": "string", "pattern": _VARIABLE}
    schema = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": schema, "title": "sfnrun.yaml", **whole, "$defs": dict(sorted(defs.items()))}


def _of_record(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a record: every key may be null, which is its default, and x-keys are allowed."""
    properties = {name: _nullable(_as_written(member)) for name, member in schema["properties"].items()}
    kept = {name: schema[name] for name in ("description", "type", "required") if schema.get(name)}
    return {**kept, "properties": properties, "patternProperties": _OWN_KEYS, "additionalProperties": False}


def _as_written(node: Any) -> Any:
    """The schema of what is written, where msgspec has that of what is read."""
    if isinstance(node, list):
        return [_as_written(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "x-written" not in node:
        return {name: member if name == "examples" else _as_written(member) for name, member in node.items()}
    about = {name: node[name] for name in ("description", "examples") if name in node}
    return {**node["x-written"], **about}


def _nullable(member: dict[str, Any]) -> dict[str, Any]:
    """The schema of a key, which may be null too, and a variable wherever a scalar may be."""
    about: dict[str, Any] = {name: member.pop(name) for name in ("description", "examples") if name in member}
    member.pop("default", None)
    if not member:
        return about
    options = member.get("anyOf", [member])
    options = [option for option in options if option != {"type": "null"}]
    if not any(option.get("type") in ("object", "array") or "$ref" in option for option in options):
        options.append({"$ref": "#/$defs/variable"})
    return {**about, "anyOf": [*options, {"type": "null"}]}
