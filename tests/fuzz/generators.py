"""Random documents and expressions for the fuzzers, all from one `random.Random`."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from sfnrun.expr.intrinsic_functions import FUNCTIONS

NAMES = ("a", "b", "c", "items", "name", "price")
STRINGS = (
    "",
    "a",
    "b",
    "abc",
    "aXbX",
    "10",
    "1.5",
    "null",
    "true",
    "a, b, c",
    "ä€",
    "x" * 50,
    "aaaaaaaaaaaaaaaaaaaaaaaa!",
)
SMALL_NUMBERS = (0, 1, 2, 3, -1, 10, 1.5, -0.5)
NUMBERS = (*SMALL_NUMBERS, 1e21, 2**53, 10**18)


class Documents:
    """JSON values: small ones, and now and then one that is deep, wide or long."""

    def __init__(self, chance: Random, numbers: tuple[float, ...] = NUMBERS) -> None:
        self.chance = chance
        self.scalars = [None, True, False, *numbers, *STRINGS]

    def value(self, depth: int = 0) -> Any:
        chance = self.chance
        kind = chance.random()
        if depth > 3 or kind < 0.35:
            return chance.choice(self.scalars)
        if kind < 0.65:
            return [self.value(depth + 1) for _ in range(chance.randrange(4))]
        return {chance.choice(NAMES): self.value(depth + 1) for _ in range(chance.randrange(4))}

    def hostile(self) -> Any:
        chance = self.chance
        match chance.randrange(6):
            case 0:
                return self.nested(chance.randrange(5, 400))
            case 1:
                return [self.value(2)] * chance.choice([100, 10_000])
            case 2:
                return chance.choice(["a", "a,", "1", "\\", '"', "é"]) * chance.choice([30, 3_000, 100_000])
            case 3:
                return [{"a": "a" * 60 + "!", "price": number} for number in range(chance.choice([3, 300]))]
            case 4:
                return {f"k{number}": number for number in range(3_000)}
        return self.value()

    def nested(self, depth: int) -> Any:
        value: Any = self.value(3)
        for _ in range(depth):
            value = [value] if self.chance.random() < 0.3 else {self.chance.choice(NAMES): value, "b": 1}
        return value


class Paths:
    """JSONPaths, sensible ones and mutated ones."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def path(self, root: str = "") -> str:
        chance = self.chance
        text = root or chance.choice(["$", "$", "$", "$$", "$v"])
        text += "".join(self.step() for _ in range(chance.choice([0, 1, 2, 3, 4, 9])))
        return self.mutated(text) if chance.random() < 0.1 else text

    def step(self) -> str:
        chance = self.chance
        match chance.randrange(11):
            case 0 | 1 | 2:
                return f".{chance.choice(NAMES)}"
            case 3:
                return f"[{chance.randrange(-2, 4)}]"
            case 4:
                return chance.choice(["[*]", ".*", "..*", "..*"])
            case 5:
                return f"..{chance.choice(NAMES)}"
            case 6:
                return chance.choice(["[1:]", "[:2]", "[-2:]", "[0:2]", "[(@.length-1)]"])
            case 7:
                return f"[{','.join(str(chance.randrange(3)) for _ in range(chance.choice([2, 3, 40])))}]"
            case 8:
                return f"['{chance.choice(NAMES)}','{chance.choice(NAMES)}']"
            case _:
                return f"[?({self.condition()})]"

    def condition(self) -> str:
        chance = self.chance
        criteria = [self.criterion() for _ in range(chance.choice([1, 1, 2, 3, 60]))]
        return chance.choice([" && ", " || "]).join(criteria)

    def criterion(self) -> str:
        chance = self.chance
        left = chance.choice(["@", "@.a", "@.price", "@.a.b", "$.b", "!@.c"])
        if chance.random() < 0.2:
            return left
        if chance.random() < 0.3:
            return f"{left} =~ /{self.regex()}/{chance.choice(['', 'i'])}"
        right = chance.choice(["1", "'a'", "null", "true", "n0", "10.5", "@.b", "'1'"])
        return f"{left} {chance.choice(['==', '!=', '<', '<=', '>', '>='])} {right}"

    def regex(self) -> str:
        chance = self.chance
        return chance.choice(
            ["a", "(a+)+$", "(a|a)*b", ".*", r"\d+", "a{1,30}", ".*a.*b.*c", r"(a*)\1b", "(?:a?){25}a{25}"]
        )

    def mutated(self, text: str) -> str:
        chance = self.chance
        at = chance.randrange(len(text) + 1)
        return (
            text[:at]
            + chance.choice(["", ".", "[", "]", "'", "$", "?", "(", "*", " ", "\\", "9" * 30])
            + text[at + 1 :]
        )


