"""How a Run shows itself: a few lines of text, or of HTML in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradlab import display

Array = np.ndarray


@dataclass(frozen=True)
class Summary:
    """What is shown of a run.

    Attributes
    ----------
    shape : (int, int, int)
        (T, S, L).
    loss : (float, float), optional
        The median over the seeds, at first and at last.
    guess : float, optional
        The loss of the best constant prediction.
    bars : sequence of Bar
        ||delta|| of each layer at iteration 0 over the last layer's.
    """

    name: str
    status: str
    shape: tuple[int, int, int]
    loss: tuple[float, float] | None
    guess: float | None
    bars: Sequence[display.Bar]

    @property
    def lines(self) -> list[str]:
        """What was recorded and how it went, in a few lines."""
        counts = zip(self.shape, ("iteration", "seed", "layer"), strict=True)
        size = " x ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in counts)
        lines = [f"{self.name}: {size}, {self.status}"]
        if self.loss is not None:
            tail = f" (a constant guess: {self.guess:.4g})" if self.guess else ""
            lines.append(f"loss {self.loss[0]:.4g} at first, {self.loss[1]:.4g} at last{tail}")
        if self.bars:
            lines.append(
                "||delta|| by layer at iteration 0 over the last layer's; bars: powers of ten"
            )
        return lines


def summary(
    name: str,
    status: str,
    shape: tuple[int, int, int],
    loss: tuple[Array, Array],
    guess: object,
    names: Mapping[int, str],
    deltas: Array | None,
) -> Summary:
    """Make the summary of a run.

    Parameters
    ----------
    loss : (ndarray (T, S), ndarray of bool (T, S))
        The losses, and where they were recorded.
    guess : float, optional
        The loss of the best constant prediction.
    names : mapping of int to str
        Of the matrices, by the layers' numbers.
    deltas : ndarray (S, L), optional
        ||delta|| of each matrix at iteration 0.
    """
    values, recorded = loss
    known = np.flatnonzero(recorded.any(axis=1))
    medians = [float(np.median(values[t])) for t in known[[0, -1]]] if len(known) else []
    ends = (medians[0], medians[1]) if medians else None
    bars = []
    if deltas is not None:
        falls = zip(names.items(), display.decades(deltas), strict=True)
        bars = [display.Bar(number, layer, fall) for (number, layer), fall in falls]
    constant = guess if isinstance(guess, (int, float)) else None
    return Summary(name, status, shape, ends, constant, bars)


def text(summary: Summary) -> str:
    """Describe a run in plain text."""
    return "\n".join([*summary.lines, *display.bars_text(summary.bars)])


def markup(summary: Summary) -> str:
    """Describe a run in HTML."""
    first, *more = summary.lines
    lines = [display.paragraph(first, bold=True), *(display.paragraph(line) for line in more)]
    return display.box(*lines, display.bars_html(summary.bars))
