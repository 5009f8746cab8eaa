"""What every rule is made of: `Rule`, the `Finding` it returns, and the windows it judges over."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from gradlab.run import Run

Array = np.ndarray

MADE_OF = {  # the arrays that `Recorder.record` makes a statistic of, but for those that it always asks for
    "delta_norm": ("deltas",),
    "per_example_grad_norm": ("batch", "activations", "deltas"),
    "activation_rms": ("activations",),
    "dead_fraction": ("slopes",),
    "saturated_fraction": ("slopes (and slope_bound with each layer)",),
    "second_moment_rms": ("second_moments",),
} | {
    name: ("weights", "weights_after", "gradients")
    for name in ("weight_norm", "update_norm", "update_ratio", "lost_fraction", "unit_similarity", "grad_norm")
}
ERROR, WARNING = "error", "warning"
WINDOW = 50  # iterations: long enough that one bad batch decides nothing, short against a training
NOT_LEARNED = 0.95  # of the best constant predictor's loss
FINISHED = 0.01  # of that loss: what is left to learn no longer shows in float32's updates


@dataclass(frozen=True)
class Finding:
    """What one rule found in one run.

    Attributes
    ----------
    rule, name : str
        Permanent code and name of the rule, such as "GL101" and "vanishing-gradient".
    severity : str
        "error" where at least half of the replicates are hit (non-finite numbers: any), else "warning".
    layers : tuple of int
        From 1, nearest the input: those hit in most of the hit replicates; empty where the whole net is meant.
    iterations : tuple of int
        (first, last) of the window the finding rests on.
    replicates : dict
        `hit` and `total` numbers, and `which` (from 0).
    value, limit : float
        The measured number and the limit it crosses, in the rule's own unit.
    message : str
        One sentence with the numbers.
    cause : dict or None
        `log_gain` (the four terms, summed from the lowest layer named to the last), `dominant` and `sentence`.
    remedies : tuple of str
        What to try, most promising first, in the order the cause asks for.
    consequences : tuple of Finding
        Findings that this one explains.
    columns : tuple of str
        The statistics that show it.
    """

    rule: str
    name: str
    severity: str
    layers: tuple[int, ...]
    iterations: tuple[int, int]
    replicates: Mapping[str, Any]
    value: float
    limit: float
    message: str
    cause: Mapping[str, Any] | None = None
    remedies: tuple[str, ...] = ()
    consequences: tuple[Finding, ...] = ()
    columns: tuple[str, ...] = ()

    def with_consequences(self, findings: Sequence[Finding]) -> Finding:
        """Return this finding with others folded under it."""
        return replace(self, consequences=tuple(findings))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a value that is not finite becomes None."""
        data = asdict(self)
        for key in ("value", "limit"):
            data[key] = data[key] if np.isfinite(data[key]) else None
        data["consequences"] = [finding.to_dict() for finding in self.consequences]
        return data


