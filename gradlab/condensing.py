"""What rules judge in place of a long run: an excerpt of whole spans of iterations, and what was chosen and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from gradlab.rules.base import WINDOW, finite_prefix
from gradlab.run import STATISTICS, Run

Array = np.ndarray

CELLS = 1 << 21  # T x S x L: 16 MiB a statistic
GRID = WINDOW // 2  # spans begin and end where the windows of the whole run do
BEFORE, AFTER = 2 * WINDOW, GRID  # iterations kept before and after a replicate's first NaN
ENDS = 2 * WINDOW  # iterations kept of the start and of the end
EXTREMES_SHARE = 2 / 3  # of the iterations; the rest is spread evenly
# (statistic, -1 smallest or 1 largest), those first that rules judge by.
EXTREMES = (
    ("update_ratio", 1), ("per_example_grad_norm", -1), ("lost_fraction", 1), ("saturated_fraction", 1),
    ("dead_fraction", 1), ("activation_rms", 1), ("update_norm", 1), ("second_moment_rms", -1), ("delta_norm", -1),
    ("weight_norm", 1), ("weight_norm", -1), ("unit_similarity", -1), ("grad_norm", 1), ("delta_norm", 1),
)  # fmt: skip


class Excerpt(Run):
    """Some iterations of a long run as a Run of its own: row t of its arrays is iteration `times[t]` of `whole`."""

    def __init__(self, whole: Run, times: Array):
        self._whole, self._times = whole, times
        super().__init__(whole.name, whole.config, whole.provenance, whole._layers, whole.replicates, whole._source)

    @property
    def whole(self) -> Run:
        """The run it was taken from."""
        return self._whole

    @property
    def times(self) -> Array:
        """The iteration of the whole run that each row belongs to (T,), ascending."""
        return self._times

    @property
    def iterations(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The number of iterations kept."""
        return len(self._times)

    @property
    def columns(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The statistics that the whole run has at least one value of."""
        return self._whole.columns

    @property
    def steps(self) -> pd.DataFrame:
        """The rows of `steps` of the iterations kept."""
        return self._kept(self._whole.steps)

    @property
    def weights(self) -> pd.DataFrame:
        """Weight trajectories of the whole run."""
        return self._whole.weights

    def to_frame(self) -> pd.DataFrame:
        """Return the tidy record of the iterations kept."""
        parts = (self._kept(batch.to_pandas()) for batch in self._whole._batches("signals"))
        return pd.concat([part for part in parts if len(part)], ignore_index=True)

    def step(self, name: str) -> Array:
        """Return a numeric column of `steps` as an array (iteration, replicate)."""
        return self._whole.step(name)[self._times]

    def save(self, path):
        """Write the whole run."""
        return self._whole.save(path)

    def _kept(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["iteration"].isin(self._times)].reset_index(drop=True)

    def _read_column(self, name: str) -> tuple[Array, Array]:
        values, recorded = self._whole.at(name, self._times)
        values.flags.writeable = recorded.flags.writeable = False
        return values, recorded

    def _spans(self, name: str | None = None) -> None:
        return None


def excerpt(run: Run, cells: float = CELLS) -> Run:
    """Return what is to be judged: the run itself where T x S x L is at most `cells`, else an excerpt about as large.

    Kept are whole spans of iterations: the first and the last, those around each replicate's first NaN or infinity,
    those around the smallest and largest value of each statistic, and others spread evenly.
    """
    length, replicates, layers = run.shape
    if length * replicates * layers <= cells:
        return run
    budget = int(cells) // (replicates * layers)
    kept = _Kept(length)
    kept.add(0, ENDS)
    kept.add(length - ENDS, length)
    for stop in np.unique(finite_prefix(run)):
        if stop < length and (kept.count < budget or kept.count <= 2 * ENDS):
            kept.add(int(stop) - BEFORE, int(stop) + AFTER)
    for iteration in _extremes(run):
        if kept.count > EXTREMES_SHARE * budget:
            break
        kept.add(iteration - WINDOW, iteration + WINDOW)
    span = 2 * WINDOW
    between = max(0, budget - kept.count) // span
    for start in np.linspace(0, length - span, between + 2)[1:-1].astype(int):
        kept.add(int(start), int(start) + span)
    return run if kept.count == length else Excerpt(run, np.flatnonzero(kept.mask))


class _Kept:
    """Marks the iterations to keep, in spans that begin and end on the grid of the rules' windows."""

    def __init__(self, length: int):
        self.mask = np.zeros(length, bool)

    @property
    def count(self) -> int:
        return int(self.mask.sum())

    def add(self, start: int, stop: int) -> None:
        self.mask[max(0, start // GRID * GRID) : max(0, -(-stop // GRID) * GRID)] = True


def _extremes(run: Run) -> Iterator[int]:
    """Yield the iterations of the largest losses and gradients, then those of the extremes of each statistic."""
    for name in ("loss", "grad_norm"):
        values = run.step(name)
        finite = np.where(np.isfinite(values), values, -np.inf)
        yield int(finite.max(axis=1).argmax())
    others = ((name, sign) for sign in (1, -1) for name in STATISTICS if (name, sign) not in EXTREMES)
    for name, sign in (*EXTREMES, *others):
        if name in run and (found := run.extreme(name, sign)) is not None:
            yield found


def notes(run: Run) -> tuple[str, ...]:
    """Say what of a long run was judged, in one sentence or two; nothing where it was all of it."""
    whole = run.whole
    if run is whole:
        return ()
    spans = int((np.diff(run.times) > 1).sum()) + 1
    return (
        f"The run is long: rules that look at every layer judged {run.iterations} of its {whole.iterations} "
        f"iterations, {spans} spans: the first and the last, those around the first NaN or infinity and around the "
        "smallest and largest value of each statistic, and others spread evenly. Losses, the whole gradient's norm and "
        "the search for NaN took in every iteration.",
    )
