"""Parameters that get no gradient and are none the worse for it."""

from __future__ import annotations

import numpy as np

from gradlab.rules.remedies import Remedy
from gradlab.run import Run

Array = np.ndarray


def in_use(run: Run, mask: Array) -> Array:
    """Return which of these parameters (L,) data meet where gradients are wanted, and nobody
    writes.

    A net that follows another one, a part that is never called and one that runs under `no_grad`
    (a teacher, a fixed target, a backbone whose features are read) get no gradient on purpose.
    """
    return mask & ~written(run) & ~out_of_call(run) & ~_of_modules(run, "no_grad")


def written(run: Run) -> Array:
    """Return which parameters (L,) change."""
    norm = np.where(run.recorded("weight_norm"), run["weight_norm"], np.nan)
    highest = np.nanmax(norm, axis=(0, 1), initial=-np.inf)
    return highest > np.nanmin(norm, axis=(0, 1), initial=np.inf)


def out_of_call(run: Run) -> Array:
    """Return which parameters (L,) belong to modules that data did not meet."""
    return _of_modules(run, "not_called")


def listed(run: Run, fact: str) -> Array:
    """Return which parameters (L,) a list in the record's provenance names."""
    names = run.provenance.get(fact)
    names = names if isinstance(names, list) else ()
    return np.array([name in names for name in run.layer("name")], bool)


def let_units_speak(run: Run, mask: Array) -> tuple[Remedy, ...]:
    """Return what to do where units that are silent on every example cut the layers off."""
    if "dead_fraction" not in run:
        return ()
    share = np.where(run.recorded("dead_fraction"), run["dead_fraction"], np.nan)[:, :, mask]
    if not np.isfinite(share).any():
        return ()
    dead = np.nanmin(share, axis=(0, 1), initial=1.0, where=np.isfinite(share))
    dead[~np.isfinite(share).any(axis=(0, 1))] = 0.0
    if not (dead == 1).any():
        return ()
    names = [
        str(name) for name, gone in zip(run.layer("name")[mask], dead, strict=True) if gone == 1
    ]
    beside = f" and {len(names) - 1} more" if len(names) > 1 else ""
    evidence = f"all units of {names[0]}{beside} are silent on every example, from the start on"
    words = f"let the biases of {names[0]}{beside} start at 0, or use a leaky relu"
    return (Remedy("zero biases", words, {"layers": names}, evidence),)


def _of_modules(run: Run, fact: str) -> Array:
    """Return which parameters (L,) a list names, or whose module's matrix it names."""
    named = [str(name) for name in np.array(run.layer("name"))[listed(run, fact)]]
    names = [str(name) for name in run.layer("name")]
    return listed(run, fact) | np.array([each.removesuffix(".bias") in named for each in names])
