"""What a JSONata expression refers to: its variables, the functions it calls, and what it expects of a context.

A Step Functions expression has no context item: `$`, `$$` and field names mean something only inside a path step, a
filter, an order-by, a group-by or a transform, and AWS refuses them outside when the machine is created. This reader
follows the reference's grammar (jsonata.js 2.0.6, src/parser.js) closely enough to know, for each word, whether it
stands inside one of these, and which variables its scopes bind. It runs on expressions that parse.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from msgspec import Struct, field

from sfnrun.errors import ExpressionError
from sfnrun.expr.jsonata.scopes import Mention, Scopes
from sfnrun.expr.jsonata.tokens import Token, tokens

__all__ = ["BUILTINS", "References", "references"]


class References(Struct):
    """What an expression refers to. Names come without `$`; each list is in order of place.

    `variables` are those that no scope of the expression binds, `$states` among them; a name may come often. `calls`
    are the free names that are called. `states` and `context` are the members of `$states` and `$states.context` that
    are named; an empty name stands for the whole. `outside` are uses of the context item where there is none.
    `looks_outside` tells whether the expression may read the context item there in a way that is not refused. `roots`
    are the `$$`, `later` the operators of later versions of JSONata, `assigned_states` what is done to `$states`.
    """

    variables: list[Mention] = field(default_factory=list)
    calls: list[Mention] = field(default_factory=list)
    states: list[Mention] = field(default_factory=list)
    context: list[Mention] = field(default_factory=list)
    outside: list[Mention] = field(default_factory=list)
    roots: list[Mention] = field(default_factory=list)
    later: list[Mention] = field(default_factory=list)
    assigned_states: list[Mention] = field(default_factory=list)
    looks_outside: bool = False


# The functions of JSONata 2.0.6 with, for those that take the context item as a missing first argument, the number of
# arguments from which on they do not.
_CONTEXT_FUNCTIONS = {
    "string": 1, "substring": 2, "substringBefore": 2, "substringAfter": 2, "lowercase": 1, "uppercase": 1,
    "length": 1, "trim": 1, "pad": 2, "match": 2, "contains": 2, "replace": 3, "split": 2, "formatNumber": 2,
    "formatBase": 1, "formatInteger": 2, "parseInteger": 2, "number": 1, "floor": 1, "ceil": 1, "round": 1, "abs": 1,
    "sqrt": 1, "power": 2, "boolean": 1, "not": 1, "keys": 1, "lookup": 2, "spread": 1, "each": 2, "sift": 2,
    "base64encode": 1, "base64decode": 1, "encodeUrlComponent": 1, "encodeUrl": 1, "decodeUrlComponent": 1,
    "decodeUrl": 1, "fromMillis": 1, "toMillis": 1,
}  # fmt: skip
BUILTINS = frozenset(_CONTEXT_FUNCTIONS) | {
    "sum", "count", "max", "min", "average", "join", "map", "zip", "filter", "single", "reduce", "sort", "shuffle",
    "distinct", "reverse", "append", "merge", "exists", "type", "error", "assert", "eval", "now", "millis", "random",
    "partition", "range", "hash", "uuid", "parse",
}  # fmt: skip

# Binding powers of what may stand between operands; the reference's table.
_POWER = {
    ".": 75, "[": 80, "{": 70, "(": 80, "@": 80, "#": 80, "?": 20, "??": 40, "?:": 40, "+": 50, "-": 50, "*": 60,
    "/": 60, "%": 60, "=": 40, "<": 40, ">": 40, "^": 40, "..": 20, ":=": 10, "!=": 40, "<=": 40, ">=": 40, "~>": 40,
    "and": 30, "or": 25, "in": 40, "&": 50,
}  # fmt: skip
_LATER_MARKS = frozenset(("??", "?:"))


class _Node(NamedTuple):
    """As much of a parsed operand as its surroundings need to know."""

    kind: str
    name: str
    start: int
    end: int


def references(text: str) -> References:
    """What the expression `text` refers to. It must be one that the engine accepts.

    Raises ExpressionError if it is nested too deeply for us, which is deeper than AWS evaluates.
    """
    reader = _Reader(text)
    try:
        reader.expression(0)
    except RecursionError:
        raise ExpressionError(
            text,
            "The expression is nested too deeply",
            length=len(text),
            hint="an evaluation on AWS nests 100 levels at most",
            code="INVALID_JSONATA_EXPRESSION",
        ) from None
    reader.take("(end)")
    return reader.finish()


class _Reader:
    """A Pratt parser that keeps no tree: what it learns goes to `found` as it passes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = tokens(text)
        self.at = 0
        self.found = References()
        self.scopes = Scopes()
        self.inside = False  # whether there is a context item here
        self.members: dict[int, Mention] = {}  # of $states, by the place of the variable

    # -- words

    @property
    def word(self) -> Token:
        return self.words[self.at]

    def next(self) -> Token:
        word = self.word
        self.at += 1
        return word

    def sees(self, *values: str) -> bool:
        word = self.word
        return word.kind in ("operator", "end") and word.value in values

    def take(self, value: str) -> Token:
        if not self.sees(value):
            self.lost()
        return self.next()

    def lost(self) -> NoReturn:
        """The engine takes what our grammar does not: better refused than misread."""
        word = self.word
        raise ExpressionError(
            self.text,
            f'Unexpected "{word.value}"',
            offset=word.start,
            length=max(1, word.end - word.start),
            code="INVALID_JSONATA_EXPRESSION",
        )

    # -- operands and what stands between them

    def expression(self, power: int) -> _Node:
        left = self.operand(self.next())
        while self.word.kind == "operator" and power < _POWER.get(self.word.value, 0):
            left = self.between(left, self.next())
        return left

    def inner(self, power: int = 0) -> _Node:
        """An expression that has a context item."""
        outer, self.inside = self.inside, True
        node = self.expression(power)
        self.inside = outer
        return node

    def operand(self, word: Token) -> _Node:
        if word.kind == "variable":
            return self.variable(word)
        if word.kind == "name":
            return self.lambda_(word) if self.opens_lambda(word) else self.name(word)
        if word.kind == "operator":
            return self.prefix(word)
        if word.kind == "end":
            self.at -= 1
            self.lost()
        return _Node(word.kind, word.value, word.start, word.end)

    def prefix(self, word: Token) -> _Node:
        match word.value:
            case "-":
                self.expression(70)
            case "(":
                self.block()
            case "[":
                self.items("]")
            case "{":
                self.pairs()
            case "|":
                self.transform()
            case "*" | "**" | "%":
                return self.name(word)
            case _:
                self.at -= 1
                self.lost()
        return self.other(word)

    def between(self, left: _Node, word: Token) -> _Node:
        if word.value in _LATER_MARKS:
            self.found.later.append(Mention(word.value, word.start, word.end))
        match word.value:
            case ".":
                return self.step(left)
            case "[":
                if not self.sees("]"):
                    self.inner()
                self.take("]")
                return left
            case "{":
                outer, self.inside = self.inside, True
                self.pairs()
                self.inside = outer
            case "(":
                self.call(left)
            case "^":
                self.order()
            case "@" | "#":
                self.scopes.bind(self.next().value)
                return left
            case "?":
                self.expression(0)
                if self.sees(":"):
                    self.next()
                    self.expression(0)
            case ":=":
                return self.assignment(left)
            case _:
                self.expression(_POWER[word.value])
        return self.other(word, left.start)

    def other(self, word: Token, start: int | None = None) -> _Node:
        return _Node("other", "", word.start if start is None else start, self.words[self.at - 1].end)

    # -- names

    def name(self, word: Token) -> _Node:
        if not self.inside:
            self.outside(Mention(word.value, word.start, word.end))
        return _Node("name", word.value, word.start, word.end)

    def outside(self, mention: Mention) -> None:
        if self.scopes.in_function:
            self.found.looks_outside = True
        else:
            self.found.outside.append(mention)

    def first_step(self, left: _Node) -> None:
        """A string that begins a path is a field name."""
        if left.kind == "string" and not self.inside:
            self.outside(Mention(left.name, left.start, left.end))

    def step(self, left: _Node) -> _Node:
        self.first_step(left)
        right = self.inner(75)
        if right.kind in ("name", "string"):
            if left.kind == "variable" and left.name == "states":
                self.members[left.start] = Mention(right.name, left.start, right.end)
                return _Node("member", right.name, left.start, right.end)
            if left.kind == "member" and left.name == "context":
                self.found.context.append(Mention(right.name, left.start, right.end))
        return _Node("other", "", left.start, right.end)

    def variable(self, word: Token) -> _Node:
        mention = Mention(word.value, word.start, word.end)
        if word.value == "":
            if not self.inside:
                self.outside(Mention("$", word.start, word.end))
        elif word.value == "$":
            self.found.roots.append(mention)
        else:
            self.scopes.mention(mention)
        return _Node("variable", word.value, word.start, word.end)

    def assignment(self, left: _Node) -> _Node:
        if left.name == "states":
            self.found.assigned_states.append(Mention("states", left.start, left.end))
        self.scopes.forget(left.start)
        right = self.expression(9)
        self.scopes.bind(left.name)
        return _Node("other", "", left.start, right.end)

    # -- brackets

    def block(self) -> None:
        self.scopes.enter()
        while not self.sees(")"):
            self.expression(0)
            if not self.sees(")"):
                self.take(";")
        self.take(")")
        self.scopes.leave()

    def items(self, closer: str) -> int:
        """Expressions between commas up to `closer`; how many there were."""
        count = 0
        while not self.sees(closer):
            count += 1
            if self.sees("?") and self.words[self.at + 1].value in (",", ")"):
                self.next()
                self.found.looks_outside = True  # a partial application: who calls it, and with how many arguments?
            else:
                self.expression(0)
            if not self.sees(closer):
                self.take(",")
        self.take(closer)
        return count

    def pairs(self) -> None:
        while not self.sees("}"):
            self.expression(0)
            self.take(":")
            self.expression(0)
            if not self.sees("}"):
                self.take(",")
        self.take("}")

    def order(self) -> None:
        self.take("(")
        while True:
            if self.sees("<", ">"):
                self.next()
            self.inner()
            if self.sees(")"):
                self.next()
                return
            self.take(",")

    def transform(self) -> None:
        self.inner()
        self.take("|")
        self.inner()
        if self.sees(","):
            self.next()
            self.inner()
        self.take("|")

    # -- functions

    def opens_lambda(self, word: Token) -> bool:
        return word.value in ("function", "λ") and self.sees("(")

    def lambda_(self, word: Token) -> _Node:
        self.take("(")
        names = []
        while not self.sees(")"):
            names.append(self.next().value)
            if self.sees(","):
                self.next()
        self.take(")")
        if self.sees("<"):
            self.signature()
        self.scopes.enter(is_function=True, names=names)
        self.take("{")
        self.expression(0)
        self.take("}")
        self.scopes.leave()
        return self.other(word)

    def signature(self) -> None:
        depth = 0
        while True:
            word = self.next()
            if word.value == "-":
                self.found.looks_outside = True  # this parameter is the context item where it is not given
            depth += {"<": 1, ">": -1}.get(word.value, 0)
            if depth == 0:
                return

    def call(self, left: _Node) -> None:
        given = self.items(")")
        if left.kind != "variable":
            return
        self.found.calls.append(Mention(left.name, left.start, left.end))
        if not self.inside and given < _CONTEXT_FUNCTIONS.get(left.name, 0):
            self.found.looks_outside = True

    # -- the result

    def finish(self) -> References:
        found = self.found
        found.variables = self.scopes.free()
        free = {mention.start for mention in found.variables}
        called = {mention.start for mention in found.calls}
        found.calls = [mention for mention in found.calls if mention.start in free]
        for mention in found.variables:
            if mention.name == "states":
                found.states.append(self.members.get(mention.start, mention._replace(name="")))
            elif mention.start not in called and mention.name in _CONTEXT_FUNCTIONS:
                found.looks_outside = True  # a function given away: who calls it, and with how many arguments?
        return found
