"""What the rules say, in full, of one hand-made run for each finding.

`python -m tests.rules.wording` writes wording_snapshot.txt anew: the one place that holds wording.
"""

from pathlib import Path

import numpy as np

from gradlab.diagnosis import diagnose
from tests.rules.runs import make_run

SNAPSHOT = Path(__file__).with_name("wording_snapshot.txt")
FLAT = {"loss": 2.25}  # nothing is learned: the baseline is 2.3
LEARNED = {"loss": 1.0}


def at(iterations, usual, **planted):
    """A column (iterations, 2) of one value with others planted, such as i120=50.0."""
    column = np.full((iterations, 2), float(usual))
    for when, value in planted.items():
        column[int(when[1:])] = value
    return column


def layers(*values):
    return np.array(values, float)


def later(before, after, layer, iterations=120):
    """A column (iterations, 2, 4) that changes in one layer half way."""
    column = np.full((iterations, 2, 4), float(before))
    column[iterations // 2 :, :, layer - 1] = after
    return column


def non_finite():
    counts, rms = np.zeros((20, 2, 4)), np.ones((20, 2, 4))
    counts[7:, 1] = 3
    rms[7:, 1, 2:] = np.nan
    phases = np.full((20, 2), None, object)
    phases[7:, 1] = "forward"
    steps = {"nonfinite_phase": phases}
    return make_run(20, steps=steps, nonfinite_count=counts, activation_rms=rms)


def held_out():
    values = np.full((101, 2), np.nan)
    values[::50] = np.array([2.0, 1.0, 1.6])[:, None]
    return make_run(101, steps={"validation_loss": values, "loss": np.full((101, 2), 0.1)})


def vanishing(**columns):
    p = layers(1e-4, 1, 1, 1)
    return make_run(steps=LEARNED, per_example_grad_norm=p, **columns)


def swinging():
    loss = np.full((110, 2), 1.0)
    loss[10::2] = 3.5
    return make_run(110, steps={"loss": loss})


FALLING_SLOPES = {"log_gain_weight": 0.05, "log_gain_slope": -1.45}
GROWING_WEIGHTS = {"log_gain_weight": np.log(1e4) / 3 + 0.35, "log_gain_slope": -0.35}
MADE = {  # what is planted -> (the rule that is asked, the run)
    "a NaN in the forward pass": ("GL001", non_finite),
    "a sigmoid chain that vanishes": (
        "GL101",
        lambda: vanishing(activation="sigmoid", **FALLING_SLOPES),
    ),
    "weights that are too small": (
        "GL101",
        lambda: vanishing(log_gain_weight=-1.5, log_gain_slope=-0.1),
    ),
    "a layer that no signal reaches": (
        "GL101",
        lambda: make_run(steps=LEARNED, per_example_grad_norm=layers(0, 1, 1, 1)),
    ),
    "an explosion at iteration 0": (
        "GL102",
        lambda: make_run(
            delta_norm=layers(1e4, 464, 21.5, 1), config={"gain": 2.0}, **GROWING_WEIGHTS
        ),
    ),
    "steps that overshoot the loss": (
        "GL102",
        lambda: make_run(steps={"loss": 1.0, "expected_decrease": 1e3}),
    ),
    "a spike": ("GL103", lambda: make_run(200, steps={"grad_norm": at(200, 1, i120=50.0)})),
    "a gradient that holds older ones": (
        "GL104",
        lambda: make_run(grad_norm=3.0, per_example_grad_norm=1.0, steps=LEARNED),
    ),
    "a dead layer": ("GL201", lambda: make_run(dead_fraction=layers(0, 1, 0, 0))),
    "saturation from the start": (
        "GL202",
        lambda: make_run(activation="tanh", saturated_fraction=layers(0.9, 0.1, 0.1, 0)),
    ),
    "saturation that came with training": (
        "GL202",
        lambda: make_run(120, activation="sigmoid", saturated_fraction=later(0, 0.9, 2)),
    ),
    "activations that grow": ("GL203", lambda: make_run(activation_rms=layers(1, 20, 400, 1))),
    "updates that rounding swallows": (
        "GL301",
        lambda: make_run(steps=LEARNED, lost_fraction=layers(0, 0.95, 0, 0)),
    ),
    "one layer that stands still": (
        "GL302",
        lambda: make_run(steps=FLAT, update_ratio=layers(0.001, 0, 0.001, 0.001)),
    ),
    "all layers that stand still": ("GL302", lambda: make_run(steps=FLAT, update_ratio=1e-7)),
    "steps that grow one way": (
        "GL303",
        lambda: make_run(
            update_norm=np.geomspace(0.01, 100, 60)[:, None, None], update_cosine=1.0, steps=FLAT
        ),
    ),
    "steps that grow to and fro": (
        "GL303",
        lambda: make_run(
            update_norm=np.geomspace(0.01, 100, 60)[:, None, None], update_cosine=-1.0, steps=FLAT
        ),
    ),
    "steps that are too large": (
        "GL304",
        lambda: make_run(
            steps=LEARNED, update_ratio=layers(0, 0.5, 0, 0), config={"learning_rate": 0.1}
        ),
    ),
    "units that are alike": ("GL305", lambda: make_run(unit_similarity=layers(0.5, 1, 0.5, 1))),
    "an epsilon that rules": (
        "GL306",
        lambda: make_run(
            steps=LEARNED,
            config={"optimizer": "adam", "epsilon": 1e-8},
            second_moment_rms=1e-9,
        ),
    ),
    "a loss that swings": ("GL401", swinging),
    "nothing learned": ("GL402", lambda: make_run(steps={"loss": 2.3})),
    "nothing learned, and hardly moved": (
        "GL402",
        lambda: make_run(steps={"loss": 2.3}, update_ratio=1e-9),
    ),
    "overfitting": ("GL403", held_out),
}


def spoken() -> str:
    """Return what the rules say of every run."""
    parts = []
    for planted, (code, make) in MADE.items():
        parts.append(f"# {planted}\n{diagnose(make(), select=[code])}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    SNAPSHOT.write_text(spoken(), encoding="utf-8")
    print(f"{SNAPSHOT}: {len(MADE)} findings")