class Intrinsics:
    """Calls of intrinsic functions."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.paths = Paths(chance)

    def call(self, depth: int = 0) -> str:
        chance = self.chance
        function = chance.choice(list(FUNCTIONS.values()))
        count = chance.randint(function.least, 4 if function.most is None else function.most)
        text = f"{function.name}({', '.join(self.argument(depth) for _ in range(count))})"
        return self.paths.mutated(text) if chance.random() < 0.05 else text

    def argument(self, depth: int) -> str:
        chance = self.chance
        kind = chance.random()
        if kind < 0.3 and depth < 8:
            return self.call(depth + 1)
        if kind < 0.6:
            return self.paths.path()
        return chance.choice(
            ["1", "-3", "2.5", "'{} {}'", "'a,b'", "','", "'SHA-256'", "true", "false", "null", "'[1]'", "1e3"]
        )


class Jsonata:
    """JSONata over `$states.input`, `$states.context` and the variables `$v` and `$w`."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def expression(self, depth: int = 0, bound: tuple[str, ...] = ()) -> str:
        chance = self.chance
        if depth > 3 or chance.random() < 0.3:
            return self.operand(bound)
        inner = lambda *names: self.expression(depth + 1, (*bound, *names))  # noqa: E731
        match chance.randrange(17):
            case 0 | 1:
                return f"{inner()} {chance.choice(['=', '!=', 'and', 'or', 'in', '&'])} {inner()}"
            case 2:
                return f"{inner()}.{chance.choice(NAMES)}"
            case 3:
                return f"{inner()}[{chance.choice([*NAMES, '0', '-1', '$ = 1', 'a = 1'])}]"
            case 4:
                return f"[{inner()}, {inner()}]"
            case 5:
                return f"{{'a': {inner()}, 'b': {inner()}}}"
            case 6:
                return f"({inner()} ? {inner()} : {inner()})"
            case 7:
                return f"($x := {inner()}; {inner('x')})"
            case 8:
                return f"$map({inner()}, function($x, $i){{ {inner('x', 'i')} }})"
            case 9:
                return f"$filter({inner()}, function($x){{ $exists($x) }})"
            case 10:
                return f"${chance.choice(['count', 'exists', 'type', 'keys', 'append', 'reverse'])}({inner()})".replace(
                    "append(", f"append({self.operand(bound)}, "
                )
            case 11:
                return f"{inner()} ~> ${chance.choice(['count', 'exists', 'type', 'keys'])}"
            case 12:
                return f"{inner()}.($ = 1 ? 'one' : $)"
            case 13:
                return f"$each({self.operand(bound)}, function($x, $k){{ {inner('x', 'k')} }})"
            case 14:
                return f"(function($x){{ {inner('x')} }})({inner()})"
            case 15:
                tail = chance.choice(
                    ["$keys", "function($x){ $filter([$x], function(){ true }) }", "function($x){ $keys({'a': $x}) }"]
                )
                return f"$map({chance.choice(['[1]', '[[$states.input]]', '[{}, $states.input]', inner()])}, {tail})"
        return f"$string({inner()})"

    def operand(self, bound: tuple[str, ...] = ()) -> str:
        chance = self.chance
        names = [f"${name}" for name in bound] * 2
        places = [
            "$states.input",
            "$states.input.a",
            "$states.input.items",
            "$v",
            "$w.b",
            "$states.context.State",
            "$states.*",
        ]
        return chance.choice(
            [*names, *places, *places, "1", "0", "'a'", "true", "null", "[]", "[1, 2]", "{}", "[1..3]"]
        )

    def text_call(self) -> str:
        """A call of $split or $replace with a regex."""
        chance = self.chance
        text = json.dumps("".join(chance.choices("aAb1 ,.$\n-é", k=chance.randrange(12))), ensure_ascii=False)
        limit = chance.choice(["", "", ", 0", ", 1", ", 1.5", ", 2"])
        if chance.random() < 0.4:
            return f"$split({text}, {self.regex()}{limit})"
        new = chance.choice(
            ["'x'", "'[$0]'", "'$1$2'", "'$$1'", "''", "function($m){ '<' & $m.match & $m.start & '>' }"]
        )
        pattern = self.regex() if chance.random() < 0.7 else chance.choice(["'a'", "'.'", "'ab'"])
        new = "'y'" if pattern.startswith("'") and new.startswith("f") else new
        return f"$replace({text}, {pattern}, {new}{limit})"

    def regex(self) -> str:
        chance = self.chance
        pieces = (
            "a",
            "b",
            ".",
            r"\s",
            r"\d",
            r"\w",
            r"\.",
            "[ab]",
            "[^a]",
            "[a-c1]",
            "^",
            "$",
            r"\b",
            "(a)",
            "(?:ab)",
            "(b|a)",
            ",",
        )
        text = "".join(
            chance.choice(pieces) + chance.choice(["", "", "", "*", "+", "?", "{2}", "{1,2}", "+?"])
            for _ in range(chance.randrange(1, 4))
        )
        return f"/{text}{chance.choice(['', '', '|b'])}/{chance.choice(['', '', 'i'])}"
