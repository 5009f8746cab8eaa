"""What can be done with a `Column`: values (T, N), and where they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradlab.adapters.torch.ledger import Column
from gradlab.adapters.torch.numbers import Number

Array = np.ndarray


def masked(column: Column) -> np.ma.MaskedArray:
    """Return a column as a masked array."""
    return np.ma.masked_array(column[0], ~column[1])


def flat(net: Mapping[str, Column]) -> dict[str, Column]:
    """Return the numbers of the net as a whole (T, 1) as (T,)."""
    return {name: (values[:, 0], known[:, 0]) for name, (values, known) in net.items()}


def taken(column: Column, numbers: Array) -> Column:
    """Return the numbers of layers from those of parameters or modules.

    A layer without one has none.
    """
    values, known = column
    if not values.shape[1]:
        shape = len(values), len(numbers)
        return np.full(shape, np.nan), np.zeros(shape, bool)
    has = numbers >= 0
    return np.where(has, values[:, numbers], np.nan), has & known[:, numbers]


def unscaled(
    columns: Mapping[str, Column], numbers: Mapping[str, Number], scale: Array
) -> dict[str, Column]:
    """Return columns (T, N) without what a GradScaler has multiplied the loss by, (T, 1)."""
    return {
        name: (values / scale ** numbers[name].of_loss, known)
        for name, (values, known) in columns.items()
    }


def first_known(first: Column, second: Column) -> Column:
    """Return the first column where it is known, else the second."""
    return np.where(first[1], first[0], second[0]), first[1] | second[1]


def counted(columns: Sequence[Column]) -> Column:
    """Add columns up; what is not known of one counts as 0."""
    total = sum(np.where(known, values, 0) for values, known in columns)
    return np.asarray(total), np.any([known for _, known in columns], axis=0)


def root(column: Column) -> Column:
    """Return the square roots."""
    values, known = column
    return np.sqrt(values), known


def numbers_only(column: Column) -> Column:
    """Count NaN as not known: to look whether there is a number would synchronise a device."""
    values, given = column
    return values, given & ~np.isnan(values)


def anywhere(flags: Array) -> Array:
    """Whether a flag (T, N) is set at any place, (T,)."""
    return np.asarray(np.any(flags, axis=1))
