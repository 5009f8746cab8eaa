"""Words and numbers as the report writes them."""

from __future__ import annotations

import math
import re

from gradlab.rules import wording as of_rules
from gradlab.statistics import LAYER_STATISTICS

__all__ = [
    "FORMULAS",
    "LOGARITHMIC",
    "RARER_WORDS",
    "STATISTIC_WORDS",
    "TERM_WORDS",
    "escape",
    "number",
    "plainly",
    "power",
    "power_of_ten",
    "typeset",
    "words",
]

TERM_WORDS = {
    "weight": "weight scale",
    "alignment": "weight alignment",
    "slope": "activation slope",
    "slope_alignment": "slope alignment",
    "block": "blocks",
}
# The gradient signal comes first: it is what the page is about.
_CHARTED = sorted(LAYER_STATISTICS, key=lambda each: each.name != "delta_norm")
STATISTIC_WORDS = {each.name: each.title for each in _CHARTED if each.chart == "always"}
RARER_WORDS = {each.name: each.title for each in _CHARTED if each.chart == "named"}
FORMULAS = {each.name: each.formula for each in LAYER_STATISTICS}
LOGARITHMIC = tuple(each.name for each in LAYER_STATISTICS if each.logarithmic)
COMPUTER_NUMBER = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)e([+-]?\d+)(?![\w.]*\w)")
HYPHEN_AS_MINUS = re.compile(r"(?<![\w.)\]])-(?=\d)")
PER_CENT = re.compile(r"(?: |(?<=\d))%(?!\w)")
PRODUCT = re.compile(r"(?<=\d) x (?=\S)")
PLAIN = (1e-4, 1e6)  # numbers in between are written out; common.js does the same
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def words(name: str) -> str:
    """Write a rule's name as words: "vanishing gradient", but "non-finite"."""
    return name.replace("-", " ").replace("non finite", "non-finite")


def escape(text: str) -> str:
    """Make a name safe for Plotly, which reads a few HTML tags in its labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def number(value: float) -> str:
    """Write a number as a page does: 2.02, 39,000, 0.00086, 3.3·10⁻¹³."""
    return typeset(of_rules.number(value))


def power(log10: float) -> str:
    """Write 10^log10, also where that overflows a float: 2.02, 0.00086, 3.3·10⁻¹³."""
    if not math.isfinite(log10):
        return "NaN" if math.isnan(log10) else "0" if log10 < 0 else "∞"
    if abs(log10) < 300:
        return number(10**log10)
    exponent = math.floor(log10)
    return _scientific(10 ** (log10 - exponent), exponent)


def plainly(value: float) -> str:
    """Write a number for a sentence.

    Two digits, 0.00086 rather than 8.6e-4, 3.3·10⁻¹³ where that is long.
    """
    if not math.isfinite(value) or value == 0:
        return of_rules.number(value)
    if PLAIN[0] <= abs(value) < PLAIN[1]:
        digits = max(0, 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{digits}f}"
    exponent = math.floor(math.log10(abs(value)))
    return _scientific(value / 10**exponent if exponent > -300 else 1, exponent)


def power_of_ten(exponent: int) -> str:
    """Write a whole power of ten at an axis: 0.01, 1, 1,000, 10⁻⁵."""
    if PLAIN[0] <= 10.0 ** min(exponent, 300) < PLAIN[1]:
        return f"{10.0**exponent:,.{max(0, -exponent)}f}"
    return f"10{str(exponent).translate(SUPERSCRIPTS)}"


def _scientific(mantissa: float, exponent: int) -> str:
    return f"{mantissa:.1f}·10{str(exponent).translate(SUPERSCRIPTS)}"


def typeset(text: str) -> str:
    """Write the numbers of a sentence as a page does.

    3.3·10⁻¹³ for 3.3e-13, 0.00086 for 8.6e-4, × for a product's x, no % left alone.
    """
    written = PRODUCT.sub(" × ", text)
    written = PER_CENT.sub("\u00a0%", COMPUTER_NUMBER.sub(_plain_number, written))
    return HYPHEN_AS_MINUS.sub("−", written)


def _plain_number(found: re.Match[str]) -> str:
    mantissa, exponent = float(found[1]), int(found[2])
    if found[1] == "1":
        return power_of_ten(exponent)
    return plainly(float(found[0])) if abs(exponent) < 300 else _scientific(mantissa, exponent)
