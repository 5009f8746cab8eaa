"""Statistics that follow from others: made when rows are written, for many iterations at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradlab import measures
from gradlab.recorder import square_sums
from gradlab.recorder.layer_axis import LayerAxis
from gradlab.recorder.rows import LayerRow, Partial, only_where
from gradlab.recorder.square_sums import Sums

Array = np.ndarray


class Derivations:
    """Makes columns of sums of squares, and of other columns.

    Parameters
    ----------
    fan_out : ndarray (L,)
        How many units each layer has.
    """

    def __init__(self, axis: LayerAxis, fan_out: Array):
        self._axis, self._fan_out = axis, fan_out

    def of_sums(self, sums: Sequence[Sums]) -> dict[str, Array]:
        """Make the columns (T, S, L) that are roots of sums."""
        squares = np.stack([each.layers[: square_sums.DESCENT] for each in sums], axis=1)
        roots = np.sqrt(self._axis.turned(squares))
        batch_sizes = np.array([each.batch_size for each in sums])[:, None, None]
        entries = np.sqrt(self._fan_out * batch_sizes)
        examples = np.stack([each.examples for each in sums])
        columns = {
            "grad_norm": roots[square_sums.GRADIENT],
            "weight_norm": roots[square_sums.WEIGHT],
            "update_norm": roots[square_sums.UPDATE],
            "activation_rms": roots[square_sums.SIGNAL] / entries,
            "delta_norm": roots[square_sums.DELTA],
            "per_example_grad_norm": self._axis.turned(examples),
            "slope_rms": roots[square_sums.SLOPE] / entries,
            "nonfinite_count": np.zeros((len(sums), *self._axis.shape)),
        }
        columns["slope_rms"][..., -1] = 1.0  # the output layer is linear: phi' = 1
        return columns

    def steps_of_sums(self, sums: Sequence[Sums]) -> dict[str, Array]:
        """Make the columns of `steps`, (T, S), that follow from sums."""
        stacked = np.stack([each.layers for each in sums], axis=1)
        layers = self._axis.turned(stacked).sum(axis=-1)
        biases = np.stack([each.biases for each in sums], axis=1).reshape(2, len(sums), -1)
        return {
            "grad_norm": np.sqrt(layers[square_sums.GRADIENT] + biases[0]),
            "expected_decrease": -layers[square_sums.DESCENT] - biases[1],
        }

    def of_columns(
        self, columns: Mapping[str, Array], rows: Sequence[LayerRow]
    ) -> dict[str, Partial]:
        """Make the columns that follow from others.

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
            result["update_ratio"] = only_where(weight != 0, columns["update_norm"] / weight)
        backs = self._backs(rows)
        if backs is not None:
            result |= self._log_gains(columns, *backs)
        return result

    def _backs(self, rows: Sequence[LayerRow]) -> tuple[Array, Array | None] | None:
        """Return ||u|| and ||u phi'|| of many iterations (T, S, L), NaN where unknown.

        None where nothing is known of u, and None for the second where no row has it.
        """
        if all(row.sums is None and row.backs is None for row in rows):
            return None
        backs = np.full((len(rows), *self._axis.shape), np.nan)
        products = np.full_like(backs, np.nan)
        for k, row in enumerate(rows):
            if row.sums is not None:
                backs[k] = np.sqrt(self._axis.turned(row.sums.layers[square_sums.BACK]))
                backs[k, :, -1] = np.nan
            elif row.backs is not None:
                backs[k] = row.backs
            if row.products is not None:
                products[k] = row.products
        known = any(row.products is not None for row in rows)
        return backs, products if known else None

    def _log_gains(
        self, columns: Mapping[str, Array], backs: Array, products: Array | None
    ) -> dict[str, Partial]:
        """Make the terms of each step from layer l+1 to l.

        Where a modifier stands between u phi' and delta_l, its own term is
        ln(||delta_l|| / ||u phi'||).
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
        missing = columns["delta_norm"].shape[-1] - lower.shape[-1]
        last = np.full((*lower.shape[:-1], missing), np.nan)
        padded = {name: np.concatenate([gain, last], axis=-1) for name, gain in gains.items()}
        return {name: only_where(np.isfinite(gain), gain) for name, gain in padded.items()}
