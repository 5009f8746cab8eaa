"""What a run's configuration should have given at initialization, and where the measurement parts
from it.
"""

from __future__ import annotations

import numpy as np

from gradlab import theory
from gradlab.errors import GradlabError
from gradlab.rules.config_numbers import config_number
from gradlab.rules.wording import number, span
from gradlab.run import Run

Array = np.ndarray

WEIGHTS = 1.25  # times: a layer's weights scatter by 1 / sqrt(2 n m) only, 1 % at 64 x 64
WIDTHS = 4.5  # half widths of the band, and at least
DECADES = 0.65  # powers of ten: a factor of 4.5
UNSTABLE, DEEPEST = ("gelu", "silu"), 8  # their q-map with He's init grows away from any prediction


def expected(run: Run) -> theory.Prediction | None:
    """Ask `gradlab.theory` what the run's configuration should have given.

    None where it does not say enough.
    """
    config = run.config
    input_rms = config_number(run, "input_rms", 0.0)
    if not input_rms or any(config.get(key) is None for key in ("sizes", "activation", "init")):
        return None
    correlation = config_number(run, "input_correlation", 0.0)
    try:
        with np.errstate(all="ignore"):
            return theory.predict(
                config["sizes"],
                config["activation"],
                config["init"],
                gain=config.get("gain", 1.0),
                q_input=input_rms**2,
                norm=config.get("norm"),
                residual=config.get("residual"),
                dropout=config.get("dropout", 0.0),
                input_correlation=min(max(correlation, 0.0), 0.999),
            )
    except (
        GradlabError
    ):  # an activation or initializer theory does not know: the measurement stands alone
        return None


def parting(run: Run) -> tuple[str, ...]:
    """Say, one sentence each, where iteration 0 is not what theory expects of the configuration.

    Empty where it is.
    """
    if run.iterations == 0 or (found := expected(run)) is None:
        return ()
    run = run.condensed()
    with np.errstate(all="ignore"):
        weights = _weights(run, found)
        return (weights,) if weights else _signal(run, found)


def _weights(run: Run, found: theory.Prediction) -> str | None:
    """Compare each layer's ||W|| / sqrt(fan_out), the measured sigma, with the initializer's."""
    if "weight_norm" not in run:
        return None
    fan_in, fan_out = run.layer("fan_in"), run.layer("fan_out")
    times = np.median(run["weight_norm"][0], axis=0) / np.sqrt(fan_out * found.weight_variances)
    # A matrix of few entries scatters more: 4 deviations of the norm of n m normal numbers.
    limit = np.maximum(np.log(WEIGHTS), 4 / np.sqrt(2 * fan_in * fan_out))
    off = ~(np.abs(np.log(times)) < limit)
    if not off.any():
        return None
    layers = [int(layer) + 1 for layer in np.flatnonzero(off)]
    worst = int(np.argmax(np.where(off, np.abs(np.log(times)), -1)))
    gain = f" at gain {found.gain:g}" if found.gain != 1 else ""
    return (
        f"The initial weights of {span(layers)} are not what {found.init}{gain} draws: those of "
        f"layer {worst + 1} are "
        f"{number(float(times[worst]))} times as large. A bug in the initialization is the usual "
        f"cause, or weights "
        "that were trained before."
    )


def _signal(run: Run, found: theory.Prediction) -> tuple[str, ...]:
    """Compare ln ||delta_1|| / ||delta_L||, the mean over seeds, with its prediction and band."""
    deep = len(found.sizes) - 2 > DEEPEST
    if "delta_norm" not in run or len(found.sizes) < 3 or (found.activation in UNSTABLE and deep):
        return ()
    delta = run["delta_norm"][0]
    measured = float(np.mean(np.log(delta[:, 0] / delta[:, -1])))
    predicted = float(found.log_delta_ratio[0])
    half = float(found.upper[0] - found.lower[0]) / 2
    if not np.isfinite(measured) or abs(measured - predicted) <= max(
        WIDTHS * half, DECADES * np.log(10)
    ):
        return ()
    return (
        f"At initialization layer 1 gets {number(float(np.exp(measured)))} of the last layer's "
        f"signal, where theory "
        f"predicts {number(float(np.exp(predicted)))} for {found.activation} with {found.init}: "
        f"look for biases that "
        "do not start at 0, or inputs that are not what they should be.",
    )
