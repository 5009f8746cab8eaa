"""GL203 exploding-activations."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules import cause
from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.by_role import norms_for_a_bare_stream
from gradlab.rules.large_answers import USUAL, large_answers
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import fitting_scheme, initialize, lower_learning_rate, normalize
from gradlab.rules.windows import finite_prefix, losses, nanmedian, windows
from gradlab.rules.wording import during, number, seeds
from gradlab.rules.yardsticks import (
    LOOKUP,
    column,
    constant_loss,
    failed,
    severity,
    stream_growth,
    worse_than_constant,
)
from gradlab.run import Run

OF_STEPS = ("GL303", "GL304", "GL401")  # what a learning rate that is too large shows
LARGEST = 700.0  # ln of what a float holds


class ExplodingActivations(Rule):
    """Exploding activations (GL203).

    What it does
    ------------
    Compares the root mean square of the activations in the last hidden layer with the first one's,
    at iteration 0 and as a median over 50 iterations: growth by more than 100 is an explosion of
    the forward signal. So is growth by as much from the inputs to the output at iteration 0, half
    of it (in logarithms) in the hidden layers, in a seed that learns nothing or whose loss stays
    far above the best constant prediction's. Of a net of bare parameters no activations are seen:
    what its criterion comes to at iteration 0 tells how large its answers are at least, and half of
    that has to be in the lengths of its weights. Layers beyond that limit are named; the cause is
    that of the whole chain, since the growth begins at its first layer. In a net with residual
    blocks the stream counts. Growth of less than 10 at iteration 0 came with the steps: steps that
    are too large are then its cause and not its consequence. An error where nothing is learned; a
    warning where the loss is still far above a constant's at the end; else a note.

    Why it is bad
    -------------
    Logits grow with it: the softmax becomes certain and wrong, the loss is huge, and the first
    updates are too.

    Example
    -------
    A relu net at twice He's deviation doubles its activations in every layer: 421 times after ten,
    3e5 after twenty.

    What to try
    -----------
    gain 1 with the initialization that fits the activation (He for relu, Glorot for tanh);
    normalization.

    References
    ----------
    He et al. 2015, eq. 8-10; Hanin & Rolnick 2018 (mean activation length).
    """

    code = "GL203"
    whole = False
    name = "exploding-activations"
    summary = "a forward signal that grows past 100 times from the first to the last hidden layer"
    needs = ("activation_rms",)
    limits: ClassVar = {
        "growth": Limit(
            100.0,
            "times, from the first to the last hidden layer",
            "Healthy nets measure at most 1; relu at gain 2 measures 15 at depth 5, 421 at depth "
            "10 and 3e5 at depth 20.",
        ),
    }
    explains = ("GL001", "GL103", "GL201", "GL202", "GL303", "GL304", "GL312", "GL401", "GL402")

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """Growth that came with the steps is what they did, and does not explain their size."""
        later = finding.iterations[0] > 0
        return tuple(code for code in self.explains if not (later and code in OF_STEPS))

    def missing(self, run: Run) -> str | None:
        """Two hidden layers at least are needed to compare; or a criterion that tells."""
        if run.shape[2] < 3:
            return "needs at least two hidden layers to compare"
        lacks = super().missing(run)
        return lacks if lacks is None or large_answers(run) is None else None

    def judge(self, run: Run) -> Finding | None:
        """Judge iteration 0, then each window of finite iterations."""
        if _by_hand(run):
            return self._by_answers(run)
        rms = run["activation_rms"]
        first = _first(run)
        prefix = finite_prefix(run)
        for window in [Window(0, 1), *windows(int(prefix.max(initial=0)), times=run.times)]:
            with np.errstate(all="ignore"):
                part = rms[window.start : window.stop]
                growth = nanmedian(part / part[:, :, first : first + 1])  # of what was recorded
            growth[prefix < window.stop] = 0
            growth = np.nan_to_num(growth, nan=0.0, posinf=0.0)
            stream = stream_growth(run, "stream_rms", slice(window.start, window.stop))
            if stream is not None:  # what goes on is the stream; branches start small or large
                growth[stream <= np.log(self.limit("growth"))] = 0
            mask = growth > self.limit("growth")
            if stream is None:  # a stream's last norm takes back what it has grown
                mask[growth[:, -2] <= self.limit("growth")] = False
            mask[:, :first] = False
            mask[:, -1] = False  # the output is the loss's matter
            hits = Hits(mask)
            if hits.which:
                return self._finding(run, hits, growth, window, first + 1, stream)
        return self._from_the_input(run)

    def _by_answers(self, run: Run) -> Finding | None:
        """Judge nets of bare parameters by their answers, and by the weights that made them."""
        answers = large_answers(run)
        if answers is None:
            return None
        limit = self.limit("growth")
        with np.errstate(all="ignore"):
            made = np.maximum(answers.gains, 1.0).prod(axis=1)
        grown = (answers.growth > limit) & (made > limit**0.5) & (finite_prefix(run) > 0)
        grown &= worse_than_constant(run) | failed(run)
        hits = Hits((answers.gains > USUAL) & grown[:, None])
        if not hits.which:
            return None
        growth = np.repeat(answers.growth[:, None], run.shape[2], axis=1)
        return self._finding(run, hits, growth, Window(0, 1), 0, None)

    def _from_the_input(self, run: Run) -> Finding | None:
        """Judge the way from the inputs on, of seeds that learn nothing or end far above it.

        The first layer may multiply the signal, too, and a net of three layers has two hidden ones.
        """
        inputs = column(run, "input_rms")
        if inputs is None or stream_growth(run, "stream_rms", slice(0, 1)) is not None:
            return None
        with np.errstate(all="ignore"):
            growth = run["activation_rms"][0] / inputs[0][:, None]
        growth = np.nan_to_num(growth, nan=0.0, posinf=0.0)
        limit = self.limit("growth")
        grown = (growth[:, -1] > limit) & (growth[:, -2] > limit**0.5)  # half of it, in logarithms
        # It did harm where the loss began with it, even if that came down to a constant's since.
        constant = np.array([constant_loss(run, seed) for seed in range(run.replicates)])
        began = losses(run)[0] > limit**0.5 * constant
        grown &= (worse_than_constant(run) | (failed(run) & began)) & (finite_prefix(run) > 0)
        mask = (growth > limit**0.5) & grown[:, None]
        mask[:, -1] = False
        hits = Hits(mask)
        return self._finding(run, hits, growth, Window(0, 1), 0, None) if hits.which else None

    def _since(self, run: Run, hits: Hits, window: Window) -> Window:
        """Return since when: from the start where half of it, in logarithms, was there then."""
        limit = self.limit("growth") ** 0.5
        stream = stream_growth(run, "stream_rms", slice(0, 1))
        rms = run["activation_rms"][0]
        with np.errstate(all="ignore"):
            growth = (rms / rms[:, [_first(run)]])[:, :-1].max(axis=1)
        begun = growth > limit if stream is None else stream > np.log(limit)
        begun = bool(np.median(begun[hits.which]) > 0)
        return Window(0 if begun else max(window.start, 1), window.stop)

    def _finding(
        self,
        run: Run,
        hits: Hits,
        growth: np.ndarray,
        window: Window,
        first: int,
        stream: np.ndarray | None,
    ) -> Finding:
        value = float(np.median(growth[hits.which, -2]))
        hidden = run.shape[2] - 1
        layers = hits.layers or (hidden,)
        limit = self.limit("growth")
        when = "before the first update" if window.stop == 1 else during(run, window)
        way = f"The activations grow {{}} times from hidden layer {first} to hidden layer {hidden}"
        if stream is not None:
            value = float(np.exp(min(np.median(stream[hits.which]), LARGEST)))
            way = "The residual stream grows {} times on its way through the blocks"
        if not first:
            value = float(np.median(growth[hits.which, -1]))
            way = "The activations grow {} times from the inputs to the output"
            if _by_hand(run):
                way = "The answers are at least {} times as large as what the net is given"
        grown = way.format(number(value))
        message = f"{grown} {when}{seeds(hits.replicates)} (limit {limit:g})."
        bare = norms_for_a_bare_stream(run)
        return self.finding(
            hits,
            window if window.stop == 1 else self._since(run, hits, window),
            severity=severity(run, hits.which, harmless=_harmless(run, hits)),
            layers=layers,
            value=value,
            limit=limit,
            message=message,
            cause=cause.explain(run, (1,), hits.which, Window(0, 1), grows=True),
            remedies=(
                *(() if bare is None else (bare,)),
                initialize(run, (), fitting_scheme(run.layer("activation")[0]), gain=1.0),
                normalize(run),
                lower_learning_rate(run, 10).adding("if the growth came with training"),
            ),
            columns=("activation_rms", "log_gain_weight", "delta_norm"),
        )


def _harmless(run: Run, hits: Hits) -> str:
    """Growth past which a net never comes down to what a constant answers deserves a word."""
    return WARNING if worse_than_constant(run)[hits.which].all() else NOTE


def _first(run: Run) -> int:
    """The first layer (from 0) whose activations were recorded and that looks nothing up."""
    signals = np.array([kind != LOOKUP for kind in run.layer("kind")])
    seen = run.recorded("activation_rms").any(axis=(0, 1)) & signals
    return int(seen.argmax())


def _by_hand(run: Run) -> bool:
    """Whether most matrices are bare parameters, whose activations no module shows."""
    if "activation_rms" not in run:
        return True
    return bool(run.recorded("activation_rms").any(axis=(0, 1)).mean() < 0.5)
