"""The table of recorded statistics: what each is called, how it is defined, and how it is recorded.

Schema, recorder, adapters, rules, report and documentation read this table. A new statistic is one
row here and one function in `gradlab.measures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cadence = Literal["always", "costly", "optional"]
Direction = Literal["high", "low", "both", ""]
Kind = Literal["layer", "step", "block"]
Chart = Literal["always", "named", "never"]

# Of an iteration, in order: where its first non-finite number may appear (`nonfinite_phase`).
PHASES = ("forward", "loss", "backward", "update")

# Iterations at which costly statistics are taken: the first 10, then every 10th.
COSTLY_FIRST, COSTLY_EVERY = 10, 10

UPDATE = ("weights", "weights_after")
LOG_GAIN = ("weights", "deltas", "slopes")


@dataclass(frozen=True)
class Statistic:
    """One statistic of a training.

    Attributes
    ----------
    name : str
        Of its column.
    label, symbol : str
        How reports call it; `title` joins them.
    formula : str
        Its definition, in the symbols of ARCHITECTURE.md.
    unit : str
        What it is measured in; empty for a number without a unit, "word" for a text.
    cadence : str
        "always": at every iteration; "costly": at the iterations of the costly statistics;
        "optional": only where it is asked for.
    bad : str
        The direction in which values tell of trouble: "high", "low", "both", or "" for neither.
    made_of : tuple of str
        The arguments of `Recorder.record` without which it is not recorded.
    kind : str
        What has one value each: a "layer", a "step" (an iteration of the whole net), or a "block".
    also : str
        What else `Recorder` needs for it, in words.
    chart : str
        Whether a report draws it: "always", where a finding names it ("named"), or "never".
    logarithmic : bool
        Whether it is drawn on a logarithmic scale.
    """

    name: str
    label: str
    symbol: str = ""
    formula: str = ""
    unit: str = ""
    cadence: Cadence = "always"
    bad: Direction = ""
    made_of: tuple[str, ...] = ()
    kind: Kind = "layer"
    also: str = ""
    chart: Chart = "never"
    logarithmic: bool = False

    @property
    def title(self) -> str:
        """The label and the symbol, as reports write them."""
        return f"{self.label} {self.symbol}".rstrip()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of `Recorder.record` as a message names them, with what else is needed."""
        if not self.also:
            return self.made_of
        return *self.made_of[:-1], f"{self.made_of[-1]} (and {self.also})"


