"""Whether a run has what a remedy proposes: then it is not proposed.

Weights drawn by the scheme that is configured are no reason: something may have written over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gradlab.rules.yardsticks.facts import column

if TYPE_CHECKING:
    from gradlab.rules.remedies import Remedy
    from gradlab.run import Run


def has(run: Run, remedy: Remedy) -> bool:
    """Whether the training of a run has what a remedy proposes."""
    known = KNOWN.get(remedy.action)
    return known is not None and known(run, remedy)


def _clips(run: Run, remedy: Remedy) -> bool:
    """Whether gradients are clipped to the norm that is proposed, or to a smaller one."""
    norm = float(remedy.parameters.get("norm", 1.0))
    name, _, rest = str(run.config.get("clip") or "").partition(":most=")
    if name == "norm" and rest:
        return float(rest) <= norm
    clipped = column(run, "clipped_grad_norm")
    if clipped is None or not np.isfinite(clipped).any():
        return False
    return float(np.nanmax(clipped)) <= norm * 1.001


def _warms_up(run: Run, remedy: Remedy) -> bool:
    """Whether the rate rises for so long: as it is configured, or as it was recorded."""
    _, _, length = str(run.config.get("schedule") or "").partition("warmup=")
    wanted = float(remedy.parameters.get("iterations", 50))
    digits = length.split(":")[0]
    if digits.isdigit():
        return int(digits) >= wanted
    rates = column(run, "learning_rate")
    if rates is None or not np.isfinite(rates[0]).any() or not run.iterations:
        return False
    largest = np.nanmax(rates)
    from_little = np.nanmax(rates[0]) < largest / 2
    reached = int((rates >= 0.9 * largest).any(axis=1).argmax())
    return bool(from_little and run.times[reached] >= wanted)


def _is_normed(run: Run, _remedy: Remedy) -> bool:
    return bool(run.config.get("norm"))


def _has_shortcuts(run: Run, _remedy: Remedy) -> bool:
    kinds = run.blocks["kind"] if len(run.blocks) else ()
    return bool(run.config.get("residual")) or "residual" in set(kinds)


def _uses(run: Run, remedy: Remedy) -> bool:
    return _same(run, remedy, "activation")


def _optimizes(run: Run, remedy: Remedy) -> bool:
    return _same(run, remedy, "optimizer")


def _same(run: Run, remedy: Remedy, name: str) -> bool:
    proposed = remedy.parameters.get(name)
    return proposed is not None and proposed == run.config.get(name)


def _loses(run: Run, remedy: Remedy) -> bool:
    losses = remedy.parameters.get("losses") or ()
    return bool(losses) and set(losses) <= {run.config.get("loss")}


def _decays_nothing(run: Run, _remedy: Remedy) -> bool:
    """Whether there is no weight decay to lower, where the record says so."""
    decay = run.config.get("weight_decay")
    return decay is not None and not (isinstance(decay, (int, float)) and abs(decay) > 0)


def _rate_is_0(run: Run, _remedy: Remedy) -> bool:
    """Whether no step is taken: a warm-up that begins at 0 goes on to take some."""
    rates = column(run, "learning_rate")
    if rates is not None and (rates > 0).any():
        return False
    rate = run.config.get("learning_rate")
    return isinstance(rate, float) and (rate == 0 or not math.isfinite(rate))


KNOWN: dict[str, Callable[[Run, Remedy], bool]] = {
    "clip gradient": _clips,
    "warm up": _warms_up,
    "normalize": _is_normed,
    "add residual connections": _has_shortcuts,
    "use activation": _uses,
    "use optimizer": _optimizes,
    "use loss": _loses,
    "lower weight decay": _decays_nothing,
    "lower learning rate": _rate_is_0,
}
"""Action -> whether a run has it already."""
