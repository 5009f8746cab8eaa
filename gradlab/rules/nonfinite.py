"""GL001 non-finite."""

from __future__ import annotations

import numpy as np

from gradlab.rules import cause
from gradlab.rules import origin as origins
from gradlab.rules.base import ERROR, Finding, Hits, Rule, Window
from gradlab.rules.remedies import (
    Remedy,
    clip,
    fitting_scheme,
    initialize,
    lower_learning_rate,
    remedy,
)
from gradlab.rules.windows import broken
from gradlab.rules.wording import number, seeds
from gradlab.run import Run

SHRUNK = 0.25  # of its norm at the start: a parameter on its way through 0

BROKEN = "the norm of its initial weights is not finite"


class NonFinite(Rule):
    """Non-finite numbers (GL001).

    What it does
    ------------
    Finds the first NaN or infinity of a run: iteration, layer and phase (forward, loss, backward or
    update), and the growth that led to it. One replicate is enough for an error; nothing else is
    judged before this.

    Why it is bad
    -------------
    NaN spreads to every weight within one update and never goes away. All later numbers are
    meaningless, and tools that average over them call such a run healthy.

    Example
    -------
    A relu net of 20 hidden layers with twice He's standard deviation: the gradient is near 1e6 at
    iteration 0, the first update throws the weights away, and iteration 1 overflows in the forward
    pass.

    What to try
    -----------
    What the cause names: a smaller initial scale where the product of the layers' factors grows,
    else a smaller learning rate or gradient clipping; for a NaN from nowhere, look for log(0), 0/0
    or a bad row in the data.

    References
    ----------
    Pascanu, Mikolov, Bengio 2013, section 2 (exploding gradients); IEEE 754-2019, section 6.2 (NaN
    propagation)."""

    code = "GL001"
    name = "non-finite"
    always = True
    exact = True
    parameters = "all"
    summary = "a NaN or infinity: the first one's iteration, layer and phase"
    explains = ("GL101", "GL103", "GL201", "GL202", "GL302", "GL401", "GL402")

    def is_cause(self, finding: Finding) -> bool:
        """Whether it has a cause of its own, such as a row that is masked whole, or the data.

        A parameter that left its domain is one: then large gradients are its work.
        """
        return any(each.action in origins.ACTIONS for each in finding.remedies)

    def judge(self, run: Run) -> Finding | None:
        """Find the first non-finite number of each replicate; report the earliest."""
        bad = broken(run)
        vectors, run = run.vectors, run.matrices
        which = np.flatnonzero(bad.any(axis=0))
        if not len(which):
            return None
        first = bad.argmax(axis=0)
        mask = np.zeros(run.shape[1:], bool)
        for k in which:
            mask[k, self._layer(run, int(first[k]), int(k)) - 1] = True
        earliest = int(which[first[which].argmin()])
        iteration = int(first[earliest])
        layer = int(mask[earliest].argmax()) + 1
        hits = Hits(mask)
        layers = hits.layers or (layer,)
        origin = origins.of(run, iteration)
        own = origin.get("key") in origins.OWN_CAUSES  # then no product of layers made it
        grown = (first[which] > 0).all() and not own
        left = None if own else _left_domain(vectors, iteration, earliest)
        told = self._message(run, hits, iteration, earliest, layer)
        if left is not None:
            name, share = left
            told = (
                f"{name} left its domain: its norm has shrunk to {number(share)} of its start, and "
                f"the logarithm of a number below 0, or its root, is NaN. {told}"
            )
        why = cause.explain(run, layers, hits.which, Window(0, 1), grows=True) if grown else None
        if origin and why is not None and sum(why["log_gain"].values()) <= cause.HARMLESS:
            why = None  # no growth of the signal made it
        return self.finding(
            hits,
            Window(iteration, iteration + 1),
            severity=ERROR,
            layers=layers,
            value=self._count(run, iteration, earliest),
            limit=0.0,
            message=told,
            cause=None if left is not None else why,
            remedies=self._remedies(run, layers, why, iteration) if left is None else _bound(left),
            confidence="high" if origin else "medium",
            evidence=str(origin.get("why", "")),
            columns=("nonfinite_count", "delta_norm", "activation_rms", "weight_norm"),
        )

    @staticmethod
    def _phase(run: Run, iteration: int, replicate: int) -> str:
        known = origins.of(run, iteration, replicate).get("phase")
        if known in ("forward", "loss", "backward", "update"):
            return known
        phase = run.step("nonfinite_phase")[iteration, replicate]
        if isinstance(phase, str):
            return phase
        if run.step("nonfinite_buffers")[iteration, replicate] > 0:
            return "forward"
        return "loss" if not np.isfinite(run.step("loss")[iteration, replicate]) else "backward"

    def _layer(self, run: Run, iteration: int, replicate: int) -> int:
        """The layer, from 1, where it appeared first: the lowest in a forward pass, the highest in
        a backward one.
        """

        part = run.condensed()
        row = int(np.searchsorted(part.times, iteration))

        def layers(*names: str) -> np.ndarray:
            found = np.zeros(run.shape[2], bool)
            for name in names:
                found |= part.recorded(name)[row, replicate] & ~np.isfinite(
                    part[name][row, replicate]
                )
            return np.flatnonzero(found) + 1

        phase = self._phase(run, iteration, replicate)
        if phase == "loss":
            return run.shape[2]
        origin = origins.of(run, iteration, replicate)
        if origin.get("operation") == "input":
            return 1
        named = _named(run, origin.get("after") or origin.get("module"))
        if phase in ("forward", "update") and named:
            return named[-1]
        found = {
            "forward": layers("activation_rms"),
            "backward": layers("delta_norm", "grad_norm")[::-1],
            "update": layers("update_norm"),
        }[phase]
        if not len(found):
            counted = np.flatnonzero(np.nan_to_num(part["nonfinite_count"][row, replicate]) > 0) + 1
            found = counted[::-1] if phase == "backward" else counted
        return int(found[0]) if len(found) else run.shape[2]

    @staticmethod
    def _count(run: Run, iteration: int, replicate: int) -> float:
        part = run.condensed()
        count = np.nansum(
            part["nonfinite_count"][np.searchsorted(part.times, iteration), replicate]
        )
        return float(max(count, 1.0))

    def _message(self, run: Run, hits: Hits, iteration: int, replicate: int, layer: int) -> str:
        name = run.layer("name")[layer - 1]
        phase = {
            "forward": "in the forward pass",
            "loss": "in the loss",
            "backward": "in the backward pass",
        }
        where = phase.get(self._phase(run, iteration, replicate), "in the update")
        known = origins.of(run, iteration, replicate)
        origin = origins.sentence(known) if known else origins.unknown(run)
        first = f"first at iteration {iteration} in layer {layer} ({name}), {where}{origin}"
        sentence = f"NaN or infinity{seeds(hits.replicates)}, {first}"
        if iteration == 0 and where == "in the update":
            return sentence + "."
        if iteration == 0:
            return sentence + ": already there before the first update."
        norm = run.step("grad_norm")[:, replicate]
        if not np.isfinite(norm[[0, iteration - 1]]).all():
            return sentence + "."
        if iteration == 1:
            return sentence + f", after a gradient norm of {number(norm[0])} at iteration 0."
        peak = int(np.nanargmax(norm[:iteration]))
        if peak == 0:
            return f"{sentence}; no gradient norm before was above {number(norm[0])}, the first."
        grown = f"{number(norm[0])} at iteration 0 to {number(norm[peak])} at iteration {peak}"
        return f"{sentence}; the gradient norm went from {grown}."

    @staticmethod
    def _remedies(run: Run, layers: tuple[int, ...], why, iteration: int) -> tuple[Remedy, ...]:
        origin = origins.of(run, iteration)
        known = origins.remedies(run, origin, iteration)
        own = origin.get("key") in origins.OWN_CAUSES or origin.get("phase") == "backward"
        if known and (own or iteration == 0):
            return known
        return (*known, *NonFinite._of_growth(run, layers, why, iteration))

    @staticmethod
    def _broken_weights(run: Run, layers: tuple[int, ...]) -> tuple[int, ...]:
        """Return those of the layers (from 1) whose initial weights are not finite."""
        if "weight_norm" not in run:
            return ()
        norms = run["weight_norm"][0]
        return tuple(layer for layer in layers if not np.isfinite(norms[:, layer - 1]).all())

    @staticmethod
    def _of_growth(run: Run, layers: tuple[int, ...], why, iteration: int) -> tuple[Remedy, ...]:
        if iteration == 0:
            broken = NonFinite._broken_weights(run, layers)
            return (
                *([initialize(run, broken, _scheme(run), evidence=BROKEN)] if broken else []),
                remedy(
                    "check data",
                    "look for NaN, infinity or huge values in the data and in the initial weights",
                ),
                remedy("check loss", "check the loss for log(0) or a division by 0"),
            )
        rate = lower_learning_rate(run, 10).adding("or warm it up")
        shorten = clip(run).adding("while you look for the cause")
        if why is None or sum(why["log_gain"].values()) <= cause.HARMLESS:
            return (
                rate,
                shorten,
                remedy("check data", "check the data for rows far outside the rest"),
            )
        scheme = _scheme(run)
        scale = initialize(
            run,
            layers,
            scheme,
            gain=1.0,
            because="a smaller initial scale",
            evidence=why["sentence"],
        )
        return scale, rate, shorten