LAYER_STATISTICS: tuple[Statistic, ...] = (
    Statistic(
        "grad_norm", "weight gradient", "‖G‖", "‖G‖ = ‖∂Loss/∂W‖, Frobenius norm",
        bad="both", made_of=("gradients",), chart="always", logarithmic=True,
    ),
    Statistic(
        "grad_max", "largest weight gradient", "max |G|", "max |∂Loss/∂w| over the entries of W",
        cadence="costly", bad="high", made_of=("gradients",), logarithmic=True,
    ),
    Statistic(
        "per_example_grad_norm", "weight gradient of single examples", "",
        "mean over examples of ‖δᵢ‖ ‖hᵢ‖, δᵢ of example i's own loss, hᵢ what the layer reads",
        bad="both", made_of=("batch", "activations", "deltas"), chart="always", logarithmic=True,
    ),
    Statistic(
        "delta_norm", "gradient signal", "‖δ‖",
        "‖δ‖ = ‖∂Loss/∂z‖, Frobenius norm over the batch and the units",
        bad="both", made_of=("deltas",), chart="always", logarithmic=True,
    ),
    Statistic(
        "weight_norm", "weights", "‖W‖", "‖W‖, Frobenius norm",
        bad="high", made_of=("weights",), chart="named", logarithmic=True,
    ),
    Statistic(
        "update_norm", "update", "‖ΔW‖", "‖W after − W before‖, Frobenius norm",
        bad="both", made_of=UPDATE, chart="named", logarithmic=True,
    ),
    Statistic(
        "update_ratio", "update", "‖ΔW‖ / ‖W‖", "‖W after − W before‖ / ‖W before‖",
        bad="both", made_of=UPDATE, chart="always", logarithmic=True,
    ),
    Statistic(
        "update_cosine", "update's direction against the one before", "",
        "⟨ΔW, ΔW before⟩ / (‖ΔW‖ ‖ΔW before‖)",
        cadence="costly", made_of=UPDATE, chart="named",
    ),
    Statistic(
        "grad_weight_cosine", "gradient's direction against the weights", "",
        "⟨G, W⟩ / (‖G‖ ‖W‖); close to ±1 with one sign everywhere: a penalty on W",
        cadence="costly", bad="both", made_of=("weights", "gradients"), chart="named",
    ),
    Statistic(
        "outside_update_norm", "change of the weights between two steps", "‖W − W after last step‖",
        "‖W before step t − W after step t−1‖, Frobenius norm; 0 unless something besides the "
        "optimizer writes to W",
        cadence="costly", bad="high", made_of=UPDATE, chart="named", logarithmic=True,
    ),
    Statistic(
        "activation_mean", "activations (mean)", "", "mean h, over the batch and the units",
        cadence="costly", made_of=("activations",),
    ),
    Statistic(
        "activation_std", "activations (standard deviation)", "",
        "√ mean (h − mean h)², over the batch and the units",
        cadence="costly", bad="high", made_of=("activations",), logarithmic=True,
    ),
    Statistic(
        "activation_rms", "activations (rms)", "", "√ mean h², over the batch and the units",
        bad="high", made_of=("activations",), chart="always", logarithmic=True,
    ),
    Statistic(
        "slope_rms", "activation slope (rms)", "", "√ mean φ′(z)², over the batch and the units",
        made_of=("slopes",), chart="always", logarithmic=True,
    ),
    Statistic(
        "dead_fraction", "dead units (fraction)", "",
        "units with φ′(z) = 0 on every example / units",
        unit="fraction", cadence="costly", bad="high", made_of=("slopes",), chart="always",
    ),
    Statistic(
        "saturated_fraction", "saturated units (fraction)", "",
        "entries with |φ′(z)| < 1 % of its maximum / entries",
        unit="fraction", cadence="costly", bad="high", made_of=("slopes",),
        also="slope_bound with each layer", chart="named",
    ),
    Statistic(
        "unit_similarity", "likeness of the two most alike units", "",
        "largest cosine between the weights of two units of the layer",
        cadence="costly", bad="high", made_of=("weights",), chart="named",
    ),
    Statistic(
        "second_moment_rms", "Adam's √v̂ (rms)", "",
        "√ mean v̂, v̂ the optimizer's running mean of squared gradients",
        cadence="costly", bad="low", made_of=("second_moments",), chart="always", logarithmic=True,
    ),
    Statistic(
        "nonfinite_count", "NaN and infinite numbers", "",
        "how many entries of z, δ, G and W after are NaN or infinite",
        unit="count", bad="high", made_of=("weights_after", "gradients"),
    ),
    Statistic(
        "lost_fraction", "updates lost to rounding (fraction)", "",
        "weights that stay the same number though their gradient is not 0 / such weights",
        unit="fraction", cadence="costly", bad="high", made_of=(*UPDATE, "gradients"),
        chart="named",
    ),
    Statistic(
        "grad_histogram", "weight gradient by powers of two", "",
        "entries g of G with 2ᵏ ≤ |g| < 2ᵏ⁺¹, for each k, and those that are 0",
        unit="count", cadence="optional", made_of=("gradients",), also="histograms=True",
    ),
    Statistic(
        "time_gain", "factor a step back in time", "",
        "ln(‖∂Loss/∂x‖ at the first position / at the last) / steps between, x what a recurrent "
        "layer reads; z where it is a loop written by hand, or feeds one",
        unit="ln", cadence="costly", bad="both", made_of=("deltas",),
        also="a recurrent layer, which `watch` sees", chart="named",
    ),
    Statistic(
        "log_gain_weight", "weight scale", "", "A = ln(‖W‖ / √fan_out), W of the layer above",
        unit="ln", made_of=LOG_GAIN,
    ),
    Statistic(
        "log_gain_alignment", "weight alignment", "",
        "B = ln(‖u‖ / ‖δ above‖) − A, u = δ above · Wᵀ",
        unit="ln", made_of=LOG_GAIN,
    ),
    Statistic(
        "log_gain_slope", "activation slope", "", "C = ln rms φ′(z)", unit="ln", made_of=LOG_GAIN
    ),
    Statistic(
        "log_gain_slope_alignment", "slope alignment", "", "D = ln(‖δ‖ / ‖u‖) − C",
        unit="ln", made_of=LOG_GAIN,
    ),
    Statistic(
        "log_gain_block", "modifiers", "",
        "ln(‖δ‖ / ‖u φ′‖): what a skip connection, a norm or dropout adds to the four terms",
        unit="ln", made_of=(*LOG_GAIN, "products"),
    ),
)  # fmt: skip


def _step(name: str, label: str, formula: str, **details) -> Statistic:
    return Statistic(name, label, formula=formula, kind="step", **details)


