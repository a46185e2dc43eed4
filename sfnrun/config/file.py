"""From sfnrun.yaml to a Config: the schema finds what is wrong, positions say where, and words are ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from sfnrun.asl.text.file_text import read_text
from sfnrun.asl.text.source import Pointer, Source, from_text
from sfnrun.config.settings import (
    CacheRule,
    CacheSettings,
    CacheTarget,
    Config,
    FunctionSettings,
    Reply,
    TaskRule,
    milliseconds,
)
from sfnrun.errors import ConfigError, DefinitionError, Problem
from sfnrun.payload import Json, dumps

__all__ = ["config_schema", "read_config"]

_RULE = "SFN-CONFIG"
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}


def config_schema() -> dict[str, Any]:
    """The JSON Schema of sfnrun.yaml, for editors too."""
    schema: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_bytes())
    return schema


def read_config(path: Path, functions: Path) -> Config:
    """The Config in a file; `functions` is the folder of handlers unless it names one. Raises ConfigError."""
    source = _read(path)
    problems = sorted(_problems(source), key=_by_position)
    if problems:
        raise ConfigError(problems)
    builder = _Builder(source, path.absolute().parent)
    config = builder.config(path, functions)
    if builder.problems:
        raise ConfigError(builder.problems)
    return config


def _by_position(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


def _read(path: Path) -> Source:
    name = str(path)
    try:
        text = read_text(name)
        if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
            text = "{}"
        return from_text(text, name, "json" if path.suffix == ".json" else "yaml")
    except DefinitionError as error:
        raise ConfigError(map(_as_config_problem, error.problems)) from None


def _as_config_problem(problem: Problem) -> Problem:
    if problem.rule == "SFN-S02":
        problem = replace(problem, message="settings are a mapping, like 'functions: handlers'", hint="")
    if problem.rule == "SFN-S13":
        problem = replace(problem, message="is no configuration file: it has more than 1 MB", hint="")
    return replace(problem, rule=_RULE, code="", location=None)


def _problems(source: Source) -> Iterator[Problem]:
    from jsonschema_rs import Draft202012Validator  # 8 ms that only those pay who have a file

    schema = config_schema()
    for error in Draft202012Validator(schema).iter_errors(source.value):
        pointer, path = tuple(error.instance_path), tuple(error.schema_path)
        part = _at(schema, path[:-1])
        keyword = str(path[-1])
        yield from _explained(source, _Violation(pointer, keyword, part[keyword], part, _at(source.value, pointer)))


def _at(value: Json, pointer: Pointer) -> Json:
    for step in pointer:
        value = value[step]
    return value


class _Violation(NamedTuple):
    """A value at `pointer` that is not what `keyword` of a part of the schema wants."""

    pointer: Pointer
    keyword: str
    wanted: Json
    schema: dict[str, Any]
    value: Json


def _explained(source: Source, found: _Violation) -> Iterator[Problem]:
    """A violation in words: one Problem for each unknown key, else one."""
    pointer = found.pointer
    report = partial(source.problem, _RULE, code="")
    if found.keyword == "additionalProperties":
        known = list(found.schema["properties"])
        for key in found.value.keys() - known:
            yield report(
                f"there is no setting '{key}'{_here(pointer)}", (*pointer, key), key=True, hint=_meant(key, known)
            )
        return
    message, hint = _words(found)
    at_key = found.keyword in ("required", "oneOf") and bool(pointer)
    yield report(message, pointer, key=at_key, hint=hint)


def _here(pointer: Pointer) -> str:
    return f" in {'.'.join(map(str, pointer))}" if pointer else ""


def _meant(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, 1) or [name for name in known if name.lower() == key.lower()]
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(sorted(known))}"


def _words(found: _Violation) -> tuple[str, str]:
    """What is wrong, and what to do."""
    kind, wanted, shown = found.keyword, found.wanted, _shown(found.value)
    hint = found.schema.get("errorMessage", "")
    if kind == "type":
        return f"expected {_any_of(wanted)}, found {shown}", hint
    if kind == "enum":
        close = _meant(found.value, wanted) if isinstance(found.value, str) else ""
        return f"{shown} is none of {', '.join(map(str, wanted))}", close if "mean" in close else ""
    if kind == "required":
        missing = [name for name in wanted if name not in found.value]
        return f"'{missing[0]}' is missing", hint
    if kind in ("minimum", "maximum", "pattern") and "title" in found.schema:
        return f"{shown} is no {found.schema['title']}", hint
    if kind in ("minimum", "maximum"):
        return f"{shown} is out of range: {'at least' if kind == 'minimum' else 'at most'} {wanted}", hint
    if kind == "oneOf":
        return hint, ""
    if kind == "const":
        return f"the only value is {dumps(wanted)}", hint
    if kind in ("minItems", "minLength"):
        return "this is empty", hint
    return f"{shown} does not fit: {kind} {dumps(wanted)}", hint


def _any_of(types: str | list[str]) -> str:
    names = [_TYPES[name] for name in ([types] if isinstance(types, str) else types) if name != "null"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _shown(value: Json) -> str:
    text = dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


class _Builder:
    """Makes a Config of a value that has passed the schema; what a schema cannot know becomes a Problem."""

    def __init__(self, source: Source, folder: Path) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._folder = folder

    def config(self, path: Path, functions: Path) -> Config:
        value: dict[str, Any] = self._source.value
        history = value.get("history")
        return Config(
            path=path,
            functions=self._folder / value["functions"] if "functions" in value else functions,
            substitutions=value.get("substitutions") or {},
            function_settings={
                name: self._function(settings or {}, ("function_settings", name))
                for name, settings in (value.get("function_settings") or {}).items()
            },
            tasks=tuple(
                self._task(name, rule or {}, ("tasks", name)) for name, rule in (value.get("tasks") or {}).items()
            ),
            cache=self._cache_settings(value.get("cache") or {}),
            environment=_texts(value.get("environment")),
            ignore=tuple(value.get("ignore") or ()),
            seed=value.get("seed"),
            region=value.get("region"),
            account=str(value["account"]) if "account" in value else None,
            role_arn=value.get("role_arn"),
            state_machine_name=value.get("state_machine_name"),
            history=self._folder / history if history else None,
        )

    def _function(self, settings: dict[str, Any], at: Pointer) -> FunctionSettings:
        return FunctionSettings(
            self._handler(settings["handler"], (*at, "handler")) if "handler" in settings else None,
            milliseconds(settings.get("timeout", 3)) / 1000,
            settings.get("memory", 128),
            _texts(settings.get("env")),
        )

    def _task(self, key: str, rule: dict[str, Any], at: Pointer) -> TaskRule:
        attempts = rule.get("attempts")
        if attempts:
            replies = tuple(self._reply(reply, (*at, "attempts", index)) for index, reply in enumerate(attempts))
        else:
            replies = (self._reply(rule, at),) if rule.keys() & {"handler", "result", "error", "pending"} else ()
        return TaskRule(
            key,
            replies,
            _optional_ms(rule.get("duration")),
            milliseconds(rule["timeout"]) / 1000 if "timeout" in rule else None,
            _cache_rule(rule["cache"]) if "cache" in rule else None,
        )

    def _reply(self, written: dict[str, Any], at: Pointer) -> Reply:
        duration = _optional_ms(written.get("duration"))
        if "handler" in written:
            handler = self._handler(written["handler"], (*at, "handler"))
            return Reply("handler", handler=handler, duration_ms=duration)
        if "error" in written:
            error = written["error"]
            error = {"error": error} if isinstance(error, str) else error
            return Reply("error", error=error["error"], cause=_text(error.get("cause")), duration_ms=duration)
        if "result" in written:
            return Reply("result", result=written["result"], duration_ms=duration)
        return Reply("pending", duration_ms=duration)

    def _handler(self, written: str, at: Pointer) -> str:
        """A file is relative to the folder of sfnrun.yaml; a module is found as Python finds it."""
        file, _, function = written.rpartition(":")
        if not file.endswith(".py"):
            return written
        path = self._folder / file
        if not path.is_file():
            names = [entry.name for entry in path.parent.glob("*.py")]
            hint = _meant(path.name, names) if names else "the path is relative to the folder of this file"
            self.problems.append(self._source.problem(_RULE, f"there is no file {path}", at, hint=hint, code=""))
        return f"{path}:{function}"

    def _cache_settings(self, written: dict[str, Any]) -> CacheSettings:
        default = CacheSettings()
        size = written.get("size_limit", default.size_limit)
        return CacheSettings(
            written.get("backend", default.backend),
            self._folder / written.get("dir", default.dir),
            _bytes(size),
            written.get("eviction", default.eviction),
            milliseconds(written["timeout"]) if "timeout" in written else default.timeout_ms,
            tuple(written.get("redact", ())),
        )


def _cache_rule(written: Json) -> CacheRule:
    """`cache: true`, `cache: 60s` and the long form."""
    if isinstance(written, bool):
        return CacheRule(enabled=written)
    if not isinstance(written, dict):
        return CacheRule(ttl_ms=milliseconds(written))
    default = CacheRule()
    return CacheRule(
        ttl_ms=_optional_ms(written.get("ttl")),
        strategy=written.get("strategy", default.strategy),
        key=_key(written.get("key")),
        vary=tuple(written.get("vary", ())),
        version=_text(written.get("version")) or "",
        stale_if_error_ms=_optional_ms(written.get("stale_if_error")) or 0,
        stale_while_revalidate_ms=_optional_ms(written.get("stale_while_revalidate")) or 0,
        negative_ttl_ms=_optional_ms(written.get("negative_ttl")) or 0,
        jitter=written.get("jitter", default.jitter),
        refresh_ahead=written.get("refresh_ahead", default.refresh_ahead),
        writes=_target(written["writes"]) if "writes" in written else None,
        invalidates=tuple(map(_target, written.get("invalidates", ()))),
        redact=tuple(written.get("redact", ())),
    )


def _target(written: Json) -> CacheTarget:
    return CacheTarget(written) if isinstance(written, str) else CacheTarget(written["task"], _key(written.get("key")))


def _key(written: Json) -> str | tuple[str, ...] | None:
    return tuple(written) if isinstance(written, list) else written


def _optional_ms(written: Json) -> int | None:
    return None if written is None else milliseconds(written)


def _text(value: Json) -> str | None:
    return value if value is None or isinstance(value, str) else dumps(value)


def _texts(values: Mapping[str, Json] | None) -> dict[str, str]:
    return {name: _text(value) or "" for name, value in (values or {}).items()}


def _bytes(written: int | str) -> int:
    if isinstance(written, int):
        return written
    number = written.rstrip("BKMG")
    return round(float(number) * _UNITS[written[len(number) :]])