def _named(run: Run, module: object) -> list[int]:
    """Return the layers, from 1, whose module this is."""
    return [
        n
        for n, name in enumerate(run.layer("name"), 1)
        if module and isinstance(module, str) and f"{name}.".startswith(f"{module}.")
    ]


def _left_domain(vectors: Run | None, iteration: int, seed: int) -> tuple[str, float] | None:
    """Return the bare parameter that shrank to nothing before the break, and what was left of it.

    Biases and scales of norms cross 0 without harm; a parameter of the model's own, such as the
    spread of a policy, may not.
    """
    if vectors is None or "weight_norm" not in vectors:
        return None
    norms = np.where(vectors.recorded("weight_norm"), vectors["weight_norm"], np.nan)
    norms = norms[: iteration + 1, seed]
    names = [str(name) for name in vectors.layer("name")]
    owners = [str(owner) for owner in vectors.layer("owner")]
    found: list[tuple[float, str]] = []
    for row, (name, owner) in enumerate(zip(names, owners, strict=True)):
        known = norms[np.isfinite(norms[:, row]), row]
        if name.endswith("bias") or "norm" in owner.lower() or len(known) < 2 or not known[0] > 0:
            continue
        share = float(known.min() / known[0])
        if share < SHRUNK:
            found.append((share, name))
    return (min(found)[1], min(found)[0]) if found else None


def _bound(left: tuple[str, float]) -> tuple[Remedy, ...]:
    name, share = left
    return origins.bound(name, f"its norm fell to {number(share)} of its start")


def _scheme(run: Run) -> str:
    return fitting_scheme(run.layer("activation")[0])
