"""What the rules say, in full, of one hand-made run for each finding.

`python -m tests.rules.wording` writes wording_snapshot.txt anew: the one place that holds wording.
"""

from pathlib import Path

import numpy as np

from gradlab.diagnosis import diagnose
from tests.rules.runs import BASELINE, FAILED, SLOW, make_run, stepping, wavering

SNAPSHOT = Path(__file__).with_name("wording_snapshot.txt")


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
    return make_run(101, steps={"validation_loss": values, "loss": falling(101)})


def falling(iterations):
    """Losses that fall to 0.1 and stay there."""
    return wavering(stepping(2.3, 0.1, 20, iterations), iterations, scatter=0.01)


def vanishing(**columns):
    p = layers(0.005, 0.05, 0.5, 1)
    return make_run(steps=FAILED, per_example_grad_norm=p, **columns)


def swinging():
    loss = np.full((160, 2), 1.0)
    loss[10:110:2] = 3.5
    return make_run(160, steps={"loss": loss})


def stale():
    norm = np.full((60, 2, 4), 3.0)
    norm[0] = 1.0  # nothing older is there yet
    return make_run(grad_norm=norm, per_example_grad_norm=1.0, steps=FAILED)


def cut(*whole):
    return make_run(
        steps=FAILED,
        update_norm=np.where(whole, 0.01, 0.0),
        recorded={"grad_norm": np.array(whole)},
    )


def at_output(operation, gain, criterion):
    return make_run(
        steps=FAILED | {"output_gain": gain},
        output_stage=[(0, seed, 0, operation, gain) for seed in (0, 1)],
        config={"criterion": {"name": criterion}},
    )


def shrinking(**columns):
    norm = np.full((60, 2, 4), 8.0)
    norm[20:] = 2.0
    return make_run(steps=FAILED, weight_norm=norm, **columns)


def idle():
    rate = stepping(0.1, 0.0, 20, 60)[:, None]
    return make_run(steps=FAILED | {"learning_rate": rate})


def skipping():
    skipped = np.zeros((60, 2))
    skipped[30] = 40
    return make_run(steps=SLOW | {"skipped_steps": skipped})


def evaluated():
    losses = np.full((60, 2), np.nan)
    losses[::10] = 2.4
    return make_run(steps={"evaluation_loss": losses, "loss": falling(60)})


def forgetting():
    return make_run(
        steps=FAILED,
        time_gain=np.log(0.63),
        recorded={"time_gain": np.array([False, True, False, False])},
        described={2: {"kind": "LSTM", "name": "lstm.weight_hh_l0", "fan_out": 256}},
        config={"framework": "torch"},
    )


