"""From the tensors of one iteration to a row of statistics: which measure makes which column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlab import measures
from gradlab.layerstack import groups
from gradlab.recorder import square_sums
from gradlab.recorder.inputs import StepTensors
from gradlab.recorder.layer_axis import LayerAxis
from gradlab.recorder.nonfinite import NonFinite
from gradlab.recorder.rows import LayerRow, Partial, only_where
from gradlab.recorder.updates import Updates

Array = np.ndarray


class Measurer:
    """Measures one iteration after the other.

    Parameters
    ----------
    layers : sequence of dict
        `fan_out` of each, and the largest slope of its activation where known, `slope_bound`.
    axis : LayerAxis
    histograms : bool
        Whether to take the gradients' histograms among the costly statistics.
    """

    def __init__(
        self, layers: Sequence[Mapping[str, Any]], axis: LayerAxis, histograms: bool = False
    ):
        self._axis, self._histograms = axis, histograms
        self._bounds = [layer.get("slope_bound") for layer in layers]
        self._fan_out = np.array([layer["fan_out"] for layer in layers], np.float64)
        self._updates = Updates(axis)
        self._nonfinite = NonFinite(axis)
        self._lengths: tuple[Array, Array] | None = None  # ||G|| and ||W|| of the newest iteration

    def norms(self, tensors: StepTensors, keep: bool = False) -> LayerRow:
        """Return what is taken at every iteration, but for what `Derivations` makes of it.

        Parameters
        ----------
        keep : bool
            Whether the next iteration asks what changed the weights since this update.
        """
        outside = self._updates.outside(tensors.weights)
        self._updates.keep(tensors.weights_after, keep)
        newest = self._updates.begin(tensors.weights)
        sums = square_sums.take(tensors, newest) if square_sums.of_an_engine(tensors) else None
        row = self._of_arrays(tensors) if sums is None else self._of_sums(sums)
        if outside is not None:
            row.statistics["outside_update_norm"] = outside
        return row

    def _of_sums(self, sums: square_sums.Sums) -> LayerRow:
        """Keep what the next iterations need of an engine's sums, which are all finite."""
        self._nonfinite.none()
        norms = np.sqrt(self._axis.turned(sums.layers[: square_sums.UPDATE + 1]))
        self._lengths = norms[square_sums.GRADIENT], norms[square_sums.WEIGHT]
        self._updates.note_norm(norms[square_sums.UPDATE])
        return LayerRow(sums=sums)

    def _of_arrays(self, tensors: StepTensors) -> LayerRow:
        row: dict[str, Any] = dict(self._updates.measure(tensors))
        self._lengths = row["grad_norm"], row["weight_norm"]
        h_rows = self._activations(tensors, row)
        self._deltas(tensors, row, h_rows)
        result = LayerRow(row)
        if tensors.slopes is not None:
            slopes = self._axis.each(measures.rms, tensors.slopes)
            row["slope_rms"] = self._axis.with_output(slopes, 1.0)  # it is linear: phi' = 1
        if tensors.backs is not None and {"slope_rms", "delta_norm"} <= row.keys():
            backs = self._axis.each(measures.norm, tensors.backs)
            result.backs = self._axis.with_output(backs, np.nan)
            if tensors.products is not None:
                products = self._axis.each(measures.norm, tensors.products)
                result.products = self._axis.with_output(products, np.nan)
        row["nonfinite_count"] = self._nonfinite.count(tensors, row)
        self._updates.note_norm(row["update_norm"])
        return result

    def _activations(self, tensors: StepTensors, row: dict[str, Any]) -> list[Array] | None:
        """Add activation_rms to the row.

        Return ||h_{l-1,i}|| of what each layer reads; None where the batch is not known.
        """
        if tensors.activations is None:
            return None
        rows: list[Array] = []
        norms = []
        for _, h in groups(tensors.activations):
            of_rows, whole = measures.row_norms(h)
            rows.extend(of_rows)
            norms.append(whole / np.sqrt(h.shape[-1] * h.shape[-2]))
        row["activation_rms"] = self._axis.joined(norms)
        if tensors.batch is None:
            return None
        return [measures.row_norms(tensors.batch[None])[0][0], *rows[:-1]]

    def _deltas(
        self, tensors: StepTensors, row: dict[str, Any], h_rows: list[Array] | None
    ) -> None:
        """Add ||delta|| and p = mean_i ||B delta_i|| ||h_i|| to the row.

        The loss is the batch's mean: B undoes it, so that p = sum_i ||delta_i|| ||h_i||.
        """
        if tensors.deltas is None:
            return
        rows: list[Array] = []
        norms = []
        for _, delta in groups(tensors.deltas):
            of_rows, whole = measures.row_norms(delta)
            rows.extend(of_rows)
            norms.append(whole)
        row["delta_norm"] = self._axis.joined(norms)
        if h_rows is not None:
            examples = [np.vecdot(delta, h) for delta, h in zip(rows, h_rows, strict=True)]
            row["per_example_grad_norm"] = np.stack(examples, axis=-1).reshape(self._axis.shape)

    def costly(self, tensors: StepTensors, revisited: bool = False) -> LayerRow:
        """Return the statistics that cost more than a norm.

        Parameters
        ----------
        revisited : bool
            Whether the tensors are those of the iteration before the newest.
        """
        age = 1 if revisited else 0
        gradients = tensors.gradients
        pairs = zip(groups(self._updates.of(age)), groups(gradients), strict=True)
        similarity = self._axis.each(measures.unit_similarity, tensors.weights)
        row: dict[str, Array | Partial] = {
            "grad_max": self._axis.each(measures.largest, gradients),
            "unit_similarity": only_where(self._fan_out > 1, similarity),
            "lost_fraction": self._axis.joined(
                measures.lost_fraction(update, gradient) for (_, update), (_, gradient) in pairs
            ),
            "grad_weight_cosine": self._grad_weight_cosine(tensors, revisited),
        }
        if tensors.second_moments is not None:
            means = self._axis.each(measures.mean, tensors.second_moments)
            row["second_moment_rms"] = np.sqrt(tensors.second_moment_scale * means)
        cosine = self._updates.cosine(age)
        if cosine is not None:
            row["update_cosine"] = cosine
        row |= self._of_activations(tensors)
        row |= self._of_slopes(tensors.slopes)
        histogram = self._histogram(gradients) if self._histograms else None
        return LayerRow(row, histogram=histogram)

    def _grad_weight_cosine(self, tensors: StepTensors, revisited: bool) -> Partial:
        """<G, W> / (||G|| ||W||); not recorded where one of them is 0."""
        pairs = zip(groups(tensors.gradients), groups(tensors.weights), strict=True)
        inner = self._axis.joined(
            measures.inner(gradient, weight) for (_, gradient), (_, weight) in pairs
        )
        if revisited or self._lengths is None:
            gradient = self._axis.each(measures.norm, tensors.gradients)
            weight = self._axis.each(measures.norm, tensors.weights)
        else:
            gradient, weight = self._lengths
        scale = gradient * weight
        return only_where(scale != 0, inner / scale)

    def _of_activations(self, tensors: StepTensors) -> dict[str, Array | Partial]:
        if tensors.activations is None:
            return {}
        stacks = groups(tensors.activations)
        centres = [measures.mean(h) for _, h in stacks]
        deviations = [measures.deviation(h, c) for (_, h), c in zip(stacks, centres, strict=True)]
        return {
            "activation_mean": self._axis.joined(centres),
            "activation_std": self._axis.joined(deviations),
        }

    def _of_slopes(self, slopes: Sequence[Array] | None) -> dict[str, Array | Partial]:
        """Say what share of units is dead and saturated; of the output, which is linear, none."""
        if slopes is None:
            return {}
        dead = self._axis.each(measures.dead_fraction, slopes)
        row: dict[str, Array | Partial] = {"dead_fraction": self._axis.with_output(dead, 0.0)}
        if all(bound is not None for bound in self._bounds[: len(slopes)]):
            row["saturated_fraction"] = self._axis.with_output(self._saturated(slopes), 0.0)
        return row

    def _saturated(self, slopes: Sequence[Array]) -> Array:
        values = []
        for layers, slope in groups(slopes):
            bound = np.array(self._bounds[layers], np.float64).reshape(-1, *[1] * (slope.ndim - 1))
            values.append(measures.saturated_fraction(slope, bound))
        return self._axis.joined(values)

    def _histogram(self, gradients: Sequence[Array]) -> Array:
        """Count the entries of each layer's gradient by powers of two, (S, L, bins)."""
        parts = [measures.power_histogram(gradient) for _, gradient in groups(gradients)]
        joined = np.concatenate(parts, axis=0)
        return joined.swapaxes(0, 1) if self._axis.stacked else joined[None]

    def steps(self, tensors: StepTensors, row: LayerRow) -> dict[str, Array]:
        """Return what the arrays say of the step as a whole, (S,) each; nothing of an engine's.

        `Derivations.steps_of_sums` makes these of an engine's sums when the rows are written.
        """
        if row.sums is not None:
            return {}
        return {
            "grad_norm": self._gradient_norm(tensors, row),
            "expected_decrease": self._expected_decrease(tensors),
        }

    def _expected_decrease(self, tensors: StepTensors) -> Array:
        """<G, W_before - W_after> over all parameters given: what the update should take off."""
        total = -self._updates.gradient_times_update.sum(axis=1)
        biases = tensors.bias_gradients, tensors.biases, tensors.biases_after
        if all(each is not None for each in biases):
            stacks = (groups(each) for each in biases if each is not None)
            for (_, gradient), (_, before), (_, after) in zip(*stacks, strict=True):
                total += measures.inner(gradient, before - after).sum(axis=0)
        others = (tensors.other_gradients, tensors.others, tensors.others_after)
        if all(each is not None for each in others):
            for gradient, before, after in zip(*(each or () for each in others), strict=True):
                total += measures.inner(gradient, before - after)
        return total

    def _gradient_norm(self, tensors: StepTensors, row: LayerRow) -> Array:
        """Return the norm of the gradient by all parameters given."""
        parts = [row.statistics["grad_norm"]]
        if tensors.bias_gradients is not None:
            parts.append(self._axis.each(measures.norm, tensors.bias_gradients))
        others = [measures.norm(gradient) for gradient in tensors.other_gradients or ()]
        parts += [np.reshape(norm, (self._axis.shape[0], 1)) for norm in others]
        return measures.total_norm(np.concatenate(parts, axis=1))

    def phases(self, loss: Array) -> list[str | None]:
        """Say for each replicate where the first non-finite number of this iteration appeared."""
        return self._nonfinite.phases(loss)
