"""GL101 vanishing-gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules import cause
from gradlab.rules.base import WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import (
    Remedy,
    add_shortcuts,
    fitting_scheme,
    initialize,
    remedy,
    use_activation,
    warm_up,
)
from gradlab.rules.windows import WINDOW, finite_prefix, nanmedian, windows
from gradlab.rules.wording import number, seeds, share, span
from gradlab.rules.yardsticks import (
    LEARNED,
    LOOKUP,
    UNKNOWN,
    constant_loss,
    gradient_share,
    outcomes,
    severity,
    weighted_gradient,
)
from gradlab.run import Run

Array = np.ndarray
ENOUGH = 0.9  # of a scheme's norm: then the initialization is not at fault
BEFORE = "measured on the weights as they were drawn"

CHANCE = 1.0  # variance of the log of the squared signal, from draw to draw
CHAIN = 3  # steps of a signal from layer to layer that have a median
TWICE = 2.0  # the median step: layers of one kind differ by less from draw to draw


class VanishingGradient(Rule):
    """Vanishing gradient (GL101).

    What it does
    ------------
    Judges seeds that do not learn. p ||W|| is how much the loss of single examples can change by a
    change of a layer's weights, to first order; weights smaller than LeCun's norm count as if they
    had it, so that a branch that starts near 0 is not called vanished. Two measures: the share
    r = p ||W|| over the largest of all layers, which needs no loss at all, and, where the best
    constant predictor's loss is known, e = p ||W|| over that loss. A layer has vanished where its
    own measure and those of all layers before it stay below the limit from the first iterations to
    the last: a signal that reaches an earlier layer has passed the later one. Layers of one block
    count together, by the largest; and the first layer above the limit must be near it. Query and
    key weights that hardly matter at first, a branch behind a small scale, or the embedding of a
    time are therefore none.

    Why it is bad
    -------------
    delta_l = (delta_{l+1} W^T) * phi'(z): going back through the net the signal is multiplied once
    a layer. Where the factors are below 1 (the slope of a sigmoid is at most 1/4) the product is
    soon nothing, the layers near the input keep their random weights, and what they pass on carries
    no information.

    Example
    -------
    0.2 x 0.1 x 0.05 = 0.001: three sigmoid layers, and the weight 2.5 becomes 2.499. Twenty of them
    leave 1e-13.

    What to try
    -----------
    Slope dominant: relu or tanh instead of sigmoid, residual connections, normalization. Weight
    scale dominant: He's initialization for relu, Glorot's for tanh, gain 1. A larger learning rate
    does not help: every layer would get it.

    References
    ----------
    Hochreiter 1991; Bengio, Simard, Frasconi 1994; Glorot & Bengio 2010, section 4; He et al. 2015,
    section 2.2.
    """

    code = "GL101"
    whole = False
    name = "vanishing-gradient"
    summary = "layers near the input that get no gradient to speak of, in a net that does not learn"
    needs = ("per_example_grad_norm", "weight_norm")
    limits: ClassVar = {
        "share": Limit(
            0.01,
            "of the largest layer's p ||W||",
            "Healthy nets of 12 kinds end at .011 and more, but for layers behind others that get "
            "their gradient; nets that vanish at .007 and less.",
        ),
        "alarm": Limit(
            0.05,
            "of the best constant predictor's loss by a change of the whole weights",
            "Of 313 labelled trainings, those that do not learn for other reasons measure 2.6 and "
            "more, those that vanish .02 and less, units that stay alike .045.",
        ),
        "everywhere": Limit(
            0.25,
            "of the best constant predictor's loss, by the layer that matters most",
            "Where the forward signal vanishes too, no layer matters: .013 to .15 in such nets.",
        ),
        "rising": Limit(
            3.0, "times the share at the start", "A plateau that is being left is none."
        ),
        "jump": Limit(
            15.0,
            "times the last layer below the limit, at the first one above it",
            "A sigmoid takes a factor of 4 to 5 a layer, the default initialization under relu "
            "2.5.",
        ),
        "least": Limit(5, "iterations", "Fewer tell nothing of what follows."),
    }
    explains = ("GL301", "GL302", "GL306", "GL312", "GL402")
    explains_later = ("GL201",)  # biases rule units whose signal is almost nothing, and kill them

    def judge(self, run: Run) -> Finding | None:
        """Judge each seed's first and last 50 finite iterations."""
        share, felt = gradient_share(run), weighted_gradient(run)
        states, prefix = outcomes(run), finite_prefix(run)
        mask = np.zeros(run.shape[1:], bool)
        values = np.full(run.shape[1:], np.nan)
        beside = np.zeros(run.replicates, bool)  # which seeds are hit by a layer's share
        begun = np.zeros(run.replicates, int)
        for seed, stop in enumerate(prefix):
            audited = run.iterations == 1
            short = stop < self.limit("least") and not audited
            if states[seed].state == LEARNED or short:
                continue
            size = min(WINDOW, max(1, int(stop) // 2))
            first = nanmedian(share[:size, seed])
            last = nanmedian(share[int(stop) - size : int(stop), seed])
            constant = constant_loss(run, seed)
            weak = nanmedian(felt[int(stop) - size : int(stop), seed]) / constant
            low = self._vanished(_by_block(run, first), _by_block(run, last))
            known = states[seed].failed or audited
            bound = self.limit("everywhere" if known else "alarm")  # clearer where none can tell
            everywhere = np.nanmax(weak, initial=0.0) < bound
            told = known or states[seed].state == UNKNOWN
            if not low.any() and told and everywhere:
                mask[seed] = self._low_up_to(_by_block(run, weak), self.limit("alarm"))
                begun[seed] = _since(run, felt[: int(stop), seed] / constant, bound)
            else:
                mask[seed] = low
                until = share[: int(stop), seed][:, low]
                begun[seed] = max(_first_seen(until), self._lost_from(run, until))
                if told and everywhere:  # shares shift, but no layer has mattered since it began
                    mattered = _since(run, felt[: int(stop), seed] / constant, bound)
                    begun[seed] = min(begun[seed], mattered)
            beside[seed] = low.any()
            values[seed] = last if low.any() else weak
        hits = Hits(mask)
        if not hits.which:
            return None
        window = Window(int(begun[hits.which].min()), int(prefix[hits.which].max()))
        return self._finding(run, hits, values, window, beside=bool(beside[hits.which].any()))

    def _vanished(self, first: Array, last: Array) -> Array:
        """Return which layers' shares, and those of all before them, are low and stay low (L,)."""
        with np.errstate(invalid="ignore"):
            left_behind = last > np.maximum(self.limit("rising") * first, self.limit("share") / 10)
        return self._low_up_to(last, self.limit("share")) & ~left_behind

    def _lost_from(self, run: Run, share: Array) -> int:
        """Return the row from which on no share (T, L) of the layers that vanished is high."""
        limit = self.limit("share")
        middle = _since(run, share, limit)
        if middle <= WINDOW // 2:
            return 0  # it was high in the first window at most: so the net began
        around = np.nan_to_num(share[: middle + WINDOW // 2], nan=-np.inf).max(axis=1)
        return int(np.flatnonzero(around >= limit)[-1]) + 1

    def _low_up_to(self, values: Array, limit: float) -> Array:
        """Return which layers are below a limit together with every layer before them (L,).

        None where the next layer is far above it: a signal that vanishes does so step by step;
        what stands beside the way, such as the embedding of a time, begins far below it. A signal
        of exactly 0 has been cut off: no jump is too large for that. Nor is one that is no larger
        than the step before it, from layer to layer or from block to block, nor than twice the
        median of three or more: weights a tenth of the usual take a factor of 100 a layer, and
        blocks without their sums take 20 and more each.
        """
        low = _up_to(values, limit)
        beyond, below = values[np.isfinite(values) & ~low], values[low]
        largest = below.max(initial=0.0)
        # The layers of a block have one value: the step before is the one into the last of them.
        passed = below[(np.diff(below, prepend=np.nan) != 0) & (below > 0)]
        steps = passed[1:] / passed[:-1]
        jump = max([self.limit("jump"), *steps[-1:]])
        if len(steps) >= CHAIN:
            jump = max(jump, TWICE * float(np.median(steps)))
        if largest > 0 and len(beyond) and beyond[0] > jump * largest:
            return np.zeros(len(values), bool)
        return low

    def _finding(
        self, run: Run, hits: Hits, values: Array, window: Window, *, beside: bool
    ) -> Finding:
        layers = hits.layers or (int(hits.mask[hits.which[0]].argmax()) + 1,)
        median = nanmedian(np.where(hits.mask, values, np.nan)[hits.which])
        worst = int(np.nanargmin(median))
        value = float(median[worst])
        late = Window(max(0, window.stop - WINDOW), window.stop)
        why = cause.explain(run, layers, hits.which, late, grows=False)
        ratio = _ratio(run, late, hits.which, min(layers), why)
        audited = run.iterations == 1
        evidence = BEFORE if audited else outcomes(run)[hits.which[0]].evidence
        told = (
            f"layer {worst + 1} gets {share(value)} of the gradient that the layers "
            f"behind it get, {_course(run, window)}"
            if beside
            else f"no layer matters: all weights of layer {worst + 1} together could change the "
            f"loss by {share(value)} of the best constant prediction's"
        )
        return self.finding(
            hits,
            window,
            severity=severity(run, hits.which, harmless=WARNING),
            layers=layers,
            value=value,
            limit=self.limit("share" if beside else "alarm"),
            message=f"The gradient vanishes in {span(layers)}{seeds(hits.replicates)}: {ratio}"
            f"{told}{'' if audited else f'; {evidence}'}.",
            cause=why,
            remedies=_remedies(run, layers, why, cut_off=value == 0),
            columns=("delta_norm", "per_example_grad_norm", "log_gain_slope"),
            confidence="high" if why is not None else "medium",
            evidence=evidence,
        )


def _by_block(run: Run, values: Array) -> Array:
    """Return values in which every layer of a block has its block's largest (L,).

    Query and key weights stand beside each other, not behind: what one layer of a block gets has
    reached the block.
    """
    blocks = run.layer("block")
    result = values.copy()
    for block in {str(each) for each in blocks if each}:
        inside = np.array([str(each) == block for each in blocks])
        if np.isfinite(values[inside]).any():
            result[inside & np.isfinite(values)] = np.nanmax(values[inside])
    return result


def _since(run: Run, values: Array, bound: float) -> int:
    """Return the row from which on no layer's value (T, L) reaches a bound, in medians of 50.

    Where no layer matters at the end, it may have been otherwise, until something took the signal
    away.
    """
    start = 0
    for window in windows(len(values), times=run.times):
        largest = np.nanmax(nanmedian(values[window.start : window.stop]), initial=0.0)
        if largest >= bound:
            start = (window.start + window.stop) // 2  # most of this window was above
    return start


def _course(run: Run, window: Window) -> str:
    """Word since when: from the first iterations, or from a later one on."""
    if run.iterations == 1:
        return "before any training"
    if window.start == 0:
        return "from the first iterations to the last"
    return f"from iteration {int(run.times[window.start])} to the last"


def _first_seen(values: Array) -> int:
    """Return the first row in which a layer has a value (T, L)."""
    return int(np.isfinite(values).any(axis=1).argmax()) if values.size else 0


def _up_to(values: Array, limit: float) -> Array:
    """Return which layers are below a limit together with every layer before them (L,).

    Layers whose value is not known are passed over.
    """
    known = np.where(np.isfinite(values), values, -np.inf)
    return (np.maximum.accumulate(known) < limit) & np.isfinite(values)


def _ratio(run: Run, window: Window, which: list[int], layer: int, why) -> str:
    """Word how much of the signal is left at the lowest layer hit, as its cause says."""
    delta = run["delta_norm"][window.start : window.stop][:, which]
    last = run.shape[2]
    with np.errstate(all="ignore"):
        ratio = nanmedian((delta[:, :, layer - 1] / delta[:, :, last - 1]).reshape(-1))
    if layer == last or not np.isfinite(ratio):
        return ""
    if why is not None and ratio > 0:
        ratio = np.exp(sum(why["log_gain"].values()))
    return f"{number(float(ratio))} of the signal at layer {last} is left at layer {layer}, and "


def _remedies(run: Run, layers: tuple[int, ...], why, *, cut_off: bool) -> tuple[Remedy, ...]:
    found = _by_cause(run, layers, why)
    if not cut_off:
        return found
    search = remedy(
        "find what cuts off",
        "look for what cuts the signal off: a gate or mask of 0, a layer of zeros, units that are "
        "all silent",
        layers=list(layers),
    )
    return search, *found


def _by_cause(run: Run, layers: tuple[int, ...], why) -> tuple[Remedy, ...]:
    activation, structure = _activation(run), add_shortcuts(run)
    if why is None:
        return activation, structure
    if cause.carried_past(why["log_gain"]):
        return warm_up(run), structure
    scale = _initialization(run, layers, why["sentence"])
    # Of relu and its like, weights that began too small are the smaller change; a sigmoid's slope
    # of at most 1/4 stays, whatever the weights.
    if why["dominant"] in ("weight", "alignment") or (scale and _used(run) != "sigmoid"):
        return (*scale, structure, activation)
    return (activation, structure, *scale)


def _activation(run: Run) -> Remedy:
    if _used(run) == "sigmoid":
        because = "slopes near 1 instead of at most 1/4"
        return use_activation(run, _steady_activation(run), because=because)
    return remedy(
        "use activation",
        "use an activation whose slope stays near 1, and keep its inputs away from saturation",
    )


def _steady_activation(run: Run) -> str:
    """Return relu, or tanh where a net of relu is so deep and narrow that chance decides.

    Of relu with He's weights, the log of the signal's square varies from draw to draw by about 5
    times the sum of the hidden widths' reciprocals (Hanin & Nica 2018, arXiv:1812.05994).
    """
    hidden = run.layer("fan_out")[:-1]
    return "tanh" if 5 * float(np.sum(1 / hidden)) > CHANCE else "relu"


def _initialization(run: Run, layers: tuple[int, ...], evidence: str) -> tuple[Remedy, ...]:
    """Return the initialization to try, or nothing where the weights began with its scale."""
    scheme = fitting_scheme(_used(run))
    scales = _starting_scales(run, scheme)
    begun = [scales[layer - 1] for layer in layers if np.isfinite(scales[layer - 1])]
    if begun:
        middle = float(np.median(begun))
        if middle > ENOUGH:
            return ()
        evidence = f"the weights began at {number(middle)} of that scale; {evidence}"
        # Whatever began too small is drawn anew, also where the gradient is still there.
        layers = tuple(int(row) + 1 for row in np.flatnonzero(scales < ENOUGH))
    if _used(run) == "relu":
        because = "relu halves the signal, and He's variance 2/fan_in makes up for it"
        return (initialize(run, layers, scheme, because=because, evidence=evidence),)
    scale = initialize(run, layers, scheme, evidence=evidence)
    if _used(run) == "sigmoid":
        return (scale.adding("or with a larger gain; for a sigmoid alone that is not enough"),)
    return (scale.adding("or with a larger gain, so that the factors come to 1"),)


def _starting_scales(run: Run, scheme: str) -> Array:
    """Return ||W|| at iteration 0 over the norm that a scheme gives (L,); NaN where not known."""
    part = run.condensed()
    fan_in, fan_out = run.layer("fan_in"), run.layer("fan_out")
    looked_up = np.array([kind == LOOKUP for kind in run.layer("kind")])
    with np.errstate(all="ignore"):
        variance = 2 / fan_in if scheme == "he_normal" else 2 / (fan_in + fan_out)
        ratio = part["weight_norm"][0] / np.sqrt(variance * fan_in * fan_out)
    return np.where(looked_up, np.nan, nanmedian(ratio))


def _used(run: Run) -> str:
    return str(run.config.get("activation") or run.layer("activation")[0])
