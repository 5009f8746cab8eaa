"""GL101 vanishing-gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules import cause
from gradlab.rules.base import ERROR, WARNING, Finding, Hits, Rule, Window
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
from gradlab.rules.windows import (
    NOT_LEARNED,
    elasticity,
    finite_prefix,
    learning,
    nanmedian,
    windows,
)
from gradlab.rules.wording import number, seeds, span
from gradlab.run import Run

Array = np.ndarray


class VanishingGradient(Rule):
    """Vanishing gradient (GL101).

    What it does
    ------------
    Judges each layer by its elasticity e = p ||W|| / loss, where p is the mean norm of the single
    examples' weight gradients: by how many per cent the loss can change at most when the layer's
    weights change by one per cent. Weights smaller than LeCun's (||W||^2 < fan_out) count as if
    they were as large: a branch that starts near 0, as in residual nets, has a small ||W|| and a
    gradient that is there all the same. A layer whose median over 50 iterations stays below 0.01
    cannot matter to the training, whatever the learning rate; below 0.1 it is a warning, and an
    error where the net does not learn either. Between the two, a plateau that training has left
    behind is none: a net that learns, and whose layers are all above 0.1 at its end.

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
    section 2.2."""

    code = "GL101"
    whole = False
    name = "vanishing-gradient"
    summary = "layers whose weights cannot change the loss, whatever the learning rate"
    needs = ("per_example_grad_norm", "weight_norm")
    limits: ClassVar = {
        "alarm": Limit(
            0.01,
            "% of the loss by % of the weights, the median of 50",
            "Faulty runs measure 0.087 and less, from depth 10 on below 1e-5; a layer that moves "
            "the loss by so little cannot matter, whatever the learning rate.",
        ),
        "warn": Limit(
            0.1,
            "% of the loss by % of the weights, the median of 50",
            "Healthy runs of 8 kinds, converged ones too, measure 3.4 and more.",
        ),
    }
    needs_loss = True
    explains = ("GL301", "GL302", "GL306", "GL402")
    explains_later = (
        "GL201",
    )  # where the signal is almost nothing, biases rule the units, and kill them

    def judge(self, run: Run) -> Finding | None:
        """Judge the worst half-overlapping window of 50 finite iterations."""
        # ||W|| where sigma_w = 1; where no record says how wide a layer is, its own norm counts
        lecun = np.nan_to_num(np.sqrt(run.layer("fan_out")))
        felt, prefix = elasticity(run, least=lecun), finite_prefix(run)
        spans = windows(int(prefix.max(initial=0)), times=run.times)
        if not spans:
            return None
        medians = np.stack([_medians(felt, window, prefix) for window in spans])
        medians[:, self._overcame(run, medians)] = np.inf
        badness = [self._badness(each) for each in medians]
        worst = max(range(len(spans)), key=lambda number: badness[number])
        since = next((span.start for span, bad in zip(spans, badness, strict=True) if bad[1]), 0)
        return self._finding(run, medians[worst], spans[worst], since)

    def _finding(self, run: Run, values: Array, window: Window, since: int) -> Finding | None:
        alarm = Hits(values < self.limit("alarm"))
        warn = Hits(values < self.limit("warn"))
        if not warn.which:
            return None
        hits, severity, limit = alarm, alarm.severity, self.limit("alarm")
        if not alarm.which or alarm.severity == WARNING:
            share = learning(run)
            stuck = share is not None and 2 * (share[warn.which] >= NOT_LEARNED).sum() >= len(
                values
            )
            hits, limit = warn, self.limit("warn")
            severity = ERROR if stuck else WARNING
        layers = hits.layers or (int(np.argmin(np.median(values[hits.which], axis=0))) + 1,)
        worst = int(np.argmin(np.median(values[hits.which], axis=0)))
        value = float(np.median(values[hits.which, worst]))
        why = cause.explain(run, layers, hits.which, window, grows=False)
        ratio = _ratio(run, window, hits.which, min(layers), why)
        message = (
            f"The gradient vanishes in {span(layers)}{seeds(hits.replicates)}: {ratio}"
            f"a change of layer {worst + 1}'s weights by 1 % changes the loss by at most "
            f"{number(value)} % "
            f"(limit {limit:g} %)."
        )
        return self.finding(
            hits,
            Window(since, window.stop),
            severity=severity,
            layers=layers,
            value=value,
            limit=limit,
            message=message,
            cause=why,
            remedies=_remedies(run, layers, why, cut_off=value == 0),
            columns=("delta_norm", "per_example_grad_norm", "log_gain_slope"),
        )

    def _overcame(self, run: Run, medians: Array) -> Array:
        """Which replicates were never in alarm, are out of it in the last window known of (W, S,
        L), and learn (S,).
        """
        lowest = medians.min(axis=2)
        latest = lowest[
            len(lowest) - 1 - np.isfinite(lowest)[::-1].argmax(axis=0), np.arange(lowest.shape[1])
        ]
        share = learning(run)
        learns = np.zeros(len(latest), bool) if share is None else share < NOT_LEARNED
        return (lowest >= self.limit("alarm")).all(axis=0) & (latest >= self.limit("warn")) & learns

    def _badness(self, values: Array) -> tuple[int, int, float]:
        """Order windows: most replicates in alarm, then in warning, then the smallest value."""
        low = values.min(axis=1)
        return (
            int((low < self.limit("alarm")).sum()),
            int((low < self.limit("warn")).sum()),
            -float(low.min()),
        )


def _medians(felt: Array, window: Window, prefix: Array) -> Array:
    """Return the medians (S, L) of a window; infinite for a replicate that ended before its end."""
    values = nanmedian(felt[window.start : window.stop])  # of what was recorded
    values[np.isnan(values) | (prefix < window.stop)[:, None]] = np.inf
    return values


def _ratio(run: Run, window: Window, which: list[int], layer: int, why) -> str:
    """Word how much of the signal is left at the lowest layer hit: as its cause says, so that one
    number is told.
    """
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
        return activation, structure, _initialization(run, layers, "")
    if cause.carried_past(why["log_gain"]):
        pre_norm = remedy(
            "move norms", "put norms before the branches, not after the additions (pre-norm)"
        )
        return pre_norm, warm_up(run), structure
    initialization = _initialization(run, layers, why["sentence"])
    if why["dominant"] in ("weight", "alignment"):
        return initialization, structure, activation
    return activation, structure, initialization


def _activation(run: Run) -> Remedy:
    if _used(run) == "sigmoid":
        return use_activation(run, "relu", because="slopes near 1 instead of at most 1/4")
    return remedy(
        "use activation",
        "use an activation whose slope stays near 1, and keep its inputs away from saturation",
    )


def _initialization(run: Run, layers: tuple[int, ...], evidence: str) -> Remedy:
    used = _used(run)
    if used == "relu":
        because = "relu halves the signal, and He's variance 2/fan_in makes up for it"
        return initialize(run, layers, fitting_scheme(used), because=because, evidence=evidence)
    scale = initialize(run, layers, fitting_scheme(used), evidence=evidence)
    if used == "sigmoid":
        return scale.adding("or with a larger gain; for a sigmoid alone that is not enough")
    return scale.adding("or with a larger gain, so that the factors come to 1")


def _used(run: Run) -> str:
    return str(run.config.get("activation") or run.layer("activation")[0])
