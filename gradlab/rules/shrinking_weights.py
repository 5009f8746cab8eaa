"""GL309 shrinking-weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gradlab.rules.base import NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.config_numbers import config_number
from gradlab.rules.limits import Limit
from gradlab.rules.pulls import Pull, cosines, late, left_of_norms, never_reached, taken_by_decay
from gradlab.rules.remedies import Remedy
from gradlab.rules.windows import WINDOW, finite_prefix
from gradlab.rules.wording import number, seeds, span
from gradlab.rules.yardsticks import LEARNED, outcomes, severity
from gradlab.run import Run

Array = np.ndarray

USUAL_DECAY = 0.1  # the largest that is usual
DECOUPLED = (
    "adamw",
    "lion",
    "adafactor",
)  # weight decay that does not pass through the gradient's scaling
BOUNDED_STEPS = ("adamw", "lion")  # each weight's step is the rate at most
LARGE = 100  # entries: by chance no gradient of the data meets so many along the weights


class ShrinkingWeights(Rule):
    """Shrinking weights (GL309).

    What it does
    ------------
    Judges seeds that do not learn. A matrix is hit where something pulls it to 0 harder than the
    data pull it anywhere, by one of three measurements: (a) a penalty in the loss: the gradient
    points along the weights, cos(G, W) near 1; (b) the optimizer's weight decay c: c ||W|| is
    larger than ||G||, or, decoupled from the gradient, the sum of learning rate x c over the run
    has taken more than half of the norm; (c) the norm has fallen to less than half while a weight
    decay or a penalty is set, or every norm to less than a twentieth. In each, the norm must have
    fallen. In a net that learns nothing, (a) is told of one large matrix alone, too, which fell to
    less than half, and one counts (d) that began near 0 and is held there by a decoupled decay c:
    AdamW and Lion let no weight grow past 1 / c. A decay of at most 0.001 that takes only what next
    to no gradient had reached at the start is not told: there the gradient's way is the fault.

    Why it is bad
    -------------
    The penalty wins: the weights go to 0, their products vanish, and the net answers the same
    whatever the input. It looks like a vanishing gradient, or like a gradient that was not emptied.

    Example
    -------
    Adam with weight_decay=1e-2 adds 0.01 W to each gradient and then scales the sum to a full step:
    where the data's gradient is smaller, each step shrinks the weights.

    What to try
    -----------
    A weight decay 10 or 100 times smaller; AdamW instead of Adam with weight_decay; the penalty as
    a mean, not a sum.

    References
    ----------
    Krogh & Hertz 1991; Loshchilov & Hutter 2019 (decoupled weight decay), section 2.
    """

    code = "GL309"
    whole = False
    name = "shrinking-weights"
    summary = "weight decay or a penalty outweighs the data"
    needs = ("weight_norm",)
    explains = (
        "GL101",
        "GL104",
        "GL106",
        "GL107",
        "GL201",
        "GL202",
        "GL203",
        "GL301",
        "GL302",
        "GL304",
        "GL306",
        "GL401",
        "GL402",
    )
    limits: ClassVar[Mapping[str, Limit]] = {
        "fallen": Limit(
            0.7,
            "of the norm at the start",
            "weights that learn usually grow, and seldom lose a third",
        ),
        "halved": Limit(
            0.5,
            "of the norm at the start",
            "what decay alone must have taken to be called the cause",
        ),
        "gone": Limit(
            0.05, "of the norm at the start", "Nothing but a pull to 0 takes every matrix so far."
        ),
        "cosine": Limit(
            0.7,
            "cosine of gradient and weights",
            "a matrix of n entries meets a data gradient at 1/sqrt(n) or so; a penalty's gradient "
            "is the weights",
        ),
        "outweighs": Limit(
            1.0, "weight decay x ||W|| over ||G||", "above 1 the optimizer follows the penalty"
        ),
        "layers": Limit(
            0.5, "of the matrices", "a penalty acts on all of them; one alone is another fault"
        ),
    }

    def judge(self, run: Run) -> Finding | None:
        """Judge the last window of each seed that did not learn against its first."""
        prefix, states = finite_prefix(run), outcomes(run)
        mask = np.zeros(run.shape[1:], bool)
        found: dict[int, Pull] = {}
        for seed, stop in enumerate(prefix):
            if states[seed].state == LEARNED or stop < 5:
                continue
            pull = self._pull(run, seed, int(stop))
            if pull is None and states[seed].failed:
                pull = self._held(run, seed, int(stop)) or self._of_one(run, seed, int(stop))
            decay = config_number(run, "weight_decay", 0.0)
            if pull is not None and not never_reached(run, seed, pull.layers, decay):
                found[seed], mask[seed] = pull, pull.layers
        hits = Hits(mask)
        if not hits.which:
            return None
        return self._finding(run, hits, found[hits.which[0]])

    def _pull(self, run: Run, seed: int, stop: int) -> Pull | None:
        """Return what pulls a seed's weights to 0, or None."""
        left = left_of_norms(run, seed, stop)
        fell = left < self.limit("fallen")
        judged = np.isfinite(left)
        if not judged.any() or (fell & judged).sum() < self.limit("layers") * judged.sum():
            return None
        # Once the weights are next to nothing, the noise of batches hides where they were pulled.
        along = np.fmax(*cosines(run, seed, stop))
        penalty = fell & (along > self.limit("cosine"))
        gone = fell & (left < self.limit("gone"))
        if not penalty.any() and gone.sum() == judged.sum():
            return Pull("penalty", gone, float(np.nanmedian(left[gone])), np.nan)
        if penalty.any() and (penalty | gone).sum() >= self.limit("layers") * judged.sum():
            strength = float(np.nanmedian(along[penalty]))
            both = penalty | gone
            return Pull("penalty", both, float(np.nanmedian(left[both])), strength)
        decay = config_number(run, "weight_decay", 0.0)
        if not decay:
            set_by_name = run.config.get("l1") or run.config.get("l2")
            halved = fell & (left < self.limit("halved"))
            if set_by_name and halved.any():
                return Pull("penalty", halved, float(np.nanmedian(left[halved])), np.nan)
            return None
        return self._decay(run, seed, stop, decay, fell, left)

    def _decay(
        self, run: Run, seed: int, stop: int, decay: float, fell: Array, left: Array
    ) -> Pull | None:
        gradient = late(run, "grad_norm", slice(0, stop), seed)
        weight = late(run, "weight_norm", slice(0, stop), seed)
        with np.errstate(all="ignore"):
            outweighs = decay * weight / gradient
        if str(run.config.get("optimizer")) not in DECOUPLED:
            hit = fell & (outweighs > self.limit("outweighs"))
            if hit.any():
                return Pull(
                    "weight decay",
                    hit,
                    float(np.nanmedian(left[hit])),
                    float(np.nanmedian(outweighs[hit])),
                )
        taken = taken_by_decay(run, seed, stop, decay)
        hit = fell & (left < self.limit("halved"))
        by_decay = taken < self.limit("halved") or np.nanmedian(outweighs) > 0.1 * self.limit(
            "outweighs"
        )
        if hit.any() and by_decay:
            return Pull("weight decay", hit, float(np.nanmedian(left[hit])), taken)
        return None

    def _held(self, run: Run, seed: int, stop: int) -> Pull | None:
        """Return which weights began near 0 and are held there by a decoupled decay c.

        w <- (1 - rate c) w - rate u with |u| <= 1 or so leaves no weight above 1 / c. Where that is
        below LeCun's 1 / sqrt(fan_in), no layer can become a usual one.
        """
        decay = config_number(run, "weight_decay", 0.0)
        if str(run.config.get("optimizer")) not in BOUNDED_STEPS or decay <= 0:
            return None
        norm = late(run, "weight_norm", slice(max(0, stop - WINDOW), stop), seed)
        usual = np.sqrt(run.layer("fan_out").astype(float))
        with np.errstate(invalid="ignore"):
            hit = (decay > np.sqrt(run.layer("fan_in").astype(float))) & (norm < usual)
        enough = hit.sum() >= self.limit("layers") * np.isfinite(norm).sum()
        taken = taken_by_decay(run, seed, stop, decay)
        if not hit.any() or not enough or taken >= self.limit("halved"):
            return None
        return Pull("held", hit, float(np.nanmedian(norm[hit] / usual[hit])), taken)

    def _of_one(self, run: Run, seed: int, stop: int) -> Pull | None:
        """Return which matrices alone a penalty pulls to 0, as one on the first layer does.

        The data's gradient meets a large matrix at 1/sqrt(n) or so, at the start above all.
        """
        size = run.layer("fan_in").astype(float) * run.layer("fan_out").astype(float)
        early_and_late = np.minimum(*cosines(run, seed, stop))
        left = left_of_norms(run, seed, stop)
        hit = (left < self.limit("halved")) & (early_and_late > self.limit("cosine"))
        hit &= size >= LARGE
        if not hit.any():
            return None
        strength = float(np.nanmedian(early_and_late[hit]))
        return Pull("penalty", hit, float(np.nanmedian(left[hit])), strength)

    def _finding(self, run: Run, hits: Hits, pull: Pull) -> Finding:
        decay = config_number(run, "weight_decay", 0.0)
        who = (
            f"weight decay {number(decay)}"
            if pull.kind == "weight decay" and decay
            else "a penalty"
        )
        evidence = f"the norms are at {number(pull.left)} of where they began"
        if pull.kind == "penalty" and np.isfinite(pull.strength):
            evidence += f", and the gradient points along the weights (cosine {pull.strength:.2f})"
        layers = hits.layers
        gains = all(outcomes(run)[seed].gains for seed in hits.which)
        what = "shrink"
        if pull.kind == "held":
            what, who = "stay near 0", f"weight decay {number(decay)}"
            evidence = f"it leaves no weight above {number(1 / decay)}, and the norms end at "
            evidence += f"{number(pull.left)} of a usual layer's"
        return self.finding(
            hits,
            Window(0, int(finite_prefix(run)[hits.which].max())),
            severity=severity(run, hits.which, harmless=NOTE if gains else WARNING),
            value=pull.left,
            limit=float(self.limit("fallen")),
            message=f"The weights of {span(layers)} {what}{seeds(hits.replicates)}: {who} "
            f"outweighs the data; {evidence}.",
            remedies=_remedies(run, pull),
            columns=("weight_norm", "grad_weight_cosine", "grad_norm"),
            confidence="high" if np.isfinite(pull.strength) else "medium",
            evidence=evidence,
        )