@dataclass(frozen=True)
class Hits:
    """Which layers of which replicates a criterion hits.

    Attributes
    ----------
    mask : ndarray of bool (S, L)
    """

    mask: Array

    @property
    def which(self) -> list[int]:
        """The replicates hit, from 0."""
        return [int(k) for k in np.flatnonzero(self.mask.any(axis=1))]

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers, from 1, hit in most of the hit replicates (in half of them at least)."""
        hit = self.mask[self.which]
        return tuple(int(layer) + 1 for layer in np.flatnonzero(hit.mean(axis=0) >= 0.5)) if len(hit) else ()

    @property
    def replicates(self) -> dict[str, Any]:
        """What a Finding holds: hit, total, which."""
        return {"hit": len(self.which), "total": len(self.mask), "which": self.which}

    @property
    def severity(self) -> str:
        """Error where at least half of the replicates are hit."""
        return ERROR if 2 * len(self.which) >= len(self.mask) else WARNING


@dataclass(frozen=True)
class Window:
    """A span of iterations [start, stop)."""

    start: int
    stop: int

    @property
    def iterations(self) -> tuple[int, int]:
        """(first, last), as a Finding holds them."""
        return self.start, self.stop - 1


def windows(length: int, size: int = WINDOW, times: Array | None = None) -> list[Window]:
    """Cut the rows [0, length) into windows of `size`, half overlapping; a shorter span is one window, none is none.

    `times`: the iterations of the rows (`Run.times`); no window reaches over a gap in them.
    """
    edges = [0, *(gaps(times[:length]) + 1).tolist(), length] if times is not None else [0, length]
    return [window for start, stop in pairwise(edges) for window in _cut(start, stop, size)]


def _cut(start: int, stop: int, size: int) -> list[Window]:
    if stop - start <= size:
        return [Window(start, stop)] if stop > start else []
    starts = [*range(start, stop - size, size // 2), stop - size]
    return [Window(each, each + size) for each in starts]


def gaps(times: Array) -> Array:
    """Return the rows after which iterations are missing: none in a whole run, some in a part of a long one."""
    return np.flatnonzero(np.diff(times) != 1)


def elapsed(run: Run, rows: int) -> int:
    """How many iterations passed by the end of so many rows."""
    return int(run.times[rows - 1]) + 1 if rows else 0


def finite_prefix(run: Run) -> Array:
    """Return, for each replicate, how many iterations pass before its first NaN or infinity (S,)."""
    return np.where(broken(run).any(axis=0), broken(run).argmax(axis=0), run.iterations)


def broken(run: Run) -> Array:
    """Where an iteration of a replicate holds a NaN or an infinity, in the loss or in any recorded number (T, S)."""
    return run.nonfinite


def losses(run: Run) -> Array:
    """Return the batch losses (T, S); where none was recorded, the one before it, or the first one after.

    NaN that was recorded stays NaN; a run without any loss has NaN throughout.
    """
    loss, recorded = run.step("loss"), run.step_recorded("loss")
    if recorded.all() or not recorded.any():
        return loss
    rows = np.where(recorded, np.arange(len(loss))[:, None], -1)
    rows = np.maximum.accumulate(rows, axis=0)
    rows = np.where(rows < 0, recorded.argmax(axis=0), rows)
    return np.take_along_axis(loss, rows, axis=0)


def learning(run: Run) -> Array | None:
    """Return each replicate's loss, as a share of the best constant predictor's (S,); None where that is unknown.

    The median of the last 50 finite batch losses over `config["baseline_loss"]`: 1 = no better than predicting the
    class frequencies (the mean target) whatever the input. Infinite for a replicate that ended in NaN.
    """
    baseline = run.config.get("baseline_loss")
    if not baseline or run.iterations == 0 or not run.step_recorded("loss").any():
        return None
    return final_loss(run) / baseline


def final_loss(run: Run) -> Array:
    """Return each replicate's median loss over the last 50 iterations (S,); infinite where it ended in NaN."""
    loss, prefix = losses(run), finite_prefix(run)
    last = [np.median(loss[max(0, n - WINDOW) : n, k]) if n else np.inf for k, n in enumerate(prefix)]
    return np.where(prefix < run.iterations, np.inf, last)


