"""Check what a settings file says against the types of Settings; every mistake becomes a Problem with its location."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from sfnrun.asl.text.source import Pointer, Source
from sfnrun.config.names import key as function_key
from sfnrun.config.scalars import Invalid, Scalar, shown
from sfnrun.config.settings import ANSWERS, SHORT_FORMS, FunctionSettings, Settings, TaskRule
from sfnrun.errors import Problem
from sfnrun.payload import Json

__all__ = ["RULE", "STARTS_OWN_KEY", "Reader", "member_type", "merge", "plain_type", "satisfies", "type_of"]

RULE = "SFN-CONFIG"
STARTS_OWN_KEY = "x-"

# From the path of a key ("*" for a name) to the hint. A path that ends in "=" is about a value that is not a map.
RENAMED = {
    "function_settings": "it is now 'functions'",
    "functions=": "the directory of handlers is now 'functions_dir'",
    "functions.*.env": "it is now 'environment'",
    "environment": 'it is now functions: {"*": {environment: …}}',
    "history": "it is now 'store'",
    "role_arn": "it is now machines: {NAME: {role_arn: …}}",
    "state_machine_name": "it is now machines: {NAME: definition.asl.yaml}",
    "cache.dir": "it is now 'backend'",
    "cache.redact": "it is now 'redact' at the top level",
    "tasks.*.cache.redact": "it is now 'redact' at the top level",
}

_MASK = "•••"
_ENV = re.compile(r"(\$?)\$\{env:([^{},]*?)(?:,\s*([^{}]*))?\s*\}")
_WORDS: dict[type, tuple[type, str]] = {
    inspect.StrType: (str, "a string"),
    inspect.IntType: (int, "a whole number"),
    inspect.FloatType: (float, "a number"),
    inspect.BoolType: (bool, "true or false"),
}


def type_of(cls: type) -> inspect.StructType:
    """What msgspec knows of a record."""
    known = inspect.type_info(cls)
    assert isinstance(known, inspect.StructType)
    return known


def member_type(type: inspect.StructType | inspect.DictType, name: str) -> inspect.Type:
    """The type of a key of a record or a map."""
    if isinstance(type, inspect.DictType):
        return type.value_type
    return next(field.type for field in type.fields if field.encode_name == name)


def plain_type(type: inspect.Type, value: Json) -> inspect.Type:
    """The type without its description, and of several the one that a value may be."""
    while isinstance(type, inspect.Metadata) and scalar_of(type) is None:
        type = type.type
    if not isinstance(type, inspect.UnionType):
        return type
    types = [plain_type(each, value) for each in type.types if not isinstance(each, inspect.NoneType)]
    lists = [each for each in types if isinstance(each, inspect.VarTupleType)]
    fitting = lists if lists and isinstance(value, list) else [each for each in types if each not in lists]
    return fitting[0] if len(fitting) == 1 else inspect.UnionType(tuple(fitting))


def scalar_of(type: inspect.Type) -> Scalar | None:
    """How values of a type are read, if in a way of their own."""
    return (type.extra or {}).get("scalar") if isinstance(type, inspect.Metadata) else None


def as_path(kind: type, value: Json) -> Path:
    """The `dec_hook` of msgspec, which has no paths."""
    return Path(value)


def merge(below: Json, above: Json, type: inspect.Type) -> Json:
    """Plain settings with others on top, which say `null` for a default; neither is changed."""
    type = plain_type(type, above)
    if isinstance(above, list) and isinstance(type, inspect.VarTupleType):
        return [merge({}, item, type.item_type) for item in above]
    if not isinstance(above, dict) or not isinstance(type, inspect.StructType | inspect.DictType):
        return above
    result = dict(below) if isinstance(below, dict) else {}
    if isinstance(type, inspect.StructType) and type.cls is TaskRule and any(above.get(name) for name in ANSWERS):
        result = {name: value for name, value in result.items() if name not in ANSWERS}
    for name, value in above.items():
        inner = member_type(type, name)
        if value is None and not isinstance(plain_type(inner, None), inspect.AnyType):
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value, inner)
    return result


def value_of(key: str, text: str, folder: Path) -> Json:
    """The value of a key of Settings that is given as text. Raises Invalid."""
    type = plain_type(member_type(type_of(Settings), key), text)
    scalar = scalar_of(type)
    return _native(text, type, lax=True) if scalar is None else scalar.read(text, folder)


class Reader:
    """Checks a value against the types of Settings and makes it plain: `problems` and `secrets` are what it found."""

    def __init__(self, source: Source, folder: Path, variables: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.secrets: set[Pointer] = set()
        self._source = source
        self._folder = folder
        self._variables = variables

    def version_problem(self) -> Problem | None:
        """Why this sfnrun cannot read the file; None if it can."""
        from sfnrun.version import __version__

        wanted = self._source.value.get("required_version")
        if not isinstance(wanted, str) or satisfies(__version__, wanted):
            return None
        message = f"this file needs sfnrun {wanted}; this is {__version__}"
        return self._source.problem(RULE, message, ("required_version",), code="")

    def visit(self, value: Json, type: inspect.Type, at: Pointer) -> Json:
        """The plain value of what is written at a pointer."""
        type = plain_type(type, value)
        if isinstance(type, inspect.AnyType):
            return self._literal(value, at)
        if value is None:
            return None
        if isinstance(type, inspect.StructType):
            return self._record(value, type, at)
        if isinstance(type, inspect.DictType):
            return self._map(value, type, at)
        if isinstance(type, inspect.VarTupleType):
            return self._list(value, type, at)
        return self._scalar(value, type, at)

    def _record(self, value: Json, type: inspect.StructType, at: Pointer) -> Json:
        short = SHORT_FORMS.get(type.cls)
        if short is not None and not isinstance(value, dict | list):
            what, schema, expand = short
            if not _is_of(value, schema["type"]):
                return self._report(f"{shown(value)} is neither {what} nor a map", at)
            value = expand(value)
            name, inner = next(iter(value.items()))
            # The short form has no key of its own: its value is at the same pointer.
            return {name: self.visit(inner, member_type(type, name), at)}
        if not isinstance(value, dict):
            return self._report(f"{shown(value)} is not a map", at, hint=f"write {short[0]}, or a map" if short else "")
        known = {field.encode_name: field for field in type.fields}
        result: dict[str, Json] = {}
        before = len(self.problems)
        for name, member in value.items():
            if name in known:
                result[name] = self.visit(member, known[name].type, (*at, name))
            elif not name.startswith(STARTS_OWN_KEY):
                self._unknown(name, known, (*at, name))
        if len(self.problems) == before:
            self._check(result, type, at)
        return result

    def _unknown(self, name: str, known: Iterable[str], at: Pointer) -> None:
        renamed = RENAMED.get(re.sub(r"^(tasks|functions|machines)\.[^.]+\.", r"\1.*.", ".".join(map(str, at))))
        close = _close(name, known)
        hint = renamed or (f"did you mean '{close}'? " if close else f"known keys: {', '.join(sorted(known))}. ")
        if not renamed:
            hint += "Keys of your own start with x-"
        self.problems.append(self._source.problem(RULE, f"unknown key '{name}'", at, key=True, hint=hint, code=""))

    def _check(self, value: dict[str, Json], type: inspect.StructType, at: Pointer) -> None:
        """What only the whole record shows: keys that it needs, and keys that exclude each other."""
        missing = [
            field.encode_name for field in type.fields if field.required and value.get(field.encode_name) is None
        ]
        if missing:
            self._report(f"'{missing[0]}' is missing", at)
            return
        try:
            msgspec.convert(merge({}, value, type), type.cls, dec_hook=as_path)
        except msgspec.ValidationError as error:
            cause = error.__cause__
            hint, key = (cause.hint, cause.key) if isinstance(cause, Invalid) else ("", "")
            self._report(str(cause or error), (*at, key) if key else at, hint=hint, key=True)

    def _map(self, value: Json, type: inspect.DictType, at: Pointer) -> Json:
        if not isinstance(value, dict):
            return self._report(f"{shown(value)} is not a map", at, hint=RENAMED.get(f"{'.'.join(map(str, at))}=", ""))
        inner = plain_type(type.value_type, None)
        if isinstance(inner, inspect.StructType) and inner.cls is FunctionSettings:
            self._require_different(value, at)
        return {name: self.visit(member, type.value_type, (*at, name)) for name, member in value.items()}

    def _require_different(self, names: Iterable[str], at: Pointer) -> None:
        seen: dict[str, str] = {}
        for name in names:
            first = seen.setdefault(name if "*" in name else function_key(name), name)
            if first != name:
                self._report(f"'{first}' and '{name}' name the same function", (*at, name), key=True)

    def _list(self, value: Json, type: inspect.VarTupleType, at: Pointer) -> Json:
        if not isinstance(value, list):
            return self._report(f"{shown(value)} is not a list", at, hint="put it in brackets")
        if not value and type.min_length:
            return self._report("this list is empty", at)
        return [self.visit(item, type.item_type, (*at, index)) for index, item in enumerate(value)]

    def _literal(self, value: Json, at: Pointer) -> Json:
        if isinstance(value, dict):
            return {name: self._literal(member, (*at, name)) for name, member in value.items()}
        if isinstance(value, list):
            return [self._literal(item, (*at, index)) for index, item in enumerate(value)]
        return self._expanded(value, at)[0] if isinstance(value, str) else value

    def _scalar(self, written: Json, type: inspect.Type, at: Pointer) -> Json:
        value, is_whole = self._expanded(written, at) if isinstance(written, str) else (written, False)
        try:
            scalar = scalar_of(type)
            return _native(value, type, lax=is_whole) if scalar is None else scalar.read(value, self._folder)
        except Invalid as error:
            message = error.message.replace(str(value), _MASK) if value and at in self.secrets else error.message
            return self._report(message, at, hint=error.hint)

    def _expanded(self, text: str, at: Pointer) -> tuple[str, bool]:
        """A text with the variables it names, and whether it is nothing else."""
        if "${env:" not in text:
            return text, False

        def value(found: re.Match[str]) -> str:
            escaped, name, default = found.groups()
            if escaped:
                return found[0][1:]
            name = name.strip()
            self.secrets.add(at)
            given = self._variables.get(name, default)
            if given is None:
                hint = f"export {name}=…, or write ${{env:{name}, default}}"
                self._report(f"the variable {name} is not set", at, hint=hint)
            return given or ""

        whole = _ENV.fullmatch(text)
        return _ENV.sub(value, text), whole is not None and not whole[1]

    def _report(self, message: str, at: Pointer, *, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._source.problem(RULE, message, at, key=key and bool(at), hint=hint, code=""))


def _is_of(value: Json, types: str | list[str]) -> bool:
    kinds: dict[str, tuple[type, ...]] = {"boolean": (bool,), "number": (int, float), "string": (str,)}
    return any(isinstance(value, kinds[name]) for name in ([types] if isinstance(types, str) else types))


def _native(value: Json, type: inspect.Type, *, lax: bool) -> Json:
    """A value of one of JSON's own types; `lax` also takes the text of one. Raises Invalid."""
    if isinstance(type, inspect.LiteralType):
        return _one_of(value, type.values)
    types = type.types if isinstance(type, inspect.UnionType) else (type,)
    strict = not lax or any(isinstance(each, inspect.StrType) for each in types)
    for each in types:
        wanted, what = _WORDS[each.__class__]
        try:
            converted: Json = msgspec.convert(value, wanted, strict=strict)
        except msgspec.ValidationError:
            continue
        _require_range(converted, each, what)
        return converted
    raise Invalid(f"{shown(value)} is not {_words(types)}")