STEP_STATISTICS: tuple[Statistic, ...] = (
    _step("loss", "loss", "mean loss of the batch before the update",
          bad="high", made_of=("loss",)),
    _step("learning_rate", "learning rate", "η of this update", made_of=("learning_rate",),
          logarithmic=True),
    _step("grad_norm", "gradient", "‖∂Loss/∂θ‖ over all parameters",
          bad="both", made_of=("gradients",), logarithmic=True),
    _step("expected_decrease", "expected decrease of the loss",
          "⟨∂Loss/∂θ, θ before − θ after⟩ over all parameters",
          bad="low", made_of=(*UPDATE, "gradients")),
    _step("validation_loss", "held-out loss", "mean loss on held-out data before the update",
          bad="high", made_of=("validation",)),
    _step("validation_accuracy", "held-out accuracy", "share of held-out data classified correctly",
          unit="fraction", bad="low", made_of=("validation",)),
    _step("nonfinite_phase", "first phase that is not finite",
          "where the first NaN or infinity of the iteration appeared", unit="word"),
    _step("clipped_grad_norm", "gradient after clipping", "‖∂Loss/∂θ‖ after clipping",
          made_of=("clipped_grad_norm",), logarithmic=True),
    _step("output_gain", "gain of the output stage",
          "‖∂Loss/∂(last trainable map's output)‖ / ‖∂Loss/∂(the criterion's input)‖",
          cadence="costly", bad="low", made_of=("output_gain",), logarithmic=True),
    _step("evaluation_loss", "loss in evaluation mode",
          "loss of a training batch in evaluation mode, with running averages from before it",
          cadence="costly", bad="high", made_of=("evaluation_loss",)),
    _step("evaluation_train_loss", "loss of that batch in training mode",
          "loss of the same batch, by the same weights, in training mode",
          cadence="costly", made_of=("evaluation_train_loss",)),
    _step("score", "score", "what the user logs; higher is better", bad="low",
          made_of=("score",)),
    _step("criterion_loss", "value of the criterion",
          "value of the usual criterion that was seen, by itself and unshifted",
          cadence="costly", bad="high", made_of=("criterion_loss",)),
    _step("criterion_baseline", "criterion of the best constant prediction",
          "the best constant prediction's criterion over the targets seen so far",
          cadence="costly", made_of=("criterion_baseline",)),
    _step("target_fit", "fit of own targets",
          "criterion(answers, targets) / criterion(answers, targets of the next example)",
          cadence="costly", bad="high", made_of=("target_fit",)),
    _step("right_share", "right answers", "share of examples whose largest answer is the target's",
          cadence="costly", bad="low", made_of=("right_share",)),
    _step("input_rms", "inputs (rms)", "√ mean x², over the batch and the features",
          cadence="costly", bad="both", made_of=("input_rms",), logarithmic=True),
    _step("target_rms", "targets (rms)", "√ mean y², over the batch",
          cadence="costly", bad="both", made_of=("target_rms",), logarithmic=True),
    _step("target_mean", "targets (mean)", "mean y, over the batch",
          cadence="costly", made_of=("target_mean",)),
    _step("examples", "examples", "rows of the batch", unit="count", bad="low",
          made_of=("examples",)),
    _step("loss_scale", "loss scale", "what a GradScaler multiplies the loss by",
          made_of=("loss_scale",), logarithmic=True),
    _step("skipped_steps", "skipped steps",
          "optimizer steps that were skipped since the iteration before",
          unit="count", bad="high", made_of=("skipped_steps",)),
    _step("nonfinite_buffers", "buffers that are not finite",
          "buffers, such as a BatchNorm's averages, that came to hold NaN or infinity",
          unit="count", cadence="costly", bad="high", made_of=("nonfinite_buffers",)),
)  # fmt: skip


def _block(name: str, label: str, formula: str, **details) -> Statistic:
    return Statistic(name, label, formula=formula, cadence="costly", kind="block",
                     made_of=("block_signals",), **details)  # fmt: skip


BLOCK_STATISTICS: tuple[Statistic, ...] = (
    _block("stream_rms", "residual stream (rms)", "√ mean x², x the block's output",
           bad="high", logarithmic=True),
    _block("stream_grad_norm", "gradient of the residual stream",
           "‖∂Loss/∂x‖, x the block's output", bad="both", logarithmic=True),
    _block("stream_log_gain", "factor of the block",
           "ln of the gradient norm at the block's input over that at its output", unit="ln",
           bad="both"),
    _block("branch_share", "share of the branches",
           "norm of the branches' gradient over that of branches and skip together",
           unit="fraction", bad="both"),
    _block("skip_log_gain", "factor of the skip",
           "ln of the gradient norm that comes back by the skip over that at the sum; 0 where the "
           "skip is the stream itself", unit="ln"),
    _block("branch_cosine", "direction of the branches against the skip",
           "cosine between the branches' gradient and the skip's"),
)  # fmt: skip

_BY_KIND = {"layer": LAYER_STATISTICS, "step": STEP_STATISTICS, "block": BLOCK_STATISTICS}


def get(name: str, kind: Kind = "layer") -> Statistic:
    """Return the statistic of this name; `grad_norm` is one of a layer and one of a step.

    Raises
    ------
    KeyError
        There is none.
    """
    found = next((each for each in _BY_KIND[kind] if each.name == name), None)
    if found is None:
        raise KeyError(name)
    return found
