"""What commands are given: data sets, run folders, rule codes, patterns of layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.errors import ArgumentError, GradlabError, shown

if TYPE_CHECKING:
    from gradlab.datasets import Data
    from gradlab.run import Run


def data_set(source: str, target: str | None) -> Data:
    """Return the data set that `--data` and `--target` name."""
    from gradlab import datasets
    from gradlab.errors import nearest

    known = ("digits", *datasets.BUNDLED)
    if source not in known:
        looks_like_a_name = Path(source).name == source and not Path(source).suffix
        near = nearest(source, known) if looks_like_a_name and not Path(source).exists() else None
        if near is not None:
            raise ArgumentError(f"data={shown(source)} is no file; did you mean {near}?")
        return datasets.from_file(source, target)
    if target is not None:
        raise GradlabError(f"--target is for --data FILE; what {source} predicts is fixed")
    return datasets.digits() if source == "digits" else datasets.bundled(source)


def runs(folders: Sequence[Path]) -> list[Run]:
    """Load runs; a folder that is none but holds some stands for all of them."""
    from gradlab.run import load
    from gradlab.run.storage import DESCRIPTION

    found: list[Path] = []
    for folder in folders:
        is_run = (folder / DESCRIPTION).is_file()
        inside = [] if is_run else sorted(folder.glob(f"[!.]*/{DESCRIPTION}"))
        found += [path.parent for path in inside] or [folder]
    return [load(folder) for folder in found]


def run_or_none(folder: Path) -> Run | None:
    """Load the run in a folder; None if the path is none, such as the name of a network."""
    from gradlab.run import load

    return load(folder) if folder.exists() or len(folder.parts) > 1 else None


def codes(text: str | None) -> list[str] | None:
    """Return the codes of `GL101,GL2`; None where none were given."""
    return None if text is None else [code.strip() for code in text.split(",") if code.strip()]


def matching_layers(run: Run, pattern: str) -> set[int]:
    """Return the numbers, from 1, of a run's layers, vectors among them, that `pattern` fits.

    Raises
    ------
    ArgumentError
        It fits none, and the message names the nearest; or it is no pattern.
    """
    from gradlab.errors import suggest
    from gradlab.report.layer_filter import fitting

    rows = run.layers[["path", "name"]].fillna("").astype(str).to_numpy()
    found = set(fitting([[word for word in row if word] for row in rows], pattern))
    if not found:
        paths = [path or name for path, name in rows]
        raise ArgumentError(
            f"layers={shown(pattern)} fits no layer of {run.name}; "
            f"{suggest(pattern, dict.fromkeys(paths))}"
        )
    return found
