"""Cuts that no missing gradient shows: norms that let nothing through, matrices that are frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlab.rules.base import ERROR, WARNING
from gradlab.rules.out_of_use import out_of_call
from gradlab.rules.remedies import Remedy
from gradlab.rules.yardsticks import AS_GOOD_AS_CONSTANT, failed, outcomes
from gradlab.run import Run

Array = np.ndarray

# Of the bias's gradient: the scale's is its product with what was normalized, whose mean square
# is 1 unless epsilon outweighs it. Norms of nets that learn have 0.2 and more.
NOTHING = 1e-4
NAMED = 3
EARLY, LATER = 10, 10  # a tenth of the measured iterations, and so many that must follow
AT_ONCE = 1e-3  # of the largest signal: what ends there has not faded on its way
LARGE = 0.25  # of the trainable weights: less may be a branch that a curriculum leaves


@dataclass(frozen=True)
class UnseenCut:
    """What is cut off, and how that is said.

    Attributes
    ----------
    mask : array of bool, shape (L,)
        The rows of parameters.
    message, evidence : str
    remedy : Remedy
    severity : {"error", "warning"}
    confidence : {"high", "medium"}
    """

    mask: Array
    message: str
    evidence: str
    remedy: Remedy
    severity: str
    confidence: str


def unseen_cut(run: Run) -> UnseenCut | None:
    """Return the first of these cuts that a run shows; None where it shows none."""
    found = all_frozen(run) or never_stepped(run) or stopped_by_norm(run)
    found = found or frozen_on_the_way(run) or stopped_at_weights(run)
    return found or stopped_between(run)


def all_frozen(run: Run) -> UnseenCut | None:
    """Tell of a net of which nothing is trained but norms and biases, and that has not learned.

    In one that has, they are enough (BitFit, norms alone). Where it has not, matrices that nobody
    meant to freeze do not show in any other way.
    """
    frozen = frozen_matrices(run)
    states = outcomes(run)
    little = all(state.failed or state.share >= AS_GOOD_AS_CONSTANT for state in states)
    if not frozen.any() or not little:
        return None
    names = [str(name) for name in run.layer("name")[frozen]]
    evidence = "no matrix has ever moved; the biases and norms have"
    words = (
        "look for requires_grad = False in a loop over the parameters: its condition may be the "
        "wrong way round, or name a part that is not there"
    )
    return UnseenCut(
        frozen,
        f"All weight matrices are frozen: {named(names)}. Nothing is trained but biases and norms, "
        f"and {states[0].evidence}.",
        evidence,
        Remedy("thaw", words, {"layers": names}, evidence),
        WARNING,
        "medium",
    )


def never_stepped(run: Run) -> UnseenCut | None:
    """Tell of parameters whose optimizer never makes a step, in a net that does not learn.

    Where the others learn by themselves, of a quarter of the weights and more.

    Of each parameter that some optimizer holds a step is measured, be it 0; of a frozen one none.
    """
    counts = run.config.get("parameters")
    counted = isinstance(counts, dict) and not counts.get("frozen", 0)
    if not counted or "update_norm" not in run:
        return None
    still = ~np.any(run.recorded("update_norm"), axis=(0, 1))
    left = run.provenance.get("not_in_optimizer")
    names = [str(name) for name in run.layer("name")]
    still &= ~np.isin(names, left if isinstance(left, list) else [])
    sizes = np.nan_to_num(run.layer("parameters"), nan=1.0)
    # A net of a later stage is not called yet.
    large = sizes[still & ~out_of_call(run)].sum() >= LARGE * sizes.sum()
    none_learned = bool(failed(run).all())
    if not still.any() or still.all() or not (none_learned or large):
        return None
    names = [name for name, each in zip(names, still, strict=True) if each]
    evidence = "an optimizer holds them, and none of its steps was seen"
    words = "call step() of each optimizer, or make one optimizer of all parameters"
    return UnseenCut(
        still,
        f"No optimizer ever steps {named(names)}: {evidence}.",
        evidence,
        Remedy("step each optimizer", words, {"layers": names}, evidence),
        ERROR if none_learned else WARNING,
        "high",
    )


def frozen_on_the_way(run: Run) -> UnseenCut | None:
    """Tell of parameters that have a gradient at first and none later, in a net that failed.

    As where one of two nets is frozen for the other's step, and nobody thaws it.
    """
    if "grad_norm" not in run or not failed(run).all():
        return None
    seen = np.any(run.recorded("grad_norm"), axis=1)  # (T, L)
    measured = np.flatnonzero(seen.any(axis=1))
    early, late = np.array_split(seen[measured], [max(1, len(measured) // EARLY)])
    if len(late) < LATER:
        return None
    lost = np.asarray(early.any(axis=0) & ~late.any(axis=0))
    sizes = np.nan_to_num(run.layer("parameters"), nan=1.0)
    if not late.any() or sizes[lost].sum() < LARGE * sizes.sum():
        return None
    last = int(run.times[measured[np.flatnonzero(seen[measured][:, lost].any(axis=1))[-1]]])
    names = [str(name) for name in run.layer("name")[lost]]
    evidence = f"they had a gradient up to iteration {last}, and none in {len(late)} later ones"
    words = "look for requires_grad = False, or a detach(), that is meant for one of several steps"
    return UnseenCut(
        lost,
        f"{named(names)} are cut off on the way: {evidence}.",
        evidence,
        Remedy("thaw", words, {"layers": names}, evidence),
        ERROR,
        "high",
    )


def stopped_at_weights(run: Run) -> UnseenCut | None:
    """Tell of weights whose gradient is 0 at every step, though a signal comes to their layers.

    A bias gets the sum of that signal over the examples: it is exactly 0 beside a signal that is
    not only where something multiplies the gradient itself by 0, as a hook.
    """
    if "grad_norm" not in run or "delta_norm" not in run or not failed(run).all():
        return None
    gradient = np.where(run.recorded("grad_norm"), run["grad_norm"], np.nan)
    signal = np.where(run.recorded("delta_norm"), run["delta_norm"], np.nan)
    zero = np.nanmax(gradient, axis=(0, 1), initial=-1) == 0
    comes = np.nanmin(signal, axis=(0, 1), initial=np.inf)
    paths, matrix = run.layer("path"), run.layer("kind") != "vector"
    names = np.array([str(name) for name in run.layer("name")])
    alone = set(paths[zero & matrix & (comes > 0) & np.isfinite(comes)])
    biases = {f"{path}.bias" for path in alone}
    alone = {name.removesuffix(".bias") for name in names[zero] if name in biases}
    cut = zero & np.isin(paths, list(alone))
    if not cut.any() or zero.all():
        return None
    evidence = "its weights and biases get 0 at every step, and a signal comes to their layer"
    words = "look for a hook or a mask that multiplies gradients by 0"
    return UnseenCut(
        cut,
        f"The gradient of {named(list(names[cut]))} is multiplied by 0: {evidence}.",
        evidence,
        Remedy("reconnect", words, {"layers": list(names[cut])}, evidence),
        ERROR,
        "high",
    )


def stopped_between(run: Run) -> UnseenCut | None:
    """Tell of a signal that ends between two layers, at every step: what comes before gets 0.

    A usual operation's derivative is 0 for every example only where all units are silent or
    saturated, which others say; that of rounding, of a sign or a comparison always is.
    """
    if "delta_norm" not in run or not failed(run).all():
        return None
    signal = np.where(run.recorded("delta_norm"), run["delta_norm"], np.nan)
    largest = np.nanmax(signal, axis=(0, 1), initial=-1)
    if not (largest > 0).any():
        return None
    alive = int((largest > 0).argmax())
    cut = np.arange(len(largest)) < alive
    if not cut.any() or (largest[cut] != 0).any() or _silent_or_flat(run, cut):
        return None
    if largest[alive] < AT_ONCE * largest.max():
        return None  # it fades before, and what is left is too small for its floats
    names = [str(name) for name in run.layer("name")]
    places = f"{names[alive - 1]} and {names[alive]}"
    evidence = f"{names[alive - 1]} gets a signal of exactly 0 at every step, {names[alive]} not"
    words = (
        f"look between {places} for what has no derivative: round, sign, argmax, a comparison, a "
        "detach() of one factor; take a straight-through estimate, or a soft version"
    )
    cut |= np.array([name.removesuffix(".bias") in names[:alive] for name in names])
    return UnseenCut(
        cut,
        f"The signal ends between {places}: {evidence}, though no units are silent. Nothing before "
        "it learns.",
        evidence,
        Remedy("reconnect", words, {"layers": names[:alive]}, evidence),
        ERROR,
        "high",
    )


def _silent_or_flat(run: Run, cut: Array) -> bool:
    """Whether all units of one of these layers were silent or saturated at some time."""
    for name in ("dead_fraction", "saturated_fraction"):
        if name in run:
            share = np.where(run.recorded(name), run[name], 0.0)[:, :, cut]
            if (share >= 1).any():
                return True
    return False


def stopped_by_norm(run: Run) -> UnseenCut | None:
    """Tell of a norm that lets nothing through, in a net that does not learn."""
    stopped = silent_scales(run)
    if not stopped.any() or not failed(run).all():
        return None
    names = [str(name) for name in run.layer("name")[stopped]]
    norm = names[0].removesuffix(".weight")
    evidence = "its scale gets no gradient to speak of, and its bias does"
    words = (
        f"let {norm} normalize more than one number at a time: fewer groups, the axis of the "
        "features, or no norm on 1 x 1 maps and single features"
    )
    return UnseenCut(
        stopped,
        f"{norm} lets nothing through: {evidence}, so what it has normalized is 0 for every "
        "example. A norm over a single number leaves none of it, and what stands before it learns "
        "nothing.",
        evidence,
        Remedy("normalize more numbers", words, {"layers": names}, evidence),
        ERROR,
        "high",
    )


def named(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def dispensable(run: Run, mask: Array) -> bool:
    """Whether all of these are scales or biases of modules, or a library's poolers, behind which
    nothing comes: no net fails for want of them.
    """
    names = [str(name) for name in run.layer("name")[mask]]
    poolers = all("pooler" in name.split(".") for name in names)
    vectors = bool((run.layer("kind")[mask] == "vector").all())
    return poolers or (vectors and all(name.endswith((".weight", ".bias")) for name in names))


def silent_scales(run: Run) -> Array:
    """Return which rows are scales of norms whose normalized values are 0 for every example (L,).

    The gradient of a norm's scale is the sum over the examples of delta x, that of its bias the sum
    of delta: where the first is nothing beside the second in most measurements, x is.
    """
    names = [str(name) for name in run.layer("name")]
    result = np.zeros(len(names), bool)
    if "grad_norm" not in run:
        return result
    norm = np.where(run.recorded("grad_norm"), run["grad_norm"], np.nan)
    rows = {name: row for row, name in enumerate(names) if run.layer("kind")[row] == "vector"}
    for name, row in rows.items():
        beside = rows.get(f"{name.removesuffix('.weight')}.bias")
        if not name.endswith(".weight") or beside is None:
            continue
        both = np.isfinite(norm[:, :, row]) & (norm[:, :, beside] > 0)
        shares = norm[:, :, row][both] / norm[:, :, beside][both]
        result[row] = len(shares) and bool(np.median(shares) <= NOTHING)
    return result


def frozen_matrices(run: Run) -> Array:
    """Return which rows are matrices that stand still, where all do and vectors move (L,)."""
    matrices = np.asarray(run.layer("kind") != "vector")
    if "update_norm" not in run or matrices.all() or not matrices.any():
        return np.zeros(len(matrices), bool)
    seen = run.recorded("update_norm") & np.isfinite(run["update_norm"])
    moved = np.any(np.where(seen, run["update_norm"], 0.0) > 0, axis=(0, 1))
    known = np.any(seen, axis=(0, 1))  # a frozen parameter has no step to measure
    if known[matrices].any() or not moved[~matrices].any():
        return np.zeros(len(matrices), bool)
    return matrices
