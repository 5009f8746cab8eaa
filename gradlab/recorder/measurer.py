"""From the tensors of one iteration to a row of statistics: which measure makes which column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradlab import measures
from gradlab.layerstack import LayerStack, groups
from gradlab.recorder import square_sums
from gradlab.recorder.square_sums import SUMS, Sums

Array = np.ndarray
Tensors = Mapping[str, Any]
Row = dict[str, Any]  # of arrays (S, L), or pairs (array, defined)

PHASES = ("forward", "loss", "backward", "update")
BACK, PRODUCT = "||u||", "||u phi'||"  # of a row, but no columns: what the log gains are made of


class Measurer:
    """Measures one iteration after the other; keeps only the last three updates, for the cosines between them.

    A row is a dict of arrays (S, L), or of pairs (array, defined) where not every entry was recorded: null stands for
    what is not defined, NaN for a number that is none.
    """

    def __init__(
        self, layers: Sequence[Mapping[str, Any]], bounds: Sequence[float | None], replicates: int, stacked: bool
    ):
        self._bounds, self._stacked = bounds, stacked
        self._shape = replicates, len(layers)
        self._fan_out = np.array([layer["fan_out"] for layer in layers], np.float64)
        self._updates: list[Any] = [None] * 3  # the newest update first, a LayerStack where the weights are one
        self._update_norms = [np.full(self._shape, np.nan)] * 3
        self._gradient_times_update = np.zeros(self._shape)
        self._nonfinite: dict[str, Array] = {}
        self._kept: Sequence[Array] | None = None  # W after the last update, where it was to be kept

    def norms(self, tensors: Tensors, keep: bool = False) -> Row:
        """Return what is taken at every iteration, but for what `unfold` and `derived` make of it; keep the update.

        With `keep`, the next iteration is told what changed the weights between this update and that iteration.
        """
        outside = self._outside(tensors["weights"])
        self._kept = _copied(tensors["weights_after"]) if keep else None
        return self._norms(tensors) | outside

    def _outside(self, weights: Sequence[Array]) -> Row:
        """||W before this step - W after the step before||; nothing where that was not kept."""
        if self._kept is None:
            return {}
        pairs = zip(groups(weights), groups(self._kept), strict=True)
        return {"outside_update_norm": self._grouped(_distance(now, kept) for (_, now), (_, kept) in pairs)}

    def _norms(self, tensors: Tensors) -> Row:
        self._updates = [self._updates[-1], *self._updates[:-1]]
        if self._updates[0] is None:
            self._updates[0] = _empty_like(tensors["weights"])
        newest: Any = self._updates[0]
        sums = square_sums.take(tensors, newest) if square_sums.of_an_engine(tensors) else None
        if sums is not None:
            self._nonfinite = {}
            self._update_norms = [np.sqrt(self._turned(sums.layers[square_sums.UPDATE])), *self._update_norms[:-1]]
            return {SUMS: sums}
        row = self._update(tensors)
        h_rows = self._activations(tensors, row)
        self._deltas(tensors, row, h_rows)
        if "slopes" in tensors:
            row["slope_rms"] = self._with_output(self._each(_rms, tensors["slopes"]), 1.0)
        if "backs" in tensors and {"slope_rms", "delta_norm"} <= row.keys():
            row[BACK] = self._with_output(self._each(measures.norm, tensors["backs"]), np.nan)
            if "products" in tensors:
                row[PRODUCT] = self._with_output(self._each(measures.norm, tensors["products"]), np.nan)
        row["nonfinite_count"] = self._count_nonfinite(tensors, row)
        self._update_norms = [row["update_norm"], *self._update_norms[:-1]]
        return row

    def unfold(self, sums: Sequence[Sums]) -> dict[str, Array]:
        """Make columns (T, S, L) of the sums of many iterations at once."""
        roots = np.sqrt(self._turned(np.stack([each.layers[: square_sums.DESCENT] for each in sums], axis=1)))
        entries = np.sqrt(self._fan_out * np.array([each.batch_size for each in sums])[:, None, None])
        columns = {
            "grad_norm": roots[square_sums.GRADIENT],
            "weight_norm": roots[square_sums.WEIGHT],
            "update_norm": roots[square_sums.UPDATE],
            "activation_rms": roots[square_sums.SIGNAL] / entries,
            "delta_norm": roots[square_sums.DELTA],
            "per_example_grad_norm": self._turned(np.stack([each.examples for each in sums])),
            "slope_rms": roots[square_sums.SLOPE] / entries,
            BACK: roots[square_sums.BACK],
            "nonfinite_count": np.zeros((len(sums), *self._shape)),
        }
        columns["slope_rms"][..., -1] = 1.0
        columns[BACK][..., -1] = np.nan
        return columns

    def _turned(self, values: Array) -> Array:
        """From (..., layers, S), or (..., layers) without replicates, to (..., S, layers)."""
        return values.swapaxes(-1, -2) if self._stacked else values[..., None, :]

    def derived(self, columns: Mapping[str, Array]) -> dict[str, tuple[Array, Array]]:
        """Make the columns that follow from others, for many iterations at once.

        Parameters
        ----------
        columns : mapping of str to ndarray (T, S, L)
            NaN where nothing was recorded.

        Returns
        -------
        dict of str to (values, defined)
        """
        result = {}
        if {"update_norm", "weight_norm"} <= columns.keys():
            weight = columns["weight_norm"]
            result["update_ratio"] = _only_where(weight != 0, columns["update_norm"] / weight)
        if BACK in columns:
            result |= self._log_gains(columns)
        return result

    def costly(self, tensors: Tensors, revisited: bool = False) -> Row:
        """Return the statistics that cost more than a norm; `revisited`: of the iteration before the newest update."""
        age = 1 if revisited else 0
        row = {
            "grad_max": self._each(measures.largest, tensors["gradients"]),
            "unit_similarity": _only_where(self._fan_out > 1, self._each(measures.unit_similarity, tensors["weights"])),
            "lost_fraction": self._grouped(
                measures.lost_fraction(update, gradient)
                for (_, update), (_, gradient) in zip(
                    groups(self._updates[age]), groups(tensors["gradients"]), strict=True
                )
            ),
        }
        row["grad_weight_cosine"] = self._grad_weight_cosine(tensors)
        if "second_moments" in tensors:
            scale = tensors.get("second_moment_scale", 1.0)
            row["second_moment_rms"] = np.sqrt(scale * self._each(measures.mean, tensors["second_moments"]))
        if self._updates[age + 1] is not None:
            row["update_cosine"] = self._update_cosine(age)
        if "activations" in tensors:
            centres = [measures.mean(h) for _, h in groups(tensors["activations"])]
            row["activation_mean"] = self._grouped(centres)
            row["activation_std"] = self._grouped(
                measures.deviation(h, centre)
                for (_, h), centre in zip(groups(tensors["activations"]), centres, strict=True)
            )
        if "slopes" in tensors:
            slopes = tensors["slopes"]
            row["dead_fraction"] = self._with_output(self._each(measures.dead_fraction, slopes), 0.0)
            if all(bound is not None for bound in self._bounds[: len(slopes)]):
                row["saturated_fraction"] = self._with_output(self._saturated(slopes), 0.0)
        return row

    def unfold_steps(self, sums: Sequence[Sums]) -> dict[str, Array]:
        """Make columns of `steps`, (T, S), of the sums of many iterations at once."""
        layers = self._turned(np.stack([each.layers for each in sums], axis=1)).sum(axis=-1)
        biases = np.stack([each.biases for each in sums], axis=1).reshape(2, len(sums), -1)
        return {
            "grad_norm": np.sqrt(layers[square_sums.GRADIENT] + biases[0]),
            "expected_decrease": -layers[square_sums.DESCENT] - biases[1],
        }

    def expected_decrease(self, tensors: Tensors) -> Array:
        """<G, W_before - W_after> over all parameters given, (S,): what this update should take off the loss."""
        total = -self._gradient_times_update.sum(axis=1)
        if {"bias_gradients", "biases", "biases_after"} <= tensors.keys():
            stacks = (groups(tensors[name]) for name in ("bias_gradients", "biases", "biases_after"))
            for (_, gradient), (_, before), (_, after) in zip(*stacks, strict=True):
                total += measures.inner(gradient, before - after).sum(axis=0)
        others = (tensors.get(name, ()) for name in ("other_gradients", "others", "others_after"))
        for gradient, before, after in zip(*others, strict=True):
            total += measures.inner(gradient, before - after)
        return total

    def gradient_norm(self, tensors: Tensors, row: Row) -> Array:
        """Return the norm of the gradient by all parameters given, (S,)."""
        parts = [row["grad_norm"]]
        if "bias_gradients" in tensors:
            parts.append(self._each(measures.norm, tensors["bias_gradients"]))
        others = [measures.norm(gradient) for gradient in tensors.get("other_gradients", ())]
        parts += [np.reshape(norm, (self._shape[0], 1)) for norm in others]
        return measures.total_norm(np.concatenate(parts, axis=1))

    def phases(self, loss: Array) -> list[str | None]:
        """For each replicate, where a non-finite number appeared first in this iteration; None where nowhere."""
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
        return [next((p for p, hit in zip(PHASES, found, strict=True) if hit[k]), None) for k in range(self._shape[0])]

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
        """Complete a statistic of the hidden layers by the output layer's: linear, so phi' = 1 everywhere."""
        missing = self._shape[1] - values.shape[1]
        return np.concatenate([values, np.full((self._shape[0], missing), output)], axis=1)

    def _activations(self, tensors: Tensors, row: Row) -> list[Array] | None:
        """Add activation_rms; return ||h_{l-1,i}|| of what each layer reads, where the batch is known too."""
        if "activations" not in tensors:
            return None
        rows: list[Array] = []
        norms = []
        for _, h in groups(tensors["activations"]):
            of_rows, whole = measures.row_norms(h)
            rows.extend(of_rows)
            norms.append(whole / np.sqrt(h.shape[-1] * h.shape[-2]))
        row["activation_rms"] = self._grouped(norms)
        if "batch" not in tensors:
            return None
        return [measures.row_norms(tensors["batch"][None])[0][0], *rows[:-1]]

    def _deltas(self, tensors: Tensors, row: Row, h_rows: list[Array] | None) -> None:
        """Add ||delta|| and p = mean_i ||B delta_i|| ||h_i|| = sum_i ||delta_i|| ||h_i||: B undoes the mean."""
        if "deltas" not in tensors:
            return
        rows: list[Array] = []
        norms = []
        for _, delta in groups(tensors["deltas"]):
            of_rows, whole = measures.row_norms(delta)
            rows.extend(of_rows)
            norms.append(whole)
        row["delta_norm"] = self._grouped(norms)
        if h_rows is not None:
            examples = [np.vecdot(delta, h) for delta, h in zip(rows, h_rows, strict=True)]
            row["per_example_grad_norm"] = np.stack(examples, axis=-1).reshape(self._shape)

    def _log_gains(self, columns: Mapping[str, Array]) -> dict[str, tuple[Array, Array]]:
        """Make the four terms of each step, and where a block follows them, its own: ln(||delta|| / ||u phi'||)."""
        lower = columns["delta_norm"][..., :-1]
        ends = columns[PRODUCT][..., :-1] if PRODUCT in columns else lower
        gains = measures.log_gains(
            weight_norm=columns["weight_norm"][..., 1:],
            fan_out=self._fan_out[1:],
            back=columns[BACK][..., :-1],
            slope=columns["slope_rms"][..., :-1],
            upper=columns["delta_norm"][..., 1:],
            lower=ends,
        )
        if PRODUCT in columns:
            gains["log_gain_block"] = np.log(lower) - np.log(ends)
        last = np.full((*lower.shape[:-1], columns["delta_norm"].shape[-1] - lower.shape[-1]), np.nan)
        padded = {name: np.concatenate([gain, last], axis=-1) for name, gain in gains.items()}
        return {name: _only_where(np.isfinite(gain), gain) for name, gain in padded.items()}

    def _update(self, tensors: Tensors) -> Row:
        """Measure gradient, weight and update; keep W_after - W_before, rounded as it was, in the oldest buffers."""
        stacks = (groups(tensors[name]) for name in ("gradients", "weights", "weights_after"))
        measured = [
            measures.of_update(gradient, before, after, update)
            for (_, gradient), (_, before), (_, after), (_, update) in zip(
                *stacks, groups(self._updates[0]), strict=True
            )
        ]
        grad_norm, weight_norm, update_norm, inner = (self._grouped(part) for part in zip(*measured, strict=True))
        self._gradient_times_update = inner
        return {"grad_norm": grad_norm, "weight_norm": weight_norm, "update_norm": update_norm}

    def _grad_weight_cosine(self, tensors: Tensors) -> tuple[Array, Array]:
        """<G, W> / (||G|| ||W||); not recorded where one of them is 0."""
        values, lengths = [], []
        for (_, gradient), (_, weight) in zip(groups(tensors["gradients"]), groups(tensors["weights"]), strict=True):
            norms = measures.norm(gradient), measures.norm(weight)
            values.append(measures.cosine(gradient, weight, *norms))
            lengths.append(np.minimum(*norms))
        return _only_where(self._grouped(lengths) != 0, self._grouped(values))

    def _update_cosine(self, age: int) -> tuple[Array, Array]:
        newest, last = self._update_norms[age : age + 2]
        norms = (newest, last) if self._stacked else (newest[0], last[0])
        values, start = [], 0
        for (_, one), (_, other) in zip(*map(groups, self._updates[age : age + 2]), strict=True):
            layers = slice(start, start := start + len(one))
            values.append(measures.cosine(one, other, *(np.ascontiguousarray(n[..., layers].T) for n in norms)))
        return _only_where((newest > 0) & (last > 0), self._grouped(values))

    def _saturated(self, slopes: Sequence[Array]) -> Array:
        values = []
        for layers, slope in groups(slopes):
            bound = np.array(self._bounds[layers], np.float64).reshape(-1, *[1] * (slope.ndim - 1))
            values.append(measures.saturated_fraction(slope, bound))
        return self._grouped(values)

    def _count_nonfinite(self, tensors: Tensors, row: Mapping[str, Any]) -> Array:
        """Count NaN and inf over z, delta, G and W_after; a finite norm proves that there is none to count."""
        clean = {
            "gradients": np.isfinite(row["grad_norm"]),
            "weights_after": np.isfinite(row["update_norm"]) & np.isfinite(row["weight_norm"]),
        }
        if "deltas" in tensors:
            clean["deltas"] = np.isfinite(row["delta_norm"])
        if "preactivations" in tensors and not self._bounded(tensors, row):
            clean["preactivations"] = np.isfinite(self._each(measures.norm, tensors["preactivations"]))
        zero = np.zeros(self._shape)
        self._nonfinite = {
            name: zero if finite.all() else self._each(measures.nonfinite_count, tensors[name])
            for name, finite in clean.items()
        }
        return np.sum(list(self._nonfinite.values()), axis=0)

    def _bounded(self, tensors: Tensors, row: Mapping[str, Any]) -> bool:
        """Whether |z_l| <= ||h_{l-1}|| ||W_l|| + ||b_l|| proves every z finite, so that none need be counted."""
        if not {"batch", "activations", "biases"} <= tensors.keys():
            return False
        if not isinstance(tensors["preactivations"], LayerStack):  # only the engine vouches for z = h W + b
            return False
        batch = tensors["batch"]
        roots = [batch.shape[-2] * batch.shape[-1], *(h.shape[-2] * h.shape[-1] for h in tensors["activations"][:-1])]
        norms = np.concatenate([self._grouped([measures.norm(batch[None])]), row["activation_rms"][:, :-1]], axis=1)
        norms[:, 1:] *= np.sqrt(roots[1:])
        bound = norms * row["weight_norm"] + self._each(measures.norm, tensors["biases"])
        return bool((bound < np.finfo(batch.dtype).max / 16).all())  # NaN compares as False


def _empty_like(weights: Sequence[Array]) -> Sequence[Array]:
    """Make room for an update of these weights, side by side where they are."""
    if isinstance(weights, LayerStack):
        return LayerStack([weight.shape for weight in weights], weights.flat.dtype)
    return [np.empty_like(weight, order="C") for weight in weights]


def _copied(weights: Sequence[Array]) -> Sequence[Array]:
    copy = _empty_like(weights)
    if isinstance(weights, LayerStack):
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


def _only_where(defined: Array, values: Array) -> tuple[Array, Array]:
    """Pair values with where they are defined; a quotient by 0, or the logarithm of one, counts as not recorded."""
    return values, np.broadcast_to(defined, values.shape)
