"""Sums of two numbers in what was said, worked out."""

import operator
import re
from collections.abc import Callable
from fractions import Fraction

OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
SIGNS = {"x": "*", "X": "*", "×": "*", "÷": "/"}
MAX_SUM_CHARS = 40
_SUM = re.compile(r"(?<![\d./-])(-?\d+(?:\.\d+)?)\s*([-+*/xX×÷])\s*(-?\d+(?:\.\d+)?)(?![\d/-])")


def computed(text: str) -> str:
    """Return the first sum of a text with its result, or an empty string."""
    found = _SUM.search(text)
    if found is None or len(found[0]) > MAX_SUM_CHARS:
        return ""
    left, sign, right = found.groups()
    plain_sign = SIGNS.get(sign, sign)
    if plain_sign == "/" and not Fraction(right):
        return f"{left}/{right}=∞"
    value = OPERATIONS[plain_sign](Fraction(left), Fraction(right))
    shown = str(value) if value.denominator == 1 else f"{float(value):.10g}"
    return f"{left}{plain_sign}{right}={shown}"
