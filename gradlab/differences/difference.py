"""`diff(a, b)` and what it returns: a `Difference` that prints itself and becomes JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.diagnosis import Diagnosis, diagnose, outcome
from gradlab.differences import telling
from gradlab.differences.facts import Facts, Side
from gradlab.differences.matching import match_blocks, match_layers
from gradlab.differences.pair import Pair
from gradlab.differences.resuming import find_offset
from gradlab.differences.rounding import rounding_of
from gradlab.differences.search import partings
from gradlab.differences.settings import Setting, differing, differing_environment
from gradlab.errors import ArgumentError
from gradlab.kinds import CALLBACK, TEXT, WHOLE, instance, of_kinds
from gradlab.run import Run

SCHEMA = 1


@dataclass(frozen=True)
class Difference(Facts):
    """How two runs differ; `print` tells it, `to_dict` makes plain data of it.

    Attributes are those of `gradlab.differences.facts.Facts`: sides, configuration, environment,
    layers, rounding, offset, compared, partings, and the properties parting, same, worse, rules.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "schema": SCHEMA,
            "same": self.same,
            "runs": [
                {
                    "name": side.name,
                    "iterations": side.iterations,
                    "seeds": side.seeds,
                    "outcome": side.outcome,
                    "losses": telling.plain_losses(side.losses),
                    "diagnosis": side.diagnosis.to_dict(),
                }
                for side in self.sides
            ],
            "configuration": [_row(each) for each in self.configuration],
            "environment": [_row(each) for each in self.environment],
            "layers": {
                "common": len(self.layers.names),
                "alone": [list(names) for names in self.layers.alone],
                "changed": [list(change) for change in self.layers.changed],
            },
            "rounding": {
                "dtype": self.rounding.dtype,
                "units": self.rounding.units,
                "relative": self.rounding.relative,
            },
            "offset": self.offset,
            "compared": list(self.compared),
            "partings": [each.to_dict() for each in self.partings],
            "rules": [list(row) for row in self.rules],
        }

    def __str__(self) -> str:
        return telling.text(self)

    def _repr_html_(self) -> str:
        return telling.markup(self)


def _row(setting: Setting) -> dict[str, Any]:
    return {"name": setting.name, "values": list(setting.values)}


_RUN = instance(Run, "a Run")


@of_kinds(a=_RUN, b=_RUN, judge=CALLBACK.or_none, rounding=TEXT.or_none, offset=WHOLE.or_none)
def diff(
    a: Run,
    b: Run,
    *,
    judge: Callable[[Run], Diagnosis] | None = None,
    rounding: str | None = None,
    offset: int | None = None,
) -> Difference:
    """Say how two runs differ: in configuration, record and verdict.

    Layers are matched by their paths and seeds by their numbers. The records part at the first
    iteration at which a size (a norm, a root mean square, the loss) differs by more than rounding
    explains: 64 units in the last place of float32 or float64, 4 of float16 or bfloat16, of the
    coarser of the two runs.

    Parameters
    ----------
    a, b : Run
    judge : callable, optional
        Diagnoses each run in place of `gradlab.diagnose`.
    rounding : {"float64", "float32", "float16", "bfloat16"}, optional
        The number type whose rounding is to be allowed. By default the coarser one that the
        configurations name as `dtype`, `precision` or `autocast`.
    offset : int, optional
        Which iteration of `a` is iteration 0 of `b`. By default it is found by the weights that
        one run begins with and the other has had, as that of a resumed training.

    Returns
    -------
    Difference

    Raises
    ------
    ArgumentError
        An argument is of another kind, or `rounding` no number type.
    """
    allowed = rounding_of(a, b, rounding)
    layers = match_layers(a, b)
    shift = find_offset(a, b, layers, allowed) if offset is None else int(offset)
    pair = Pair((a, b), layers, match_blocks(a, b), shift, allowed)
    names = telling.two_names(a, b)
    verdicts = [(judge or diagnose)(run) for run in (a, b)]
    if not all(isinstance(verdict, Diagnosis) for verdict in verdicts):
        raise ArgumentError("judge must be a function that returns a Diagnosis")
    sides = [
        _side(run, name, verdict)
        for run, name, verdict in zip((a, b), names, verdicts, strict=True)
    ]
    return Difference(
        (sides[0], sides[1]),
        differing(a.config, b.config),
        differing_environment(a.provenance, b.provenance),
        layers,
        allowed,
        shift,
        pair.span,
        partings(pair),
    )


def _side(run: Run, name: str, verdict: Diagnosis) -> Side:
    losses = None
    known = np.flatnonzero(run.step_recorded("loss").any(axis=1)) if run.iterations else []
    if len(known):
        values = run.step("loss")
        losses = float(np.median(values[known[0]])), float(np.median(values[known[-1]]))
    return Side(name, verdict, outcome(run), run.iterations, run.replicates, losses)
