"""Match the names of Tasks and functions, in sfnrun.yaml, on the command line and in Python alike.

A Task is named by its state, its function or its resource, or by a pattern with `*`. A function has many names: ARNs,
aliases, `${ChargeCardFunctionArn}` and charge_card.py are compared without case, dashes and underscores; a placeholder
also without the words that templates put at its end (Function, Arn, Lambda). The fewer words are left out, the better
they match.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

__all__ = [
    "candidates",
    "function_arn",
    "function_name",
    "functions_named",
    "key",
    "qualifier",
    "same_function",
    "short_resource",
    "tasks_named",
    "wildcard",
]

_PLACEHOLDER = re.compile(r"\$\{!?([^{}]+)\}")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ADDED = frozenset({"arn", "alias", "fn", "func", "function", "functions", "handler", "id", "lambda", "name", "ref"})

# Most resources are optimized integrations; `dynamodb:*` is short for `arn:aws:states:::dynamodb:*`.
_INTEGRATION = re.compile(r"arn:[^:]*:states:[^:]*:[^:]*:")


def tasks_named(names: Iterable[str], state: str, function: str | None, resource: str) -> list[str]:
    """Those of the names that mean a Task, the most specific first.

    A Task is named by its state, by the function it invokes (a name or an ARN; None: none or unknown), and by the ARN
    of its resource: state, else function, else resource written out, else pattern; of patterns the one with most
    letters besides `*`.
    """
    names = list(names)
    found = [name for name in names if name == state]
    if function is not None:
        spelled = same_function(function, [name for name in names if name != state])
        found += [spelled] if spelled is not None else []
    short = short_resource(resource)
    resources = (resource, short, short.removeprefix("activity:"))
    found += [name for name in names if "*" not in name and name in resources]
    known = (state, function_name(function) if function else "", *resources)
    patterns = [name for name in names if "*" in name and any(wildcard(name, each) for each in known)]
    found += sorted(patterns, key=lambda pattern: -len(short_resource(pattern).replace("*", "")))
    return list(dict.fromkeys(found))


def short_resource(resource: str) -> str:
    """The part of a resource that tells it apart: `dynamodb:putItem` of `arn:aws:states:::dynamodb:putItem`."""
    return _INTEGRATION.sub("", resource)


def functions_named(names: Collection[str], function: str) -> list[str]:
    """Those of the names that mean a function, the most specific first."""
    same = same_function(function, names)
    bare = function_name(function)
    patterns = [name for name in names if "*" in name and wildcard(name, bare)]
    return [
        *([same] if same is not None else []),
        *sorted(patterns, key=lambda pattern: -len(pattern.replace("*", ""))),
    ]


def wildcard(pattern: str, text: str) -> bool:
    """Whether a pattern matches, in which `*` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def function_name(text: str) -> str:
    """The bare name in a function name, a partial or full ARN, each with a qualifier or without.

    "123456789012:function:charge-card:prod" -> "charge-card". Placeholders `${...}` stay as they are.
    """
    return _parts(text)[0]


def qualifier(text: str) -> str:
    """The version or alias in a function name or ARN; "" if there is none."""
    return _parts(text)[1]


def function_arn(text: str, region: str, account: str) -> str:
    """The full ARN, without qualifier, of what `text` names; what is missing is taken from region and account."""
    arn = re.match(r"arn:([^:]+):lambda:([^:]*):([^:]*):function:", text)
    partition, region, account = (arn[1], arn[2] or region, arn[3] or account) if arn else ("aws", region, account)
    if not arn and (partial := re.match(r"(\d{12}):function:", text)):
        account = partial[1]
    return f"arn:{partition}:lambda:{region}:{account}:function:{function_name(text)}"


def key(name: str) -> str:
    """What names that mean the same have in common: "ChargeCard", "charge-card", "charge_card" -> "chargecard"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def candidates(name: str) -> Iterator[str]:
    """The keys under which a name may be found, best first.

    "${ChargeCardFunctionArn}" -> "chargecardfunctionarn", "chargecardfunction", "chargecard".
    "${Stage}-charge-card" -> "chargecard", then those of "Stage".
    """
    around = _PLACEHOLDER.sub(" ", name)
    inside = [text for text in _PLACEHOLDER.findall(name) if not text.startswith("AWS::")]
    seen: set[str] = set()
    for text in (around, *inside):
        words = _WORD.findall(text.replace(".", "_"))
        while words:
            found = key("".join(words))
            if found and found not in seen:
                seen.add(found)
                yield found
            if words.pop().lower() not in _ADDED:
                break


def same_function(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that means the function `name` best; None if none does. Patterns with `*` do not count."""
    known = {key(_function_in(other)): other for other in names if "*" not in other}
    bare = function_name(name)
    return next((known[candidate] for candidate in candidates(bare) if candidate in known), None)


def _function_in(name: str) -> str:
    """What is left of a function's ARN; anything else with a colon is the name of a resource."""
    return function_name(name) if ":function:" in name else name


@lru_cache(maxsize=1024)
def _parts(text: str) -> tuple[str, str]:
    # Colons inside placeholders (${AWS::Region}) separate nothing.
    held: list[str] = []

    def hold(found: re.Match[str]) -> str:
        held.append(found[0])
        return f"\0{len(held) - 1}\0"

    masked = _PLACEHOLDER.sub(hold, text)
    masked = masked.partition(":function:")[2] or masked
    name, _, rest = masked.partition(":")

    def release(part: str) -> str:
        return re.sub("\0(\\d+)\0", lambda found: held[int(found[1])], part)

    return release(name), release(rest)