def _remedies(run: Run, pull: Pull) -> tuple[Remedy, ...]:
    evidence = f"the norms fell to {number(pull.left)} of their start"
    if pull.kind == "held":
        evidence = f"the norms end at {number(pull.left)} of a usual layer's"
    decay = config_number(run, "weight_decay", 0.0)
    if pull.kind == "penalty":
        weaken = Remedy(
            "weaken penalty",
            "make the penalty in the loss 100 times smaller, or leave it to the optimizer: "
            "AdamW, weight_decay=0.01",
            {"factor": 0.01},
            evidence,
        )
        # Weights that are gone may be the optimizer's doing as well as the loss's.
        return (_lower_decay(decay, evidence), weaken) if decay > USUAL_DECAY else (weaken,)
    lower = _lower_decay(decay, evidence)
    if str(run.config.get("optimizer")) == "adam":
        decoupled = Remedy(
            "decouple weight decay",
            "use torch.optim.AdamW: in Adam, weight decay is scaled up along with the gradient",
            {"optimizer": "adamw"},
            evidence,
        )
        return lower, decoupled
    return (lower,)


def _lower_decay(decay: float, evidence: str) -> Remedy:
    return Remedy(
        "lower weight decay",
        f"lower weight_decay from {number(decay)} to {number(decay / 100)}",
        {"weight_decay": decay / 100},
        evidence,
    )