def _words(types: tuple[inspect.Type, ...]) -> str:
    """The types in words; every whole number is a number."""
    kinds = {each.__class__ for each in types}
    if inspect.FloatType in kinds:
        kinds -= {inspect.IntType}
    words = [what for kind, (_, what) in _WORDS.items() if kind in kinds]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _one_of(value: Json, values: tuple[Any, ...]) -> Json:
    if value in values:
        return value
    close = _close(value, values) if isinstance(value, str) else ""
    raise Invalid(f"{shown(value)} is not one of {', '.join(values)}", f"did you mean '{close}'?" if close else "")


def _require_range(value: Any, type: Any, what: str) -> None:
    if isinstance(type, inspect.StrType):
        if type.min_length and len(value) < type.min_length:
            raise Invalid("this string is empty")
    elif isinstance(type, inspect.IntType | inspect.FloatType):
        if type.ge is not None and value < type.ge:
            raise Invalid(f"{value:g} is less than the minimum of {type.ge:g}")
        if type.le is not None and value > type.le:
            raise Invalid(f"{value:g} is more than the maximum of {type.le:g}")


def _close(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(name, names, 1) or [each for each in names if each.lower() == name.lower()]
    return close[0] if close else ""


_BOUND = re.compile(r"([<>=!]=|[<>])\s*([0-9][0-9.]*)")


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version is in a range such as `>=1.2,<2`."""
    return all(_holds(_numbers(version), bound[1], _numbers(bound[2])) for bound in _BOUND.finditer(wanted))


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"[0-9]+", version)[:4]]
    return tuple(numbers + [0] * (4 - len(numbers)))


def _holds(version: tuple[int, ...], operator: str, bound: tuple[int, ...]) -> bool:
    return {
        "<": version < bound,
        "<=": version <= bound,
        ">": version > bound,
        ">=": version >= bound,
        "==": version == bound,
        "!=": version != bound,
    }[operator]
