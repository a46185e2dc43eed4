"""Rules about the fields of Choice states and their rules."""

from __future__ import annotations

from sfnrun.asl.lint.rule import Row, enter_rows

__all__: list[str] = []

enter_rows(
    __name__,
    (
        Row(
            "SFN-C01",
            """Checks for Choice states without `Choices`.

            Why is this bad? AWS rejects the definition: there is nothing to choose by.

            Example: `"A": {"Type": "Choice", "Default": "B"}`

            How to fix: `"A": {"Type": "Choice", "Choices": [...], "Default": "B"}`
            """,
        ),
        Row(
            "SFN-C02",
            """Checks that `Choices` is a non-empty array of objects.

            Why is this bad? AWS rejects the definition.

            Example: `"Choices": []`

            How to fix: `"Choices": [{"Variable": "$.x", "IsNull": true, "Next": "B"}]`
            """,
        ),
        Row(
            "SFN-C03",
            """Checks for rules of `Choices` without `Next`.

            Why is this bad? AWS rejects the definition: a matching rule has no target.

            Example: `{"Variable": "$.x", "IsNull": true}`

            How to fix: `{"Variable": "$.x", "IsNull": true, "Next": "B"}`
            """,
            hint='add "Next": "NAME"',
        ),
        Row(
            "SFN-C07",
            """Checks for unknown fields in rules. Operators: String, Numeric and Timestamp with Equals, LessThan,
            GreaterThan, LessThanEquals and GreaterThanEquals, and BooleanEquals, each with Path too; StringMatches;
            IsNull, IsPresent, IsNumeric, IsString, IsBoolean, IsTimestamp.

            Why is this bad? AWS rejects the definition.

            Example: `{"Variable": "$.x", "StringEqual": "a", "Next": "B"}`

            How to fix: `{"Variable": "$.x", "StringEquals": "a", "Next": "B"}`
            """,
        ),
        Row(
            "SFN-C14",
            """Not reported: operators that end in Path with a path of the context object (`$$`) or of a variable.

            Example: `"StringEqualsPath": "$$.Execution.Input.name"`
            """,
            on="accepted",
        ),
        Row(
            "SFN-C16",
            """Checks that `And` and `Or` are non-empty arrays of rules.

            Why is this bad? AWS rejects the definition.

            Example: `"And": []`

            How to fix: `"And": [{"Variable": "$.x", "IsNull": true}]`
            """,
        ),
        Row(
            "SFN-C18",
            """Checks that `Not` is one rule, an object.

            Why is this bad? AWS rejects the definition.

            Example: `"Not": [{"Variable": "$.x", "IsNull": true}]`

            How to fix: `"Not": {"Variable": "$.x", "IsNull": true}`
            """,
        ),
        Row(
            "SFN-C22",
            """Checks for Variable, operators, And, Or and Not in rules of JSONata states.

            Why is this bad? Rules of JSONata states have a `Condition`, so AWS rejects the definition.

            Example: `{"Variable": "$.x", "IsNull": true, "Next": "B"}` in a JSONata state

            How to fix: `{"Condition": "{% $states.input.x = null %}", "Next": "B"}`
            """,
            hint='write a Condition: "{% $states.input.x = 1 %}"',
        ),
        Row(
            "SFN-C23",
            """Checks for `Condition` in rules of JSONPath states.

            Why is this bad? AWS rejects the definition.

            Example: `{"Condition": "{% true %}", "Next": "B"}` in a JSONPath state

            How to fix: add `"QueryLanguage": "JSONata"` to the state, or use Variable with an operator
            """,
            hint='add "QueryLanguage": "JSONata" to the state, or use Variable with an operator',
        ),
        Row(
            "SFN-C24",
            """Checks for rules of JSONata states without `Condition`.

            Why is this bad? AWS rejects the definition.

            Example: `{"Next": "B"}`

            How to fix: `{"Condition": "{% $states.input.x = 1 %}", "Next": "B"}`
            """,
            hint='add "Condition": "{% … %}"',
        ),
        Row(
            "SFN-C26",
            """Not reported: a `Condition` that is a literal true or false.

            Example: `"Condition": true`
            """,
            on="accepted",
        ),
    ),
)
