"""Which rows of a run a remedy names, and what their parameters are called in the model."""

from __future__ import annotations

from gradlab.rules import Remedy
from gradlab.run import Run


def rows_of(remedy: Remedy, run: Run) -> list[int]:
    """Return the rows (from 1) that a remedy names; all matrices where it names none."""
    named = [each for each in remedy.parameters.get("layers", ()) if isinstance(each, int)]
    if named:
        return named
    return [row for row in range(1, run.matrices.shape[2] + 1) if is_drawn(run, row)]


def parameter_name(run: Run, row: int) -> str:
    """Return the name of a row's parameter, as in `model.named_parameters()`."""
    name, path, owner = (str(run.layer(key)[row - 1]) for key in ("name", "path", "owner"))
    of_module = name == path or (not path and name == owner)
    return (f"{path}.weight" if path else "weight") if of_module else name


def counted(count: int) -> str:
    """Write a number of layers."""
    return "1 layer" if count == 1 else f"{count} layers"


def is_drawn(run: Run, row: int) -> bool:
    """Whether a row is a matrix that is multiplied by, not one in which something is looked up."""
    return str(run.layer("kind")[row - 1]).lower() not in ("lookup", "embedding", "vector")
