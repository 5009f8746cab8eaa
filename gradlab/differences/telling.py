"""How a `Difference` is told: in plain text, and in HTML for a notebook."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from gradlab import display
from gradlab.differences.facts import Facts, Side
from gradlab.differences.parting import Parting
from gradlab.rules.wording import number
from gradlab.run import Run

WIDTH = 80  # of a printed line
LONGEST = 28  # characters of a value in a table
LISTED = 6  # layers that are named one by one
PARTINGS = 8  # statistics whose parting is listed


def two_names(a: Run, b: Run) -> tuple[str, str]:
    """Return two different names: the runs' own, else their folders', else A and B."""
    if a.name != b.name:
        return a.name, b.name
    folders = a.folder, b.folder
    if folders[0] is not None and folders[1] is not None and folders[0] != folders[1]:
        if folders[0].name != folders[1].name:
            return folders[0].name, folders[1].name
        return str(folders[0]), str(folders[1])
    return f"{a.name} (A)", f"{b.name} (B)"


def plain_losses(losses: tuple[float, float] | None) -> list[float | str] | None:
    """Return losses as JSON holds them: what is not finite as a word."""
    if losses is None:
        return None
    return [value if math.isfinite(value) else str(value) for value in losses]


def headline(difference: Facts) -> str:
    """Say in one sentence where the records part, or that they agree."""
    begin, end = difference.compared
    parting = difference.parting
    if parting is not None:
        return f"The records part at {_when(difference, parting)}: {what(parting)}"
    if end <= begin:
        return "No iteration is in both records, so nothing can be compared"
    if not difference.layers.names:
        return "The runs have no layer of one path in common; only their losses were compared"
    return f"The records agree to rounding in all {end - begin} iterations that both have"


def what(parting: Parting) -> str:
    """Say which statistic parts, in which layer, and how far."""
    place = f" of {parting.place}" if parting.place else ""
    one, other = told_apart(*parting.values)
    return f"{parting.label}{place}, {one} against {other}"


def _when(difference: Facts, parting: Parting) -> str:
    one, other = parting.iteration
    seeds = min(side.seeds for side in difference.sides)
    seed = f" in seed {parting.replicate}" if seeds > 1 else ""
    if one == other:
        return f"iteration {one}{seed}"
    return f"iteration {one} of the first run, {other} of the second{seed}"


def sentences(difference: Facts) -> list[str]:
    """Return what is said below the headline, a sentence each."""
    said = []
    parting = difference.parting
    if parting is not None:
        said.append(f"That means: {parting.meaning}.")
    rounding = difference.rounding
    said.append(
        f"Differences up to {number(rounding.relative)} of a number count as rounding: "
        f"{rounding.units} units in the last place of {rounding.dtype}."
    )
    if difference.offset:
        later, earlier = difference.sides[::-1] if difference.offset > 0 else difference.sides
        said.append(
            f"{later.name} begins with the weights that {earlier.name} had at iteration "
            f"{abs(difference.offset)}; it is compared from there."
        )
    counts = [side.seeds for side in difference.sides]
    if counts[0] != counts[1]:
        said.append(f"They have {counts[0]} and {counts[1]} seeds; those of one number are paired.")
    for side, names in zip(difference.sides, difference.layers.alone, strict=True):
        if names:
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            said.append(f"Only {side.name} has {', '.join(names[:LISTED])}{more}.")
    return said


def settings(difference: Facts) -> list[tuple[str, str, str]]:
    """Return the rows of what differs in configuration, layers and environment."""
    rows = [
        (each.name, written(each.values[0]), written(each.values[1]))
        for each in (*difference.configuration, *difference.environment)
    ]
    rows += [(f"{path}: {column}", one, other)
             for path, column, one, other in difference.layers.changed]  # fmt: skip
    return rows


def verdicts(difference: Facts) -> list[tuple[str, str, str]]:
    """Return the rows of the two verdicts, side by side."""
    one, other = difference.sides
    return [
        ("verdict", _verdict(one), _verdict(other)),
        ("outcome", one.outcome, other.outcome),
        ("iterations", str(one.iterations), str(other.iterations)),
        ("loss, first to last", _losses(one), _losses(other)),
        *difference.rules,
    ]


def places(difference: Facts) -> list[tuple[str, str, str, str, str]]:
    """Return the rows of where each statistic parts."""
    return [
        (
            each.label,
            str(each.iteration[0]),
            each.place or "the whole net",
            *told_apart(*each.values),
        )
        for each in difference.partings[:PARTINGS]
    ]


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Write two numbers with as many digits as tell them apart, and one more."""
    for digits in range(2, 17):
        words = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if words[0] != words[1]:
            if digits < 3:
                return number(one), number(other)
            return f"{one:.{digits + 1}g}", f"{other:.{digits + 1}g}"
    return number(one), number(other)


def written(value: Any) -> str:
    """Write a setting for a table."""
    if value is None:
        return "-"
    text = number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _verdict(side: Side) -> str:
    return f"{side.diagnosis.verdict} {side.diagnosis.share}".strip()


def _losses(side: Side) -> str:
    return "-" if side.losses is None else " to ".join(map(number, side.losses))


def text(difference: Facts) -> str:
    """Tell a difference in plain text, 80 columns wide where names allow."""
    one, other = (side.name for side in difference.sides)
    lines = [f"{one} against {other}", ""]
    lines += _wrapped(f"{headline(difference)}.")
    lines += [line for said in sentences(difference) for line in _wrapped(said, "  ")]
    changed = settings(difference)
    heads = (one, other)
    if changed:
        lines += ["", *display.columns_text(("made differently", *heads), changed)]
    else:
        lines += ["", "Configuration and environment are the same."]
    if difference.partings:
        head = ("parts first", "iteration", "in", *heads)
        lines += ["", *display.columns_text(head, places(difference))]
    if difference.parting is not None or difference.rules:
        lines += ["", *display.columns_text(("verdict", *heads), verdicts(difference))]
    else:
        lines += ["", f"The verdict is the same: {_verdict(difference.sides[0])}."]
    return "\n".join(lines)


def _wrapped(words: str, margin: str = "") -> list[str]:
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
        break_long_words=False,
    )


def markup(difference: Facts) -> str:
    """Tell a difference in HTML, for a notebook."""
    heads = tuple(side.name for side in difference.sides)
    parts = [display.paragraph(f"{headline(difference)}.", bold=True)]
    parts += [display.paragraph(said) for said in sentences(difference)]
    tables: Sequence[tuple[tuple[str, ...], Sequence[tuple[str, ...]]]] = (
        (("made differently", *heads), settings(difference)),
        (("parts first", "iteration", "in", *heads), places(difference)),
        (("", *heads), verdicts(difference)),
    )
    parts += [display.grid(head, rows) for head, rows in tables if rows]
    return display.box(*parts)
