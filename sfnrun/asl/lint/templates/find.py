"""Find the state machines of a template: resources of known types, and the section of the Serverless plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from sfnrun.asl.lint.templates.render import render
from sfnrun.asl.text.positions import TextNode
from sfnrun.payload import Json

__all__ = ["Declared", "declared", "is_template", "may_be_template"]

Pointer = tuple[str | int, ...]
Form = Literal["object", "string", "file", "elsewhere"]

# Only templates have these keys at the top level. For JSON the decoded value decides.
_TOP_KEY = re.compile(r"^(?:Resources|resources|stepFunctions|AWSTemplateFormatVersion)\s*:", re.MULTILINE)


class Declared(Struct, frozen=True):
    """A state machine that a template declares: `node` at `pointer` is its definition, in one of four forms.

    "object": the definition itself. "string": its text, maybe built by functions. "file": a path relative to the
    template. "elsewhere": a location that only AWS knows.
    """

    name: str
    form: Form
    node: Json
    pointer: Pointer
    workflow_type: str = "STANDARD"
    substitutions: Mapping[str, Json] = {}


class _Resource(Struct, frozen=True):
    """A type of resource: the property with STANDARD or EXPRESS, and those that contain a definition."""

    type_property: str
    forms: Mapping[str, Form]


# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
# https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-statemachine.html
_RESOURCES = {
    "AWS::StepFunctions::StateMachine": _Resource(
        "StateMachineType", {"Definition": "object", "DefinitionString": "string", "DefinitionS3Location": "file"}
    ),
    "AWS::Serverless::StateMachine": _Resource("Type", {"Definition": "object", "DefinitionUri": "file"}),
}

# A Serverless variable that names a file: ${file(workflow.asl.yml)}.
_SERVERLESS_FILE = re.compile(r"\$\{file\(([^(){}]+)\)\}")


def may_be_template(text: str) -> bool:
    """Whether a text may be a template; a cheap test."""
    if text.lstrip()[:1] in "{[":
        return '"Resources"' in text or '"stepFunctions"' in text
    return _TOP_KEY.search(text) is not None


def is_template(value: Json) -> bool:
    """Whether a document is a template, not a definition."""
    if not isinstance(value, dict) or "StartAt" in value or "States" in value:
        return False
    return any(isinstance(value.get(key), dict | list) for key in ("Resources", "resources", "stepFunctions"))


def declared(value: Mapping[str, Any]) -> Iterator[Declared]:
    """Yield the state machines of a template, in order."""
    yield from _resources(value.get("Resources"), ("Resources",))
    yield from _serverless(value)


def _resources(resources: Json, at: Pointer) -> Iterator[Declared]:
    for name, resource in resources.items() if isinstance(resources, dict) else ():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        known = _RESOURCES.get(kind) if isinstance(kind, str) else None
        properties = resource.get("Properties") if known else None
        if known and isinstance(properties, dict):
            yield from _of_resource(name, known, properties, (*at, name, "Properties"))


def _of_resource(name: str, known: _Resource, properties: dict[str, Any], at: Pointer) -> Iterator[Declared]:
    given = properties.get("DefinitionSubstitutions")
    workflow_type = "EXPRESS" if properties.get(known.type_property) == "EXPRESS" else "STANDARD"
    for field, form in known.forms.items():
        if field in properties:
            definition = _form(name, form, properties[field], (*at, field))
            substitutions = given if isinstance(given, dict) else {}
            yield Declared(name, definition.form, definition.node, definition.pointer, workflow_type, substitutions)


def _form(name: str, form: Form, node: Json, pointer: Pointer) -> Declared:
    """Return the actual form of a definition: a function can replace an object with a file or a string."""
    function, argument = _function(node)
    if function == "Fn::ToJsonString":
        return Declared(name, "object", argument, (*pointer, function))
    if function == "Fn::Transform":
        location = _included(argument)
        return Declared(name, "file" if isinstance(location, str) else "elsewhere", location, pointer)
    if form == "file":
        # Otherwise {Bucket, Key}, an s3:// address, or a value that only a deployment knows.
        path = render(node, TextNode(0, 0)).text if isinstance(node, str) or function else "${}"
        is_path = "${" not in path and "://" not in path
        return Declared(name, "file" if is_path else "elsewhere", path if is_path else node, pointer)
    if form == "object" and (function or not isinstance(node, dict)):
        return Declared(name, "elsewhere", node, pointer)
    if form == "string" and function not in ("", "Fn::Join", "Fn::Sub"):
        return Declared(name, "elsewhere", node, pointer)
    return Declared(name, form, node, pointer)


def _function(node: Json) -> tuple[str, Json]:
    if isinstance(node, dict) and len(node) == 1:
        ((name, argument),) = node.items()
        if name == "Ref" or name.startswith("Fn::"):
            return name, argument
    return "", None


def _included(transform: Json) -> Json:
    """Return the file that AWS::Include includes; None for another macro or a file in S3."""
    parameters = transform.get("Parameters") if isinstance(transform, dict) else None
    if not isinstance(parameters, dict) or transform.get("Name") != "AWS::Include":
        return None
    location = parameters.get("Location")
    return location if isinstance(location, str) and "://" not in location else None


def _serverless(value: Mapping[str, Any]) -> Iterator[Declared]:
    """Yield the state machines of https://github.com/serverless-operations/serverless-step-functions."""
    section = value.get("stepFunctions")
    machines = section.get("stateMachines") if isinstance(section, dict) else None
    for name, machine in machines.items() if isinstance(machines, dict) else ():
        if isinstance(machine, dict) and "definition" in machine:
            pointer = ("stepFunctions", "stateMachines", name, "definition")
            yield _of_serverless(name, machine["definition"], pointer, str(machine.get("type")))
    lists = value.get("resources")
    for at, resources in _all_resources(lists):
        yield from _resources(resources, at)


def _of_serverless(name: str, node: Json, pointer: Pointer, type_: str) -> Declared:
    workflow_type = "EXPRESS" if type_ == "EXPRESS" else "STANDARD"
    if isinstance(node, dict):
        return Declared(name, "object", node, pointer, workflow_type)
    file = _SERVERLESS_FILE.fullmatch(node) if isinstance(node, str) else None
    if file:
        return Declared(name, "file", file[1].strip(), pointer, workflow_type)
    is_text = isinstance(node, str) and node.lstrip().startswith("{")
    return Declared(name, "string" if is_text else "elsewhere", node, pointer, workflow_type)


def _all_resources(section: Json) -> Iterator[tuple[Pointer, Json]]:
    """Yield the resources of a serverless.yml, whose `resources:` is a template or a list of templates."""
    if isinstance(section, list):
        for index, one in enumerate(section):
            yield ("resources", index, "Resources"), one.get("Resources") if isinstance(one, dict) else None
    elif isinstance(section, dict):
        yield ("resources", "Resources"), section.get("Resources")
