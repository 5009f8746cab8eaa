"""Data sets read from CSV and npz files."""

from __future__ import annotations

from pathlib import Path

from gradlab.datasets import tables
from gradlab.datasets.data import Data, split, standardized
from gradlab.datasets.table import shown
from gradlab.errors import ArgumentError, one_of
from gradlab.kinds import PATH, TEXT, of_kinds


@of_kinds(path=PATH, target=TEXT.or_none)
def from_file(
    path: str | Path,
    target: str | None = None,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    task: str | None = None,
) -> Data:
    """Read a data set from a CSV file with a header row, or from an npz file.

    Features are standardized one by one by the training part; one that is constant there becomes 0.
    Real targets are left as they are, so that a loss is in their own units.

    Parameters
    ----------
    path : path
        `.csv`, UTF-8: numbers in every column but the target's. `.npz`: arrays `x` (n, d) and `y`
        (n,) or (n, k), or `x_train`, `y_train`, `x_test` and `y_test`, a split that is kept. At
        least 10 rows.
    target : str, optional
        The column to predict; the last by default. Only for CSV.
    test_fraction, seed : float, int
        As for `split`.
    task : str, optional
        "classification" or "regression". By default texts and whole numbers of at most 20 different
        values are classes (in sorted order), other numbers real targets.

    Returns
    -------
    Data
        Named after the file.

    Raises
    ------
    DataError
        What is wrong with the file: row (the header is row 1), column, value. In arrays both count
        from 0.
    ArgumentError
        An argument outside its range.
    """
    if task is not None:
        one_of("task", task, ("classification", "regression"))
    path = Path(path)
    if target is not None and path.suffix.lower() == ".npz":
        raise ArgumentError(f"target={shown(target)} is for CSV files; {path} names its target y")
    table = tables.read(path, target, task)
    y, classes = tables.encode_target(path, table.y, task)
    names = table.feature_names
    if table.train is None:
        return split(
            path.stem,
            table.x,
            y,
            seed=seed,
            test_fraction=test_fraction,
            classes=classes,
            feature_names=names,
        )
    x, train = standardized(table.x, table.train, 0), table.train
    return Data(path.stem, x[:train], y[:train], x[train:], y[train:], classes, names)
