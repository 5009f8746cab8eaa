"""From the tensors of one iteration to a row of statistics: which measure makes which column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradlab import measures
from gradlab.layerstack import LayerStack, groups
from gradlab.recorder import square_sums
from gradlab.recorder.inputs import StepTensors
from gradlab.recorder.rows import PHASES, LayerRow, Partial
from gradlab.recorder.square_sums import Sums

Array = np.ndarray


class Measurer:
    """Measures one iteration after the other; keeps only the last three updates, for the cosines
    between them.

    Parameters
    ----------
    bounds : sequence of (float or None)
        The largest slope of each layer's activation.
    stacked : bool
        Whether arrays carry a replicate axis.
    histograms : bool
        Whether to take the gradients' histograms among the costly statistics.
    """

    def __init__(
        self,
        layers: Sequence[Mapping[str, Any]],
        bounds: Sequence[float | None],
        replicates: int,
        stacked: bool,
        histograms: bool = False,
    ):
        self._histograms = histograms
        self._bounds, self._stacked = bounds, stacked
        self._shape = replicates, len(layers)
        self._fan_out = np.array([layer["fan_out"] for layer in layers], np.float64)
        self._updates: list[Any] = [
            None
        ] * 3  # the newest update first, a LayerStack where the weights are one
        self._update_norms = [np.full(self._shape, np.nan)] * 3
        self._gradient_times_update = np.zeros(self._shape)
        self._nonfinite: dict[str, Array] = {}
        self._copy: Sequence[Array] | None = None  # room for W after an update
        self._kept = False  # whether it holds W after the last one
        self._lengths: tuple[Array, Array] | None = None  # ||G|| and ||W|| of the newest iteration

    def norms(self, tensors: StepTensors, keep: bool = False) -> LayerRow:
        """Return what is taken at every iteration, but for what `unfold` and `derived` make of it;
        keep the update.

        With `keep`, the next iteration is told what changed the weights between this update and
        that iteration.
        """
        outside = self._outside(tensors.weights)
        self._kept = keep
        if keep:
            self._copy = _copied(tensors.weights_after, self._copy)
        row = self._norms(tensors)
        if outside is not None:
            row.statistics["outside_update_norm"] = outside
        return row

    def _outside(self, weights: Sequence[Array]) -> Array | None:
        """||W before this step - W after the step before||; nothing where that was not kept."""
        if self._copy is None or not self._kept:
            return None
        pairs = zip(groups(weights), groups(self._copy), strict=True)
        return self._grouped(_distance(now, kept) for (_, now), (_, kept) in pairs)

    def _norms(self, tensors: StepTensors) -> LayerRow:
        self._updates = [self._updates[-1], *self._updates[:-1]]
        if self._updates[0] is None:
            self._updates[0] = _empty_like(tensors.weights)
        newest: Any = self._updates[0]
        sums = square_sums.take(tensors, newest) if square_sums.of_an_engine(tensors) else None
        if sums is not None:
            self._nonfinite = {}
            norms = np.sqrt(self._turned(sums.layers[: square_sums.UPDATE + 1]))
            self._lengths = norms[square_sums.GRADIENT], norms[square_sums.WEIGHT]
            self._update_norms = [norms[square_sums.UPDATE], *self._update_norms[:-1]]
            return LayerRow(sums=sums)
        row = self._update(tensors)
        self._lengths = row["grad_norm"], row["weight_norm"]
        h_rows = self._activations(tensors, row)
        self._deltas(tensors, row, h_rows)
        result = LayerRow(row)
        if tensors.slopes is not None:
            row["slope_rms"] = self._with_output(self._each(_rms, tensors.slopes), 1.0)
        if tensors.backs is not None and {"slope_rms", "delta_norm"} <= row.keys():
            result.backs = self._with_output(self._each(measures.norm, tensors.backs), np.nan)
            if tensors.products is not None:
                norms = self._each(measures.norm, tensors.products)
                result.products = self._with_output(norms, np.nan)
        row["nonfinite_count"] = self._count_nonfinite(tensors, row)
        self._update_norms = [row["update_norm"], *self._update_norms[:-1]]
        return result

    def unfold(self, sums: Sequence[Sums]) -> dict[str, Array]:
        """Make columns (T, S, L) of the sums of many iterations at once."""
        roots = np.sqrt(
            self._turned(np.stack([each.layers[: square_sums.DESCENT] for each in sums], axis=1))
        )
        entries = np.sqrt(
            self._fan_out * np.array([each.batch_size for each in sums])[:, None, None]
        )
        columns = {
            "grad_norm": roots[square_sums.GRADIENT],
            "weight_norm": roots[square_sums.WEIGHT],
            "update_norm": roots[square_sums.UPDATE],
            "activation_rms": roots[square_sums.SIGNAL] / entries,
            "delta_norm": roots[square_sums.DELTA],
            "per_example_grad_norm": self._turned(np.stack([each.examples for each in sums])),
            "slope_rms": roots[square_sums.SLOPE] / entries,
            "nonfinite_count": np.zeros((len(sums), *self._shape)),
        }
        columns["slope_rms"][..., -1] = 1.0
        return columns

    def _backs(self, rows: Sequence[LayerRow]) -> tuple[Array, Array | None] | None:
        """Return ||u|| and ||u phi'|| of many iterations (T, S, L), NaN where unknown; None where
        they are nowhere.
        """
        backs = np.full((len(rows), *self._shape), np.nan)
        products, known = np.full_like(backs, np.nan), False
        for k, row in enumerate(rows):
            if row.sums is not None:
                backs[k] = np.sqrt(self._turned(row.sums.layers[square_sums.BACK]))
                backs[k, :, -1] = np.nan
            elif row.backs is not None:
                backs[k] = row.backs
            if row.products is not None:
                products[k], known = row.products, True
        if all(row.sums is None and row.backs is None for row in rows):
            return None
        return backs, products if known else None

    def _turned(self, values: Array) -> Array:
        """From (..., layers, S), or (..., layers) without replicates, to (..., S, layers)."""
        return values.swapaxes(-1, -2) if self._stacked else values[..., None, :]

    def derived(self, columns: Mapping[str, Array], rows: Sequence[LayerRow]) -> dict[str, Partial]:
        """Make the columns that follow from others, for many iterations at once.

        Parameters
        ----------
        columns : mapping of str to ndarray (T, S, L)
            NaN where nothing was recorded.
        rows : sequence of LayerRow
            The same iterations as they were measured.
        """
        result = {}
        if {"update_norm", "weight_norm"} <= columns.keys():
            weight = columns["weight_norm"]
            result["update_ratio"] = _only_where(weight != 0, columns["update_norm"] / weight)
        backs = self._backs(rows)
        if backs is not None:
            result |= self._log_gains(columns, *backs)
        return result

    def costly(self, tensors: StepTensors, revisited: bool = False) -> LayerRow:
        """Return the statistics that cost more than a norm; `revisited`: of the iteration before
        the newest update.
        """
        age = 1 if revisited else 0
        gradients = tensors.gradients
        pairs = zip(groups(self._updates[age]), groups(gradients), strict=True)
        similarity = self._each(measures.unit_similarity, tensors.weights)
        row: dict[str, Array | Partial] = {
            "grad_max": self._each(measures.largest, gradients),
            "unit_similarity": _only_where(self._fan_out > 1, similarity),
            "lost_fraction": self._grouped(
                measures.lost_fraction(update, gradient) for (_, update), (_, gradient) in pairs
            ),
            "grad_weight_cosine": self._grad_weight_cosine(tensors, revisited),
        }
        if tensors.second_moments is not None:
            means = self._each(measures.mean, tensors.second_moments)
            row["second_moment_rms"] = np.sqrt(tensors.second_moment_scale * means)
        if self._updates[age + 1] is not None:
            row["update_cosine"] = self._update_cosine(age)
        row |= self._of_activations(tensors)
        row |= self._of_slopes(tensors.slopes)
        result = LayerRow(row)
        if self._histograms:
            result.histogram = self._histogram(gradients)
        return result

    def _of_activations(self, tensors: StepTensors) -> dict[str, Array | Partial]:
        if tensors.activations is None:
            return {}
        stacks = groups(tensors.activations)
        centres = [measures.mean(h) for _, h in stacks]
        deviations = [measures.deviation(h, c) for (_, h), c in zip(stacks, centres, strict=True)]
        return {
            "activation_mean": self._grouped(centres),
            "activation_std": self._grouped(deviations),
        }

    def _of_slopes(self, slopes: Sequence[Array] | None) -> dict[str, Array | Partial]:
        if slopes is None:
            return {}
        dead = self._each(measures.dead_fraction, slopes)
        row: dict[str, Array | Partial] = {"dead_fraction": self._with_output(dead, 0.0)}
        if all(bound is not None for bound in self._bounds[: len(slopes)]):
            row["saturated_fraction"] = self._with_output(self._saturated(slopes), 0.0)
        return row

    def _histogram(self, gradients: Sequence[Array]) -> Array:
        """Count the entries of each layer's gradient by powers of two, (S, L, bins)."""
        parts = [measures.power_histogram(gradient) for _, gradient in groups(gradients)]
        joined = np.concatenate(parts, axis=0)
        return joined.swapaxes(0, 1) if self._stacked else joined[None]

    def unfold_steps(self, sums: Sequence[Sums]) -> dict[str, Array]:
        """Make columns of `steps`, (T, S), of the sums of many iterations at once."""
        layers = self._turned(np.stack([each.layers for each in sums], axis=1)).sum(axis=-1)
        biases = np.stack([each.biases for each in sums], axis=1).reshape(2, len(sums), -1)
        return {
            "grad_norm": np.sqrt(layers[square_sums.GRADIENT] + biases[0]),
            "expected_decrease": -layers[square_sums.DESCENT] - biases[1],
        }

    def expected_decrease(self, tensors: StepTensors) -> Array:
        """<G, W_before - W_after> over all parameters given, (S,): what this update should take off
        the loss.
        """
        total = -self._gradient_times_update.sum(axis=1)
        biases = tensors.bias_gradients, tensors.biases, tensors.biases_after
        if all(each is not None for each in biases):
            stacks = (groups(each) for each in biases if each is not None)
            for (_, gradient), (_, before), (_, after) in zip(*stacks, strict=True):
                total += measures.inner(gradient, before - after).sum(axis=0)
        others = (tensors.other_gradients, tensors.others, tensors.others_after)
        for gradient, before, after in zip(*(each or () for each in others), strict=True):
            total += measures.inner(gradient, before - after)
        return total

    def gradient_norm(self, tensors: StepTensors, row: LayerRow) -> Array:
        """Return the norm of the gradient by all parameters given, (S,)."""
        parts = [row.statistics["grad_norm"]]
        if tensors.bias_gradients is not None:
            parts.append(self._each(measures.norm, tensors.bias_gradients))
        others = [measures.norm(gradient) for gradient in tensors.other_gradients or ()]
        parts += [np.reshape(norm, (self._shape[0], 1)) for norm in others]
        return measures.total_norm(np.concatenate(parts, axis=1))

    def phases(self, loss: Array) -> list[str | None]:
        """For each replicate, where a non-finite number appeared first in this iteration; None
        where nowhere.
        """
        finite = np.isfinite(loss)
        if not self._nonfinite and finite.all():
            return [None] * self._shape[0]
        counts = {name: array.sum(axis=1) for name, array in self._nonfinite.items()}
        none = np.zeros(self._shape[0])
        found = (
            counts.get("preactivations", none) > 0,
            ~finite,
            counts.get("deltas", none) + counts.get("gradients", none) > 0,
            counts.get("weights_after", none) > 0,
        )
        return [
            next((p for p, hit in zip(PHASES, found, strict=True) if hit[k]), None)
            for k in range(self._shape[0])
        ]

    def _each(self, measure: Callable[[Array], Array], stack: Sequence[Array]) -> Array:
        """Apply a measure to every layer, equal neighbours in one call; return (S, layers)."""
        return self._grouped(measure(array) for _, array in groups(stack))

    def _grouped(self, values) -> Array:
        """Join the measures of groups of layers, each (layers,) or (layers, S), to (S, layers)."""
        parts = list(values)
        if not parts:  # of the hidden layers, where there are none
            return np.empty((self._shape[0], 0))
        joined = np.concatenate(parts, axis=0)
        return joined.T if self._stacked else joined[None]

    def _with_output(self, values: Array, output: float) -> Array:
        """Complete a statistic of the hidden layers by the output layer's: linear, so phi' = 1
        everywhere.
        """
        missing = self._shape[1] - values.shape[1]
        return np.concatenate([values, np.full((self._shape[0], missing), output)], axis=1)

    def _activations(self, tensors: StepTensors, row: dict[str, Any]) -> list[Array] | None:
        """Add activation_rms; return ||h_{l-1,i}|| of what each layer reads, where the batch is
        known too.
        """
        if tensors.activations is None:
            return None
        rows: list[Array] = []
        norms = []
        for _, h in groups(tensors.activations):
            of_rows, whole = measures.row_norms(h)
            rows.extend(of_rows)
            norms.append(whole / np.sqrt(h.shape[-1] * h.shape[-2]))
        row["activation_rms"] = self._grouped(norms)
        if tensors.batch is None:
            return None
        return [measures.row_norms(tensors.batch[None])[0][0], *rows[:-1]]

    def _deltas(
        self, tensors: StepTensors, row: dict[str, Any], h_rows: list[Array] | None
    ) -> None:
        """Add ||delta|| and p = mean_i ||B delta_i|| ||h_i|| = sum_i ||delta_i|| ||h_i||: B undoes
        the mean.
        """
        if tensors.deltas is None:
            return
        rows: list[Array] = []
        norms = []
        for _, delta in groups(tensors.deltas):
            of_rows, whole = measures.row_norms(delta)
            rows.extend(of_rows)
            norms.append(whole)
        row["delta_norm"] = self._grouped(norms)
        if h_rows is not None:
            examples = [np.vecdot(delta, h) for delta, h in zip(rows, h_rows, strict=True)]
            row["per_example_grad_norm"] = np.stack(examples, axis=-1).reshape(self._shape)

    def _log_gains(
        self, columns: Mapping[str, Array], backs: Array, products: Array | None
    ) -> dict[str, Partial]:
        """Make the four terms of each step, and where a modifier follows, its own: ln(||delta|| /
        ||u phi'||).
        """
        lower = columns["delta_norm"][..., :-1]
        ends = lower if products is None else products[..., :-1]
        gains = measures.log_gains(
            weight_norm=columns["weight_norm"][..., 1:],
            fan_out=self._fan_out[1:],
            back=backs[..., :-1],
            slope=columns["slope_rms"][..., :-1],
            upper=columns["delta_norm"][..., 1:],
            lower=ends,
        )
        if products is not None:
            gains["log_gain_block"] = np.log(lower) - np.log(ends)
        last = np.full(
            (*lower.shape[:-1], columns["delta_norm"].shape[-1] - lower.shape[-1]), np.nan
        )
        padded = {name: np.concatenate([gain, last], axis=-1) for name, gain in gains.items()}
        return {name: _only_where(np.isfinite(gain), gain) for name, gain in padded.items()}

    def _update(self, tensors: StepTensors) -> dict[str, Any]:
        """Measure gradient, weight and update; keep W_after - W_before, rounded as it was, in the
        oldest buffers.
        """
        given = tensors.gradients, tensors.weights, tensors.weights_after
        stacks = (groups(each) for each in given)
        measured = [
            measures.of_update(gradient, before, after, update)
            for (_, gradient), (_, before), (_, after), (_, update) in zip(
                *stacks, groups(self._updates[0]), strict=True
            )
        ]
        grad_norm, weight_norm, update_norm, inner = (
            self._grouped(part) for part in zip(*measured, strict=True)
        )
        self._gradient_times_update = inner
        return {"grad_norm": grad_norm, "weight_norm": weight_norm, "update_norm": update_norm}

    def _grad_weight_cosine(self, tensors: StepTensors, revisited: bool) -> Partial:
        """<G, W> / (||G|| ||W||); not recorded where one of them is 0."""
        pairs = zip(groups(tensors.gradients), groups(tensors.weights), strict=True)
        inner = self._grouped(
            measures.inner(gradient, weight) for (_, gradient), (_, weight) in pairs
        )
        if revisited or self._lengths is None:
            lengths = [self._each(measures.norm, x) for x in (tensors.gradients, tensors.weights)]
        else:
            lengths = self._lengths
        scale = lengths[0] * lengths[1]
        return _only_where(scale != 0, inner / scale)

    def _update_cosine(self, age: int) -> Partial:
        newest, last = self._update_norms[age : age + 2]
        norms = (newest, last) if self._stacked else (newest[0], last[0])
        values, start = [], 0
        for (_, one), (_, other) in zip(*map(groups, self._updates[age : age + 2]), strict=True):
            layers = slice(start, start := start + len(one))
            values.append(
                measures.cosine(
                    one, other, *(np.ascontiguousarray(n[..., layers].T) for n in norms)
                )
            )
        return _only_where((newest > 0) & (last > 0), self._grouped(values))

    def _saturated(self, slopes: Sequence[Array]) -> Array:
        values = []
        for layers, slope in groups(slopes):
            bound = np.array(self._bounds[layers], np.float64).reshape(-1, *[1] * (slope.ndim - 1))
            values.append(measures.saturated_fraction(slope, bound))
        return self._grouped(values)

    def _count_nonfinite(self, tensors: StepTensors, row: Mapping[str, Any]) -> Array:
        """Count NaN and inf over z, delta, G and W_after; a finite norm proves that there is none
        to count.
        """
        clean = {
            "gradients": np.isfinite(row["grad_norm"]),
            "weights_after": np.isfinite(row["update_norm"]) & np.isfinite(row["weight_norm"]),
        }
        if tensors.deltas is not None:
            clean["deltas"] = np.isfinite(row["delta_norm"])
        if tensors.preactivations is not None and not self._bounded(tensors, row):
            norms = self._each(measures.norm, tensors.preactivations)
            clean["preactivations"] = np.isfinite(norms)
        zero = np.zeros(self._shape)
        self._nonfinite = {
            name: zero
            if finite.all()
            else self._each(measures.nonfinite_count, getattr(tensors, name))
            for name, finite in clean.items()
        }
        return np.sum(list(self._nonfinite.values()), axis=0)

    def _bounded(self, tensors: StepTensors, row: Mapping[str, Any]) -> bool:
        """Whether |z_l| <= ||h_{l-1}|| ||W_l|| + ||b_l|| proves every z finite, so that none need
        be counted.
        """
        batch, activations, biases = tensors.batch, tensors.activations, tensors.biases
        if batch is None or activations is None or biases is None:
            return False
        if not isinstance(
            tensors.preactivations, LayerStack
        ):  # only the engine vouches for z = h W + b
            return False
        roots = [
            batch.shape[-2] * batch.shape[-1],
            *(h.shape[-2] * h.shape[-1] for h in activations[:-1]),
        ]
        first = self._grouped([measures.norm(batch[None])])
        norms = np.concatenate([first, row["activation_rms"][:, :-1]], axis=1)
        norms[:, 1:] *= np.sqrt(roots[1:])
        bound = norms * row["weight_norm"] + self._each(measures.norm, biases)
        return bool((bound < np.finfo(batch.dtype).max / 16).all())  # NaN compares as False


