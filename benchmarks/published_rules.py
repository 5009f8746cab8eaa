"""The published rules of three peers, applied to what gradlab recorded, in gradlab's codes.

AutoTrainer (Zhang et al. 2021), DeepDiagnosis (Wardat et al. 2022), SageMaker Debugger (built-in
rules). Thresholds as published. A mean |g| is taken from the recorded norm as that of normal
entries: sqrt(2/pi) ||g|| / sqrt(n). Where they ring at an update that is too small or too large,
GL302 and GL304 stand for it. Each criterion must hold in the median over some 50 iterations, which
is milder than the single batch or epoch at which the originals ring.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import gradlab
from gradlab.rules.windows import finite_prefix, nanmedian, windows

Array = np.ndarray


def _medians(run: gradlab.Run, values: Array) -> Array:
    """Medians over windows of the finite iterations of each seed: (windows, S, ...)."""
    stop = int(finite_prefix(run).max())
    return np.stack([nanmedian(values[w.start : w.stop]) for w in windows(max(stop, 1))])


def _mean_gradient(run: gradlab.Run) -> Array:
    entries = (run.layers["fan_in"] * run.layers["fan_out"]).to_numpy(float)
    return _medians(run, np.sqrt(2 / np.pi) * run["grad_norm"] / np.sqrt(entries))


def _any_seed(hit: Array) -> bool:
    return bool(hit.reshape(len(hit), hit.shape[1], -1).any(axis=(0, 2)).mean() >= 0.5)


def autotrainer(run: gradlab.Run) -> set[str]:
    """AutoTrainer's limits: |g_1|/|g_L| < 1e-3 and |g_1| < 1e-4; ratio > 70 or NaN; ...

    And: 70 % zero gradients, swings of the accuracy, its gain.
    """
    gradient, found = _mean_gradient(run), set()
    with np.errstate(all="ignore"):
        ratio = gradient[:, :, 0] / gradient[:, :, -1]
    if _any_seed((ratio < 1e-3) & (gradient[:, :, 0] < 1e-4)):
        found.add("GL101")
    if _any_seed(ratio > 70) or (finite_prefix(run) < run.iterations).any():
        found.add("GL102")
    if _any_seed(_medians(run, run["dead_fraction"]) >= 0.7):
        found.add("GL201")
    accuracy = run.step("validation_accuracy")
    accuracy = accuracy[np.isfinite(accuracy).all(axis=1)]
    if len(accuracy) > 2:
        swings = (np.abs(np.diff(accuracy, axis=0)) >= 0.03) & (np.diff(accuracy, axis=0) < 0)
        if (swings.mean(axis=0) >= 0.2).mean() >= 0.5:
            found.add("GL401")
        if ((accuracy[-1] - accuracy[0]) < 0.01).mean() >= 0.5:
            found.add("GL402")
    return found


def deepdiagnosis(run: gradlab.Run) -> set[str]:
    """DeepDiagnosis: mean |g| < 1e-7; silent units; |z| > 5; update ratio out of [1e-5, 0.1]."""
    found = set()
    if _any_seed(_mean_gradient(run) < 1e-7):
        found.add("GL101")
    if _any_seed(_medians(run, run["dead_fraction"]) >= 0.7):
        found.add("GL201")
    saturates = "saturated_fraction" in run and set(run.layers["activation"]) & {"sigmoid", "tanh"}
    if saturates and _any_seed(_medians(run, run["saturated_fraction"]) > 0.5):
        found.add("GL202")
    ratio = _medians(run, run["update_ratio"])
    if _any_seed(ratio < 1e-5):
        found.add("GL302")
    if _any_seed(ratio > 0.1) or (finite_prefix(run) < run.iterations).any():
        found.add("GL304")
    return found


def sagemaker(run: gradlab.Run) -> set[str]:
    """SageMaker: mean |g| < 1e-7; 1 % active; update ratio > 10 or < 1e-8; flat loss; NaN."""
    found = set()
    if _any_seed(_mean_gradient(run) < 1e-7):
        found.add("GL101")
    if _any_seed(_medians(run, run["dead_fraction"]) > 0.99):
        found.add("GL201")
    ratio = _medians(run, run["update_ratio"])
    if _any_seed(ratio < 1e-8):
        found.add("GL302")
    if _any_seed(ratio > 10):
        found.add("GL304")
    if (finite_prefix(run) < run.iterations).any():
        found.add("GL001")
    loss = run.step("loss")
    if (np.median(loss[-10:], axis=0) > 0.99 * np.median(loss[:10], axis=0)).mean() >= 0.5:
        found.add("GL402")
    return found


PEERS: dict[str, Callable[[gradlab.Run], set[str]]] = {
    "AutoTrainer": autotrainer,
    "DeepDiagnosis": deepdiagnosis,
    "SageMaker Debugger": sagemaker,
}
