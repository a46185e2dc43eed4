"""The fuzzer of expressions for a few seconds; `python tests/fuzz/expressions.py` goes on for as long as asked."""

from random import Random

import pytest
from fuzz.expressions import CASES, Reference, against, reference_folder


@pytest.mark.parametrize("target", CASES)
def test_no_expression_raises_what_is_not_an_error_of_its_language(target):
    for number in range(300):
        CASES[target](Random(f"1/{number}"))


def test_jsonata_agrees_with_the_reference():
    package = reference_folder()
    if package is None:
        pytest.skip("node or the npm package jsonata 2.0.6 not found (npm install --offline, or SFNRUN_JSONATA)")
    with Reference(package) as reference:
        case = against(reference)
        for number in range(1000):
            case(Random(f"1/{number}"))