def _empty_like(weights: Sequence[Array]) -> Sequence[Array]:
    """Make room for an update of these weights, side by side where they are."""
    if isinstance(weights, LayerStack):
        return LayerStack([weight.shape for weight in weights], weights.flat.dtype)
    return [np.empty_like(weight, order="C") for weight in weights]


def _copied(weights: Sequence[Array], room: Sequence[Array] | None) -> Sequence[Array]:
    """Copy weights into the room there is, or into new one."""
    copy = _empty_like(weights) if room is None else room
    if isinstance(weights, LayerStack) and isinstance(copy, LayerStack):
        copy.flat[:] = weights.flat
    else:
        for target, weight in zip(copy, weights, strict=True):
            target[...] = weight
    return copy


def _distance(x: Array, y: Array) -> Array:
    """||x - y|| over the last two axes."""
    if np.array_equal(x, y):  # nearly always, and ten times as fast
        return np.zeros(x.shape[:-2])
    return measures.norm(x - y)


def _rms(x: Array) -> Array:
    return measures.norm(x) / np.sqrt(x.shape[-1] * x.shape[-2])


def _only_where(defined: Array, values: Array) -> Partial:
    """Pair values with where they are defined; a quotient by 0, or the logarithm of one, counts as
    not recorded.
    """
    return Partial(values, np.broadcast_to(defined, values.shape))
