"""Find what a JSONata expression mentions, with offsets: one pass over its tokens that tracks brackets, without a tree.

The engine knows what an expression reads (`jlens.Expression.reads`), but neither offsets nor the names of functions,
nor what AWS refuses. An expression in Step Functions has no context item: `$`, `$$` and field names mean something
only inside a path step, a filter, an order-by, a group-by or a transform, and AWS refuses them elsewhere when the
machine is created. Which of these a token is in follows from the brackets around it and from whether a `.` was the
last operator before it, since nothing but brackets binds as tightly as `.` does.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field

from sfnrun.errors import ExpressionError
from sfnrun.expr.jsonata.tokens import Token, tokens

__all__ = ["BUILTINS", "Mention", "Mentions", "find_mentions", "is_output"]

# The functions of JSONata 2.0.6 and those that Step Functions adds.
BUILTINS = frozenset((
    "string", "substring", "substringBefore", "substringAfter", "lowercase", "uppercase", "length", "trim", "pad",
    "match", "contains", "replace", "split", "join", "formatNumber", "formatBase", "formatInteger", "parseInteger",
    "number", "floor", "ceil", "round", "abs", "sqrt", "power", "boolean", "not", "keys", "lookup", "spread", "each",
    "sift", "base64encode", "base64decode", "encodeUrlComponent", "encodeUrl", "decodeUrlComponent", "decodeUrl",
    "fromMillis", "toMillis", "sum", "count", "max", "min", "average", "map", "zip", "filter", "single", "reduce",
    "sort", "shuffle", "distinct", "reverse", "append", "merge", "exists", "type", "error", "assert", "eval", "clone",
    "now", "millis", "random", "partition", "range", "hash", "uuid", "parse",
))  # fmt: skip

# AWS evaluates 100 levels; this limit also applies to brackets that are never evaluated.
MAX_BRACKETS = 250

_OPENING = frozenset(("(", "[", "{"))
_CLOSING = frozenset((")", "]", "}", "|)"))
_CONTEXT_OPERANDS = frozenset(("*", "**", "%"))
_LAMBDAS = frozenset(("function", "λ"))
_LATER_OPERATORS = frozenset(("??", "?:"))
# Functions after which an expression is not `plain`: the first two put what a function returns into a sequence, even if
# it is a sequence; the others take the context item for the first of their arguments if the types do not fit otherwise.
_NOT_PLAIN = frozenset((
    "map", "each", "contains", "formatInteger", "formatNumber", "fromMillis", "lookup", "match", "pad", "parseInteger",
    "power", "replace", "sift", "split", "substring", "substringAfter", "substringBefore", "toMillis",
))  # fmt: skip


class Mention(NamedTuple):
    """A name or an operator of the expression, and its offsets."""

    name: str
    start: int
    end: int


class Mentions(Struct):
    """What an expression mentions. Names come without `$`; each list is in order of offset.

    `variables` are those that no scope of the expression binds, `$states` among them; a name may come often. `calls`
    are the free names that are called. `states` and `context` are the members of `$states` and `$states.context` that
    follow these names; an empty name stands for the whole. `outside` are uses of the context item where there is none.
    `roots` are the `$$`, `later` the operators of later versions of JSONata, `assigned_states` assignments to
    `$states`, `regexes` the regular expressions, `patterns` those that are arguments, each after its call. `plain`
    tells that the expression does not nest sequences in sequences, and that no call takes the context item for an
    argument by its type.
    """

    variables: list[Mention] = field(default_factory=list)
    calls: list[Mention] = field(default_factory=list)
    states: list[Mention] = field(default_factory=list)
    context: list[Mention] = field(default_factory=list)
    outside: list[Mention] = field(default_factory=list)
    roots: list[Mention] = field(default_factory=list)
    later: list[Mention] = field(default_factory=list)
    assigned_states: list[Mention] = field(default_factory=list)
    regexes: list[Mention] = field(default_factory=list)
    patterns: list[tuple[Mention, Mention]] = field(default_factory=list)
    plain: bool = True


def find_mentions(text: str) -> Mentions:
    """Scan the expression `text`, which the engine must accept.

    Raises ExpressionError where brackets are nested far deeper than AWS evaluates.
    """
    return _Scanner(text).run()


def is_output(text: str, start: int, end: int) -> bool:
    """Whether the value of the part of `text` from `start` to `end` reaches the output: nothing computes with it.

    It is the whole expression, an item, a member or a branch of a condition, or one of these in another.
    """
    words = tokens(text)
    if any(token.value == ":=" for token in words):
        return False
    first = next((index for index, token in enumerate(words) if token.start >= start), 0)
    last = next((index for index, token in enumerate(words) if token.end >= end), len(words) - 1)
    while first > 0 or words[last + 1].kind != "end":
        before, after = words[first - 1] if first else None, words[last + 1]
        begins = before is None or (before.kind == "operator" and before.value in _BEFORE_OUTPUT)
        if not begins or (after.kind != "end" and after.value not in _AFTER_OUTPUT):
            return False
        first, last = _around(words, first, last)
        opening = words[first]
        if opening.value in _OPENING and opening.infix:
            return False  # an argument, a filter or a group-by
    return True


_BEFORE_OUTPUT = frozenset(("(", "[", ",", ":", ";", "?"))
_AFTER_OUTPUT = frozenset((")", "]", "}", ",", ":", ";"))


def _around(words: list[Token], first: int, last: int) -> tuple[int, int]:
    """The brackets around the tokens from `first` to `last`, or the first and the last token."""
    depth = 0
    while first > 0 and depth >= 0:
        first -= 1
        depth += (words[first].value in _CLOSING) - (words[first].value in _OPENING)
    depth = 0
    while words[last + 1].kind != "end" and depth >= 0:
        last += 1
        depth += (words[last].value in _OPENING) - (words[last].value in _CLOSING)
    return first, last


class _Scope(Struct):
    """Names bound in a block or a function.

    `missing` are mentions in the bodies of functions inside: such a name may be bound after the function is made.
    """

    is_function: bool = False
    names: set[str] = field(default_factory=set)
    missing: list[Mention] = field(default_factory=list)


class _Bracket(Struct):
    """An open bracket; the expression as a whole is the outermost.

    `inside` tells whether there is a context item, `in_step` whether a `.` was the last operator. `assigned` are the
    targets of `:=` whose value has not ended, each with the number of `conditions` (`?` without `:`) at that time.
    """

    inside: bool
    scope: _Scope | None = None
    call: Mention | None = None
    in_step: bool = False
    assigned: list[tuple[str, int]] = field(default_factory=list)
    conditions: int = 0

    @property
    def has_context(self) -> bool:
        return self.inside or self.in_step


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.found = Mentions()
        self.free: list[Mention] = []
        self.scopes = [_Scope()]
        self.brackets = [_Bracket(False, self.scopes[0])]

    def run(self) -> Mentions:
        while self.at < len(self.tokens) - 1:
            token = self.tokens[self.at]
            self.at += 1
            match token.kind:
                case "operator":
                    self.operator(token)
                case "variable":
                    self.variable(token)
                case "name":
                    if token.value in _LAMBDAS and self.follows("("):
                        self.open_function()
                    else:
                        self.name(token)
                case "string":
                    if self.follows("."):  # a string that begins a path is a field name
                        self.name(token)
                case "regex":
                    self.regex(token)
        return self.finish()

    def follows(self, *values: str) -> bool:
        """Whether the next token is one of these operators."""
        token = self.tokens[self.at]
        return token.kind == "operator" and token.value in values

    # -- operators

    def operator(self, token: Token) -> None:
        bracket, value = self.brackets[-1], token.value
        if value in _OPENING or (value == "|" and not token.infix):
            self.open(token, bracket)
        elif value in _CLOSING:
            self.close()
        elif value == ".":
            bracket.in_step = True
        elif value in ("@", "#"):
            self.bind(self.tokens[self.at].value)
            self.at += 1
        elif token.infix:
            self.weaker(token, bracket)
        elif value in _CONTEXT_OPERANDS:
            self.name(token)

    def weaker(self, token: Token, bracket: _Bracket) -> None:
        """An operator or separator that binds less tightly than `.` does, so a step ends before it."""
        bracket.in_step = False
        match token.value:
            case "?":
                bracket.conditions += 1
            case ":":
                self.end_assignments(bracket)
                bracket.conditions = max(0, bracket.conditions - 1)
            case ";" | "," | "|":
                bracket.conditions = 0
                self.end_assignments(bracket, all=True)
            case ":=":
                target = self.tokens[self.at - 2]
                bracket.assigned.append((target.value, bracket.conditions))
                if target.value == "states":
                    self.found.assigned_states.append(_mention(target))
            case "??" | "?:":
                self.found.later.append(_mention(token))

    def end_assignments(self, bracket: _Bracket, *, all: bool = False) -> None:
        """Bind what was assigned since the last open `?`, or `all`; the value itself sees what was bound before."""
        while bracket.assigned and (all or bracket.assigned[-1][1] >= bracket.conditions):
            self.bind(bracket.assigned.pop()[0])

    # -- brackets

    def open(self, token: Token, bracket: _Bracket) -> None:
        before = self.tokens[self.at - 2] if self.at > 1 else None
        is_order = before is not None and before.kind == "operator" and before.value == "^"
        # A filter, an order-by, a group-by and a transform have context items of their own.
        inside = bracket.has_context or is_order or token.value == "|" or (token.infix and token.value != "(")
        is_block = token.value == "(" and not token.infix and not is_order
        self.push(inside, _Scope() if is_block else None)
        if token.value == "(" and before is not None and before.kind == "variable":
            self.brackets[-1].call = _mention(before)

    def push(self, inside: bool, scope: _Scope | None) -> None:
        if len(self.brackets) > MAX_BRACKETS:
            raise ExpressionError(
                self.text,
                "The expression is nested too deeply",
                length=len(self.text),
                hint="AWS evaluates at most 100 levels",
                code="INVALID_JSONATA_EXPRESSION",
            )
        self.brackets.append(_Bracket(inside, scope))
        if scope is not None:
            self.scopes.append(scope)

    def close(self) -> None:
        bracket = self.brackets.pop()
        self.end_assignments(bracket, all=True)
        if bracket.scope is not None:
            scope = self.scopes.pop()
            self.scopes[-1].missing += [mention for mention in scope.missing if mention.name not in scope.names]

    def open_function(self) -> None:
        """Read the head of a function up to the `{` of its body."""
        names: list[str] = []
        while not self.follows(")"):
            names += [self.tokens[self.at].value] if self.tokens[self.at].kind == "variable" else []
            self.at += 1
        self.at += 1
        self.found.plain &= self.follows("{")
        while not self.follows("{"):
            self.at += 1
        self.at += 1
        self.push(self.brackets[-1].has_context, _Scope(True, set(names)))

    def regex(self, token: Token) -> None:
        mention = _mention(token)
        self.found.regexes.append(mention)
        before, call = self.tokens[self.at - 2], self.brackets[-1].call
        if call is not None and before.value in ("(", ",") and self.follows(",", ")"):
            self.found.patterns.append((call, mention))

    # -- names

    def name(self, token: Token) -> None:
        """A name that is read from the context item; the body of a function may have one when it is called."""
        if not self.brackets[-1].has_context and not any(scope.is_function for scope in self.scopes):
            self.found.outside.append(_mention(token))

    def variable(self, token: Token) -> None:
        if token.value == "":
            self.name(token._replace(value="$"))
        elif token.value == "$":
            self.found.roots.append(_mention(token))
        elif not self.follows(":="):
            self.mention(_mention(token))
            self.found.plain &= token.value not in _NOT_PLAIN

    def mention(self, mention: Mention) -> None:
        if self.follows("("):
            self.found.calls.append(mention)
        if mention.name == "states":
            self.found.states.append(self.member(mention))
        for index in range(len(self.scopes) - 1, -1, -1):
            if mention.name in self.scopes[index].names:
                return
            if self.scopes[index].is_function:
                self.scopes[index - 1].missing.append(mention)
                return
        self.free.append(mention)

    def member(self, states: Mention) -> Mention:
        """The member that follows `$states`; the name is empty if there is none."""
        found = self.name_after(self.at)
        if found is None:
            return states._replace(name="")
        if found.value == "context" and (inner := self.name_after(self.at + 2)):
            self.found.context.append(Mention(inner.value, states.start, inner.end))
        return Mention(found.value, states.start, found.end)

    def name_after(self, at: int) -> Token | None:
        """The name after the `.` that is token number `at`."""
        if self.tokens[at].value == "." and self.tokens[at + 1].kind in ("name", "string"):
            after = self.tokens[at + 2]
            if after.kind != "operator" or after.value != "(":
                return self.tokens[at + 1]
        return None

    def bind(self, name: str) -> None:
        self.scopes[-1].names.add(name)

    def finish(self) -> Mentions:
        found, outermost = self.found, self.scopes[0]
        self.end_assignments(self.brackets[0], all=True)
        missing = [mention for mention in outermost.missing if mention.name not in outermost.names]
        found.variables = sorted(self.free + missing, key=lambda mention: mention.start)
        free = {mention.start for mention in found.variables}
        found.calls = [mention for mention in found.calls if mention.start in free]
        found.states = [mention for mention in found.states if mention.start in free]
        return found


def _mention(token: Token) -> Mention:
    return Mention(token.value, token.start, token.end)
