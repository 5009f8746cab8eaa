"""GL102 exploding-gradient."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules import cause
from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.by_role import (
    apart_in_the_stream,
    norms_for_a_bare_stream,
    unlike_the_others,
)
from gradlab.rules.config_numbers import config_number
from gradlab.rules.limits import Limit
from gradlab.rules.outgrown import outgrown
from gradlab.rules.remedies import (
    Remedy,
    clip,
    fitting_scheme,
    initialize,
    lower_learning_rate,
    remedy,
    set_gain,
)
from gradlab.rules.stream_places import Growth, growth_of_gradient
from gradlab.rules.windows import finite_prefix, losses
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import (
    delta_growth,
    learns,
    loss_scale,
    outcomes,
    severity,
    stream_growth,
    worse_than_constant,
)
from gradlab.run import BLOCK_GAIN, Run

Array = np.ndarray


class ExplodingGradient(Rule):
    """Exploding gradient (GL102).

    What it does
    ------------
    Two criteria. At iteration 0: the signal grows by more than a factor of 100 from the last layer
    to some other one; in a net with residual blocks, from the last block's output to the first's.
    Where norms or skip connections make it grow, only if the net breaks or does not learn, and has
    not come out of the growth unharmed; what arrives beside the weights, as where a derivative of
    the net is part of the loss, is no growth through layers. While training, in a seed that does
    not learn, by s = <G, -dW> over the spread of the batch losses: how far an update should take
    the loss, to first order. s above 100 at two iterations, or a median of 10 of them above 4 while
    the loss stands above where it began, and stays there. A large s alone is no explosion: deep
    nets that learn well show it; and a loss whose spread is rounding measures no step.

    Why it is bad
    -------------
    A product of factors above 1 grows without bound. The first update of such a net throws its
    weights away, and what follows is NaN or noise. At a tiny rate nothing breaks or is learned.

    Example
    -------
    2 x 2 x 2 = 8. A relu net of 20 hidden layers at twice He's deviation has gradients near 1e6 in
    every layer; at learning rate 1e-12 it shows neither NaN nor a suspicious loss, and it explodes
    all the same.

    What to try
    -----------
    Weight scale dominant: gain 1, He for relu, Glorot for tanh. A harmless product: lower the
    learning rate, or clip.

    References
    ----------
    Bengio, Simard, Frasconi 1994; Pascanu, Mikolov, Bengio 2013; Hanin 2018; Cohen et al. 2021 (s
    <= 2 eta lambda_max)."""

    code = "GL102"
    name = "exploding-gradient"
    summary = "a backward signal that grows past 100 times, or updates that overshoot the loss"
    needs = ("delta_norm",)
    limits: ClassVar = {
        "at_init": Limit(
            100.0,
            "times, ||delta_l|| over ||delta_L|| at iteration 0",
            "Healthy nets measure at most 1.4; relu at gain 2 measures 33 at depth 5, 1100 at "
            "depth 10 and 1e6 at depth 20.",
        ),
        "step_alarm": Limit(
            100.0,
            "of the batch losses' spread, s = <G, -dW> / spread, at two iterations",
            "Gradient descent has s <= 2 eta lambda_max; deep nets that learn well show up to 41.",
        ),
        "minimum": Limit(20, "iterations", "Nobody expects progress before."),
        "step_high": Limit(
            4.0,
            "of the batch losses' spread, median of s",
            "Past 2 eta lambda_max = 4, the bound at which gradient descent diverges; no alarm "
            "alone, since deep nets that learn show it in 9 of 10 iterations.",
        ),
        "step_count": Limit(10, "iterations in a median", "One step decides nothing."),
        "loss_rise": Limit(
            0.5,
            "of the batch losses' spread",
            "Large steps explode only where the loss stands this much above iteration 0.",
        ),
    }
    explains = (
        "GL001",
        "GL101",
        "GL103",
        "GL201",
        "GL202",
        "GL203",
        "GL301",
        "GL302",
        "GL303",
        "GL304",
        "GL312",
        "GL401",
        "GL402",
    )

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """By construction, it explains whatever the weights do next; while training, it comes of
        their steps.

        Steps too small to matter are among the first: a rate at which such a net survives is no
        rate to train at, and to raise it before the scale is right would be the wrong advice."""
        if finding.iterations == (0, 0):
            return self.explains
        return tuple(
            code
            for code in self.explains
            if code not in ("GL101", "GL301", "GL302", "GL303", "GL304")
        )

    def judge(self, run: Run) -> Finding | None:
        """Judge iteration 0 first: an explosion by construction causes one while training."""
        return self._at_init(run) or self._while_training(run)

    def _at_init(self, run: Run) -> Finding | None:
        part = run.condensed()
        growth = delta_growth(part) - cause.beyond_weights(part)
        stream = stream_growth(part, "stream_grad_norm", slice(0, 1))
        if stream is not None:  # the signal's way back is the stream's; branches hang on it
            growth[stream <= np.log(self.limit("at_init"))] = -np.inf
        hits = Hits(growth > np.log(self.limit("at_init")))
        if not hits.which:
            return None
        window = Window(0, 1)
        total = float(np.median(growth[hits.which].max(axis=1)))
        layer = int(np.median(growth[hits.which], axis=0).argmax()) + 1
        where = self._stream_grown(run, hits.which)
        layers = where.layers if where else hits.layers or (layer,)
        why = cause.explain(run, layers, hits.which, window, grows=True)
        normed = why is not None and why["dominant"] == "block"
        if normed and not self._fails(run, hits.which):
            return None
        way = f"the signal grows {{}} times from layer {run.shape[2]} back to layer {layer}"
        if stream is not None:
            total = float(np.median(stream[hits.which]))
            way = "the residual stream's gradient grows {} times on its way back through the blocks"
        if where is not None:  # its factor has that of the first block, too
            total = max(total, where.log_gain)
            way = f"the residual stream's gradient grows {where.sentence}"
        message = (
            f"The gradient explodes before the first update{seeds(hits.replicates)}: "
            f"{way.format(cause.factor(total))} (limit {self.limit('at_init'):g})."
        )
        with np.errstate(over="ignore"):
            value = float(np.exp(total))
        # Growth along a plain chain deserves a word always; past norms and additions it says little
        well = learns(run) & ~worse_than_constant(run)
        plain = not well[hits.which].all() or BLOCK_GAIN not in run
        return self.finding(
            hits,
            window,
            severity=severity(run, hits.which, harmless=WARNING if plain else NOTE),
            layers=layers,
            blocks=where.blocks if where else (),
            value=value,
            limit=self.limit("at_init"),
            message=message,
            cause=why if stream is None else None,  # the layers' product is another way back
            remedies=_remedies(run, layers, why, where),
            columns=("delta_norm", "grad_norm", "log_gain_weight"),
        )

    def _while_training(self, run: Run) -> Finding | None:
        prefix, states = finite_prefix(run), outcomes(run)
        scale = loss_scale(run)
        loss = losses(run) / scale
        share = run.step("expected_decrease") / scale
        share[~np.isfinite(share)] = 0  # a loss that is nothing but rounding measures no step
        known = run.step_recorded("expected_decrease")
        spans = [
            self._explosion(share[:n, k], loss[:n, k], np.flatnonzero(known[:n, k]))
            if states[k].failed
            else None
            for k, n in enumerate(prefix)
        ]
        which = [k for k, found in enumerate(spans) if found is not None]
        if not which:
            return None
        mask = np.zeros(run.shape[1:], bool)
        mask[which] = True
        hits = Hits(mask)
        starts, stops = zip(*(found for found in spans if found is not None), strict=True)
        window = Window(min(starts), max(stops))
        value = float(share[window.start : window.stop, which].max())
        where = self._stream_grown(run, which)
        layers = where.layers if where else ()
        why = cause.explain(run, layers, which, Window(0, 1), grows=True)
        message = (
            f"Updates overshoot from iteration {window.start}{seeds(hits.replicates)}: by its "
            f"gradient, one should change the loss by {number(value)} times what it varies by from "
            f"batch to batch (limit {self.limit('step_alarm'):g}, passed twice, or "
            f"{self.limit('step_high'):g}, passed again and again while the loss rises)."
        )
        return self.finding(
            hits,
            window,
            severity=severity(run, hits.which, harmless=WARNING),
            layers=layers,
            blocks=where.blocks if where else (),
            value=value,
            limit=self.limit("step_alarm"),
            message=message,
            cause=None if where else why,
            evidence=where.evidence + unlike_the_others(run, where) if where else "",
            remedies=_remedies(run, layers, why, where),
            columns=("grad_norm", "update_ratio", "delta_norm"),
        )

    def _stream_grown(self, run: Run, which: list[int]) -> Growth | None:
        """Return where the gradient of a residual stream grows too much at iteration 0."""
        limit = self.limit("at_init")
        stream = stream_growth(run.condensed(), "stream_grad_norm", slice(0, 1))
        if stream is None or not np.median(stream[which]) > np.log(limit):
            return None
        return growth_of_gradient(run, which, limit)

    def _fails(self, run: Run, which: list[int]) -> bool:
        """Whether half of these replicates break or learn nothing in a long run, with this growth.

        Behind a norm the scale of z is nobody's business: growth that norms and skip connections
        make say nothing alone (BatchNorm's does not, Yang et al. 2019)."""
        broken = finite_prefix(run) < run.iterations
        long = run.iterations >= self.limit("minimum")
        failed = broken | (np.array([state.failed for state in outcomes(run)]) & long)
        limit = float(np.log(self.limit("at_init")))
        return bool(2 * failed[which].sum() >= len(which)) and not outgrown(run, which, limit)

    def _explosion(self, share: Array, loss: Array, known: Array) -> tuple[int, int] | None:
        """Return the iterations [start, stop) in which one replicate explodes, or None.

        `known`: those with an s.
        """
        found = self._explosion_of(share[known], loss[known]) if len(known) else None
        return None if found is None else (int(known[found[0]]), int(known[found[1] - 1]) + 1)

    def _explosion_of(self, share: Array, loss: Array) -> tuple[int, int] | None:
        alarms = np.flatnonzero(share > self.limit("step_alarm"))
        if len(alarms) >= 2:
            return int(alarms[0]), int(alarms[-1]) + 1
        count = int(self.limit("step_count"))
        if len(share) < count:
            return None
        cut = np.lib.stride_tricks.sliding_window_view
        high = np.median(cut(share, count), axis=1) > self.limit("step_high")
        risen = np.median(cut(loss, count), axis=1) > loss[0] + self.limit("loss_rise")
        stays = np.median(loss[-count:]) > loss[0] + self.limit("loss_rise") / 2
        both = np.flatnonzero(high & risen) if stays else np.array([], int)
        return (int(both[0]), int(both[-1]) + count) if len(both) else None


def _remedies(
    run: Run, layers: tuple[int, ...], why, where: Growth | None = None
) -> tuple[Remedy, ...]:
    if where is None and (why is None or sum(why["log_gain"].values()) < cause.HARMLESS):
        return lower_learning_rate(run, 10).adding("or warm it up"), clip(run)
    gain = config_number(run, "gain", 1.0)
    evidence = where.evidence if where else why["sentence"]
    apart = apart_in_the_stream(run, layers) if where else None
    if gain > 1:
        scale = set_gain(run, gain)
    elif apart is not None:
        scale = apart
    else:
        scheme = fitting_scheme(run.layer("activation")[layers[0] - 1 if where and layers else 0])
        scale = initialize(run, layers, scheme, evidence=evidence)
    bare = norms_for_a_bare_stream(run, where)
    if bare is not None:  # the sums make it grow, whatever the weights of one layer
        return (bare, scale, clip(run)) if apart is None else (scale, bare, clip(run))
    branches = remedy("normalize", "use normalization or a branch scale below 1 in residual blocks")
    return scale, branches, clip(run)
