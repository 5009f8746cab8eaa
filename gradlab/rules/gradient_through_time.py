"""GL107 vanishing-through-time."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.config_numbers import config_number
from gradlab.rules.expressions import expression
from gradlab.rules.limits import Limit
from gradlab.rules.remedies import Remedy, clip, remedy
from gradlab.rules.windows import finite_prefix, nanmedian
from gradlab.rules.wording import number, seeds
from gradlab.rules.yardsticks import AS_GOOD_AS_CONSTANT, SLOW, outcomes, severity
from gradlab.rules.yardsticks.beside_constant import Outcome
from gradlab.run import Run

Array = np.ndarray

RECURRENT = ("rnn", "gru", "lstm")  # kinds of layers that have a time of their own
DETACHED = (
    "do not detach the state between the steps of one sequence: {} is given its own answer without "
    "its history; detach it between sequences, or every 30 steps or so"
)
ALONE = (
    "hand the state on: {} is called with one step at a time, or without the state that it "
    "answered with, so that its recurrent weights multiply nothing but 0"
)
CUT = 1e-12  # a time step: no derivative of a cell is that small, only one that is cut off


class GradientThroughTime(Rule):
    """Vanishing through time (GL107).

    What it does
    ------------
    Looks inside recurrent layers of seeds that do not learn: `time_gain` is the logarithm of the
    factor by which the gradient changes from one position of the sequence back to the one before.
    A factor far below 1 in most measurements means that what stood early in the sequence cannot be
    learned; far above 1, that long sequences explode. A seed that has gained a little from the last
    positions is hit where the factor is below 0.4, or where nothing at all goes back: a warning. A
    recurrence written by hand, or a state space, is seen at the layer that feeds it, where the
    gradient falls steadily from each position to the one before it. A note where the sequences are
    so short that more than 1e-5 of the gradient is left at their first position.

    Why it is bad
    -------------
    Where a cell is given its own answer without its history, nothing goes back at all; where it is
    given none, its recurrent weights get no gradient, and each step stands alone.

    A factor of 0.63 a step leaves 1e-12 of the gradient after 60 steps. From layer to layer nothing
    is wrong, so the fault shows nowhere but in the loss.

    Example
    -------
    An LSTM whose forget gates stand at 1/2 (bias 0), asked for the first of 60 tokens.

    What to try
    -----------
    A forget-gate bias of 1 or more; an orthogonal recurrent matrix; a gated cell instead of a plain
    one; shorter sequences, or truncated ones where the gradient explodes.

    References
    ----------
    Bengio, Simard, Frasconi 1994; Gers, Schmidhuber, Cummins 2000; Jozefowicz, Zaremba, Sutskever
    2015, section 2 (forget-gate bias); Pascanu, Mikolov, Bengio 2013.
    """

    code = "GL107"
    whole = False
    name = "vanishing-through-time"
    summary = (
        "a recurrent layer whose gradient vanishes or explodes from step to step of a sequence"
    )
    limits: ClassVar = {
        "vanishing": Limit(
            0.85,
            "a time step, the median factor",
            "30 steps leave less than a hundredth. Nets that need a short memory only have such "
            "factors too and learn: only seeds that do not learn are judged.",
        ),
        "gone": Limit(
            0.4,
            "a time step, the median factor, in a seed that has learned next to nothing",
            "An LSTM's usual start keeps half; ten such steps leave 1e-4. Nets that learn have "
            "0.69 and more.",
        ),
        "left": Limit(
            1e-5,
            "of the gradient, at the first position of the longest sequence",
            "Where more is left, sequences are short: GRUs of twenty steps with 1e-4 learn.",
        ),
        "exploding": Limit(
            1.2, "a time step, the median factor", "30 steps multiply by more than 200."
        ),
    }
    explains = ("GL101", "GL102", "GL103", "GL201", "GL202", "GL301", "GL302", "GL306", "GL402")

    def effects(self, finding: Finding) -> tuple[str, ...]:
        """A gradient that explodes on its way back makes large steps, and breaks weights."""
        if finding.value > self.limit("exploding"):
            return (*self.explains, "GL001", "GL203", "GL303", "GL304", "GL312", "GL401")
        return self.explains

    def missing(self, run: Run) -> str | None:
        """A net without recurrent layers has no time axis, and lacks nothing."""
        return None

    def judge(self, run: Run) -> Finding | None:
        """Judge the median factor of each recurrent layer."""
        states = outcomes(run)
        alone = _never_handed_on(run)
        alone &= np.array([state.failed or state.state == SLOW for state in states])[:, None]
        if alone.any():
            hits = Hits(alone)
            layer = int(alone[hits.which[0]].argmax())
            return self._cut(run, hits, layer, states[hits.which[0]].evidence, ALONE)
        if "time_gain" not in run:
            return None
        factors = np.full(run.shape[1:], np.nan)
        fades, grows = np.zeros((2, *run.shape[1:]), bool)
        for seed, stop in enumerate(finite_prefix(run)):
            if not stop:
                continue
            gains = np.where(_often(run, seed, int(stop)), run["time_gain"][:, seed], np.nan)
            factors[seed] = np.exp(nanmedian(gains[: int(stop)]))
            with np.errstate(invalid="ignore"):
                fades[seed] = factors[seed] < self._least(states[seed])
                grows[seed] = (factors[seed] > self.limit("exploding")) & states[seed].failed
        hits = Hits(fades | grows)
        if not hits.which:
            return None
        return self._finding(run, hits, factors, states[hits.which[0]].evidence)

    def _least(self, state: Outcome) -> float:
        """Return the factor below which a seed is hit: the more it has learned, the less.

        What a recurrent net makes of the last few positions is something, too.
        """
        if state.failed:
            return self.limit("vanishing")
        if state.state != SLOW:
            return 0.0
        return self.limit("gone") if state.share >= AS_GOOD_AS_CONSTANT else CUT

    def _finding(self, run: Run, hits: Hits, factors: Array, evidence: str) -> Finding:
        median = nanmedian(np.where(hits.mask, factors, np.nan)[hits.which])
        layer = int(np.nanargmax(np.abs(np.log(median))))
        value = float(median[layer])
        if value < CUT:
            return self._cut(run, hits, layer, evidence)
        fades = value < 1
        module = str(run.layer("name")[layer]).split(".weight")[0]
        verb, limit = ("vanishes", "vanishing") if fades else ("explodes", "exploding")
        steps = _few_steps(run, value, self.limit("left"))
        where = "inside" if _kind(run, layer).startswith(RECURRENT) else "behind"
        return self.finding(
            hits,
            Window(0, int(finite_prefix(run)[hits.which].max())),
            severity=NOTE if steps else severity(run, hits.which, harmless=WARNING),
            layers=hits.layers or (layer + 1,),
            value=value,
            limit=self.limit(limit),
            message=f"The gradient {verb} over time {where} {module}{seeds(hits.replicates)}: from "
            f"one time step back to the one before it is multiplied by {number(value)} (limit "
            f"{self.limit(limit):g}), {number(value ** (steps or 30))} over {steps or 30} steps of "
            f"a sequence; {evidence}.",
            remedies=_remedies(run, layer, module, fades=fades),
            columns=("time_gain", "grad_norm"),
            confidence="high",
            evidence=f"factor {number(value)} a time step; {evidence}",
        )

    def _cut(
        self, run: Run, hits: Hits, layer: int, evidence: str, advice: str = DETACHED
    ) -> Finding:
        module = str(run.layer("name")[layer]).split(".weight")[0]
        words = f"no gradient goes from one time step back to the one before it inside {module}"
        return self.finding(
            hits,
            Window(0, int(finite_prefix(run)[hits.which].max())),
            severity=severity(run, hits.which, harmless=WARNING),
            layers=hits.layers or (layer + 1,),
            value=0.0,
            limit=self.limit("vanishing"),
            message=f"The gradient is cut between time steps{seeds(hits.replicates)}: {words}; "
            f"{evidence}.",
            remedies=(
                remedy(
                    "keep the state's graph",
                    advice.format(module),
                ),
            ),
            columns=("time_gain", "grad_norm"),
            confidence="high",
            evidence=f"{words}; {evidence}",
        )


def _few_steps(run: Run, factor: float, least: float) -> int:
    """Return the steps of the longest sequence, where more than `least` is left at their end; 0
    where less is, or nobody knows: so short a way back is no reason to learn nothing.
    """
    steps = int(config_number(run, "positions", 0)) - 1
    return steps if steps > 0 and factor < 1 and factor**steps > least else 0


def _never_handed_on(run: Run) -> Array:
    """Return which recurrent weights get a gradient of exactly 0 in seeds whose layer gets one
    (S, L): the state before each step is 0.
    """
    result = np.zeros(run.shape[1:], bool)
    if "grad_norm" not in run:
        return result
    seen = run.recorded("grad_norm") & np.isfinite(run["grad_norm"])
    largest = np.where(seen, run["grad_norm"], 0.0).max(axis=0)
    names = [str(name) for name in run.layer("name")]
    for row, name in enumerate(names):
        beside = name.replace("weight_hh", "weight_ih")
        if not _kind(run, row).startswith(RECURRENT) or beside == name or beside not in names:
            continue
        trained = seen[:, :, row].any(axis=0)
        result[:, row] = trained & (largest[:, row] == 0) & (largest[:, names.index(beside)] > 0)
    return result


def _often(run: Run, seed: int, stop: int) -> Array:
    """Return for which layers a factor was found in most of the measurements (L,).

    Where no layer has a time of its own, it is found where the gradient happens to be steady.
    """
    found = run.recorded("time_gain")[:stop, seed]
    measured = run.recorded("delta_norm" if "delta_norm" in run else "time_gain")[:stop, seed]
    return found.sum(axis=0) >= measured.any(axis=1).sum() / 2


def _remedies(run: Run, layer: int, module: str, *, fades: bool) -> tuple[Remedy, ...]:
    shorter = remedy("shorten sequences", "use shorter sequences, or truncate them")
    if not fades:
        return clip(run), shorter
    kind = _kind(run, layer)
    if kind.startswith("lstm"):
        hidden = int(run.layer("fan_out")[layer]) // 4
        gate = remedy(
            "raise forget bias",
            "start the forget gates open: with torch.no_grad(): "
            f"{expression(module)}.bias_ih{_number(kind)}[{hidden}:{2 * hidden}].fill_(2.0)",
            bias=2.0,
        )
        return gate, shorter
    if not kind.startswith(RECURRENT):
        decay = remedy(
            "slow decay",
            f"let the state behind {module} keep more of itself from step to step: a decay of 0.99 "
            "leaves half of it after 69 steps, one of 0.5 after a single one",
            decay=0.99,
        )
        return decay, shorter
    orthogonal = remedy(
        "initialize",
        f"start with an orthogonal recurrent matrix: nn.init.orthogonal_({expression(module)}"
        f".weight_hh{_number(kind)})",
        scheme="orthogonal",
    )
    return (
        orthogonal,
        remedy("use gated cell", "use nn.LSTM or nn.GRU instead of a plain cell"),
        shorter,
    )


def _kind(run: Run, layer: int) -> str:
    return str(run.layer("kind")[layer]).lower()


def _number(kind: str) -> str:
    """Return what ends the names of a layer's parameters: a cell has one layer, without number."""
    return "" if kind.endswith("cell") else "_l0"
