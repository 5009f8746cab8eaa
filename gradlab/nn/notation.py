"""Numbers as the course writes them: raised for layers, lowered for units."""

from __future__ import annotations


def superscript(number: int) -> str:
    """Return 12 as "¹²"."""
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def subscript(*numbers: int) -> str:
    """Return 1, 2 as "₁₂", and 1, 12 as "₁,₁₂"."""
    separator = "" if max(numbers) < 10 else ","
    return separator.join(str(number) for number in numbers).translate(
        str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    )