FALLING_SLOPES = {"log_gain_weight": 0.05, "log_gain_slope": -1.45}
GROWING_WEIGHTS = {"log_gain_weight": np.log(1e4) / 3 + 0.35, "log_gain_slope": -0.35}
GROWING_STEPS = np.geomspace(0.01, 100, 60)[:, None, None]
RISING = {"loss": wavering(np.linspace(2.3, 4.6, 60)), "expected_decrease": -0.01}
DECAY = {"optimizer": "adam", "weight_decay": 0.01}
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
        lambda: make_run(steps=FAILED, per_example_grad_norm=layers(0, 1, 1, 1)),
    ),
    "layers that are all weak": (
        "GL101",
        lambda: make_run(steps=FAILED, per_example_grad_norm=1e-4),
    ),
    "an explosion at iteration 0": (
        "GL102",
        lambda: make_run(
            delta_norm=layers(1e4, 464, 21.5, 1),
            config={"gain": 2.0},
            steps=FAILED,
            **GROWING_WEIGHTS,
        ),
    ),
    "steps that overshoot the loss": (
        "GL102",
        lambda: make_run(steps=FAILED | {"expected_decrease": 1e3}),
    ),
    "a spike": ("GL103", lambda: make_run(200, steps={"grad_norm": at(200, 1, i120=50.0)})),
    "a gradient that holds older ones": ("GL104", stale),
    "a layer without any gradient": ("GL105", lambda: cut(True, False, True, True)),
    "a layer that no optimizer holds": (
        "GL105",
        lambda: make_run(steps=FAILED, provenance={"not_in_optimizer": ["output"]}),
    ),
    "a sigmoid that is flat": ("GL106", lambda: at_output("sigmoid", 1e-6, "mse_loss")),
    "softmax before cross-entropy": ("GL106", lambda: at_output("softmax", 0.05, "cross_entropy")),
    "a short memory": ("GL107", forgetting),
    "gradients that were never emptied": (
        "GL104",
        lambda: make_run(steps=FAILED, provenance={"stale_gradients": {"count": 9, "of": 10}}),
    ),
    "a dead layer": ("GL201", lambda: make_run(steps=FAILED, dead_fraction=layers(0, 1, 0, 0))),
    "saturation from the start": (
        "GL202",
        lambda: make_run(
            activation="tanh", saturated_fraction=layers(0.9, 0.1, 0.1, 0), steps=FAILED
        ),
    ),
    "saturation that came with training": (
        "GL202",
        lambda: make_run(120, activation="sigmoid", saturated_fraction=later(0, 0.9, 2)),
    ),
    "activations that grow": (
        "GL203",
        lambda: make_run(activation_rms=layers(1, 20, 400, 1), steps=FAILED),
    ),
    "updates that rounding swallows": (
        "GL301",
        lambda: make_run(steps=SLOW, lost_fraction=layers(0, 0.95, 0, 0)),
    ),
    "one layer that stands still": (
        "GL302",
        lambda: make_run(steps=FAILED, update_ratio=layers(0.001, 0, 0.001, 0.001)),
    ),
    "all layers that stand still": ("GL302", lambda: make_run(steps=FAILED, update_ratio=1e-7)),
    "steps that grow one way": (
        "GL303",
        lambda: make_run(update_norm=GROWING_STEPS, update_cosine=1.0, steps=FAILED),
    ),
    "steps that grow to and fro": (
        "GL303",
        lambda: make_run(update_norm=GROWING_STEPS, update_cosine=-1.0, steps=FAILED),
    ),
    "steps that are too large": (
        "GL304",
        lambda: make_run(
            steps=FAILED, update_norm=layers(0, 4, 0, 0), config={"learning_rate": 0.1}
        ),
    ),
    "steps that carry the net away": (
        "GL304",
        lambda: make_run(
            120,
            steps={"loss": wavering(BASELINE, 120)},
            weight_norm=8 * 2 ** np.clip((np.arange(120) - 20) / 40, 0, 1)[:, None, None],
            grad_norm=1e-5 ** np.clip((np.arange(120) - 20) / 40, 0, 1)[:, None, None],
        ),
    ),
    "units that are alike": (
        "GL305",
        lambda: make_run(unit_similarity=layers(0.5, 1, 0.5, 1), steps=FAILED),
    ),
    "an epsilon that rules": (
        "GL306",
        lambda: make_run(
            steps=SLOW,
            config={"optimizer": "adam", "epsilon": 1e-8},
            second_moment_rms=1e-9,
        ),
    ),
    "steps that are skipped": ("GL307", skipping),
    "weights that other code writes": (
        "GL308",
        lambda: make_run(steps=SLOW, outside_update_norm=layers(0, 0.01, 0, 0)),
    ),
    "a penalty that wins": ("GL309", lambda: shrinking(grad_weight_cosine=0.99)),
    "weight decay that wins": ("GL309", lambda: shrinking(config=DECAY, grad_norm=0.001)),
    "a sign that is flipped": ("GL310", lambda: make_run(steps=RISING)),
    "a gradient that is clipped away": (
        "GL312",
        lambda: make_run(steps=FAILED | {"clipped_grad_norm": 1e-6}, update_ratio=1e-8),
    ),
    "a schedule that ends too early": ("GL312", idle),
    "an epsilon of 1": (
        "GL312",
        lambda: make_run(
            steps=FAILED, config={"optimizer": "adam", "epsilon": 1.0}, second_moment_rms=1e-3
        ),
    ),
    "a loss that swings": ("GL401", swinging),
    "nothing learned": ("GL402", lambda: make_run(steps={"loss": BASELINE})),
    "nothing learned, and hardly moved": (
        "GL402",
        lambda: make_run(steps={"loss": BASELINE}, update_ratio=1e-9),
    ),
    "answers and targets of other shapes": (
        "GL402",
        lambda: make_run(
            steps=FAILED,
            config={
                "criterion": {"name": "mse_loss", "answer_shape": [64, 1], "target_shape": [64]}
            },
        ),
    ),
    "overfitting": ("GL403", held_out),
    "prices in dollars": (
        "GL404",
        lambda: make_run(steps=FAILED | {"target_rms": 3.5e5, "target_mean": 3e5}),
    ),
    "prices in dollars that are learned": (
        "GL404",
        lambda: make_run(
            steps={
                "loss": np.where(np.arange(60) < 15, 9 * BASELINE, 0.3)[:, None],
                "target_rms": 3.5e5,
                "target_mean": 3e5,
            }
        ),
    ),
    "pixels up to 255": ("GL404", lambda: make_run(steps=FAILED | {"input_rms": 147.0})),
    "averages that do not fit": ("GL405", evaluated),
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