def median_ranks(values: Array) -> Array:
    """Return where the median of numbers stands: at the middle one, or at the two in the middle, whose mean it is.

    NaN has no rank.
    """
    order, count = np.argsort(values), int((~np.isnan(values)).sum())  # NaN comes last
    return np.unique(order[[(count - 1) // 2, count // 2]])


def starting_loss(run: Run) -> Array:
    """Return what a replicate's loss is measured against (S,): the best constant predictor's, else its own first."""
    baseline = run.config.get("baseline_loss")
    first = np.abs(losses(run)[0])
    return np.full_like(first, baseline) if baseline else np.where(np.isfinite(first), first, np.inf)


def unfinished(run: Run) -> Array:
    """Where an iteration of a replicate still has something to learn (T, S): its loss is above 1 % of the start's.

    A median over 11 iterations, so that one lucky batch ends nothing.
    """
    loss = np.abs(losses(run))
    padded = np.pad(loss, ((5, 5), (0, 0)), mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 11, axis=0), axis=-1)
    return ~(smooth <= FINISHED * starting_loss(run))


@dataclass(frozen=True)
class Verdict:
    """What `worst_window` found: medians (S, L) of the worst window, who is hit, how badly, against which limit.

    `since`: the window that reports name, from the first iteration of the first window that was hit.
    """

    values: Array
    window: Window
    hits: Hits
    severity: str
    limit: float
    since: Window

    @property
    def worst(self) -> tuple[int, float]:
        """The layer, from 1, that is worst in the hit replicates, and its median over them."""
        median = nanmedian(np.where(self.hits.mask, self.values, np.nan)[self.hits.which])
        layer = int(np.nanargmax(median))
        return layer + 1, float(median[layer])

    @property
    def layers(self) -> tuple[int, ...]:
        """Those hit in most of the hit replicates, or the worst one."""
        return self.hits.layers or (self.worst[0],)


def worst_window(
    run: Run,
    values: Array,
    warn: float,
    alarm: float,
    *,
    last: bool = False,
    size: int = WINDOW,
    mean: bool = False,
) -> Verdict | None:
    """Find the window of finite iterations whose medians of `values` (T, S, L) are worst: above `alarm`, or `warn`.

    An error where at least half of the replicates are above `alarm`, or above `warn` without having learned anything;
    else a warning. NaN entries are not judged. `last`: each replicate's last window only; `size`: of a window; `mean`:
    means, not medians.
    """
    prefix = finite_prefix(run)
    end = int(prefix.max())
    spans = windows(end, size, run.times)
    if last and end:
        spans = [*spans, Window(max(0, end - size), end)]
    best: tuple[tuple[int, int, float], Array, Window] | None = None
    since: int | None = None
    for window in spans:
        median = _median_of(values, window, prefix, mean=mean, cut=last)
        known = np.nan_to_num(median, nan=-np.inf)
        score = int((known > alarm).any(axis=1).sum()), int((known > warn).any(axis=1).sum()), float(known.max())
        if last or best is None or score > best[0]:
            best = score, median, window
        if score[1] == 0 and last:
            since = None  # it recovered
        elif score[1] and since is None:
            since = window.start
    if best is None or best[0][1] == 0 or since is None:
        return None
    return _verdict(run, best[1], best[2], since, warn, alarm)


def _median_of(values: Array, window: Window, prefix: Array, *, mean: bool, cut: bool) -> Array:
    """Return the medians (S, L) of a window; NaN for a replicate that ended before it, or (not `cut`) within it."""
    part = values[window.start : window.stop].copy()
    for k, stop in enumerate(prefix):
        part[max(0, int(stop) - window.start) :, k] = np.nan
    median = nanmedian(part, mean=mean)
    median[prefix <= window.start if cut else prefix < window.stop] = np.nan
    return median


def _verdict(run: Run, median: Array, window: Window, since: int, warn: float, alarm: float) -> Verdict:
    known = np.nan_to_num(median, nan=-np.inf)
    loud, seen = Hits(known > alarm), Hits(known > warn)
    whole = Window(since, window.stop)
    if loud.which and loud.severity == ERROR:
        return Verdict(median, window, loud, ERROR, alarm, whole)
    share = learning(run)
    stuck = share is not None and 2 * (share[seen.which] >= NOT_LEARNED).sum() >= len(median)
    return Verdict(median, window, seen, ERROR if stuck else WARNING, warn, whole)


def nanmedian(values: Array, *, mean: bool = False) -> Array:
    """Median (or mean) over the first axis without the NaNs; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "All-NaN slice": that is the NaN we return
        return np.nanmean(values, axis=0) if mean else np.nanmedian(values, axis=0)


class Rule(ABC):
    """One pathology: what it needs, what it explains, and how it judges a run.

    The docstring of a rule is its documentation: `gradlab rule CODE` prints it. It has the sections What it does, Why
    it is bad, Example, What to try and References.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str] = ""  # one line for lists of rules
    needs: ClassVar[tuple[str, ...]] = ()  # statistics without which the rule is skipped
    needs_loss: ClassVar[bool] = False
    explains: ClassVar[tuple[str, ...]] = ()  # codes of findings that are consequences of this one
    explains_later: ClassVar[tuple[str, ...]] = ()  # the same, of findings that began after this one
    always: ClassVar[bool] = False  # True: told even where the root that explains it is muted
    whole: ClassVar[bool] = True  # False: of a run too large for memory, judge `Run.condensed()`; its rows are named by
    # `run.times`, by which the finding's iterations are then told

    def missing(self, run: Run) -> str | None:
        """Say what this run lacks for the rule to judge it, and how to record it; None if nothing."""
        absent = [name for name in self.needs if name not in run]
        if not absent:
            return self.missing_loss(run)
        arrays = dict.fromkeys(name for each in absent for name in MADE_OF.get(each, (f"what {each} is made of",)))
        return f"needs {', '.join(absent)}, which this run does not hold; pass {', '.join(arrays)} to Recorder.record"

    def missing_loss(self, run: Run) -> str | None:
        """Say that the loss is missing, and how to record it; None where it is not, or is not needed."""
        if not self.needs_loss or run.step_recorded("loss").any():
            return None
        return "needs the loss, which this run does not hold; pass it to Recorder.record, or call log(loss=loss)"

    @abstractmethod
    def judge(self, run: Run) -> Finding | None:
        """Return what is wrong with `run`, or None; called only on runs of at least one iteration that lack nothing."""

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """Return the codes of findings that would be consequences of this one; all of `explains` by default."""
        return self.explains

    def explains_it(self, finding: Finding, other: Finding) -> bool:
        """Whether `other` is a consequence of `finding`, which is this rule's: by its code, its time and its seeds."""
        later = other.rule in self.explains_later and other.iterations[0] > finding.iterations[0]
        hit = set(other.replicates["which"])
        shared = hit & set(finding.replicates["which"])
        return (later or other.rule in self.effects(finding)) and 2 * len(shared) >= len(hit)

    def finding(self, hits: Hits, window: Window, **details: Any) -> Finding:
        """Make this rule's Finding from what it hit, where, and the details."""
        details.setdefault("severity", hits.severity)
        details.setdefault("layers", hits.layers)
        return Finding(
            rule=self.code, name=self.name, iterations=window.iterations, replicates=hits.replicates, **details
        )

    @classmethod
    def documentation(cls) -> str:
        """Return the docstring, with its indentation removed."""
        return inspect.getdoc(cls) or ""


def seeds(replicates: Mapping[str, Any]) -> str:
    """Word how many seeds are hit: "in 6 of 8 seeds"; nothing for a single net."""
    return "" if replicates["total"] == 1 else f" in {replicates['hit']} of {replicates['total']} seeds"


def number(value: float) -> str:
    """Write a number as a reader wants it: three significant digits, powers of ten only where they help."""
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0"
    if 1000 <= abs(value) < 1e4:
        return f"{value:.0f}"
    if 1e-3 <= abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def explosive_severity(run: Run, hits: Hits) -> str:
    """What ends in NaN is an error in one replicate already, as every non-finite number is."""
    return ERROR if (finite_prefix(run)[hits.which] < run.iterations).any() else hits.severity


def are_hit(layers: Sequence[int]) -> str:
    """Word which layers are hit: "layers 1-3 are hit"."""
    return f"{span(layers)} {'are' if len(layers) > 1 else 'is'} hit"


def during(run: Run, window: Window) -> str:
    """Word a span of rows by their iterations: "in iterations 40-89", "in iteration 0"."""
    first, last = (int(run.times[row]) for row in window.iterations)
    return f"in iteration {first}" if first == last else f"in iterations {first}-{last}"


def span(layers: Sequence[int]) -> str:
    """Write layer numbers compactly: "layers 1-9", "layers 1-3 and 7", "layer 4"."""
    if not layers:
        return "the net"
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][-1] + 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    words = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts]
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"layer{'s' if len(layers) > 1 else ''} {listed}"
