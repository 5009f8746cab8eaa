"""What runs are called beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from gradlab.run.record import Run


def distinct_names(runs: Sequence[Run]) -> list[str]:
    """Return the runs' names; those of several runs are told apart by their folders."""
    names = [run.name for run in runs]
    folders = [run.folder for run in runs]
    return [
        f"{name} ({folder.name})" if folder is not None and names.count(name) > 1 else name
        for name, folder in zip(names, folders, strict=True)
    ]
