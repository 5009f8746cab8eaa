"""From what was measured to the columns of a Run, many iterations at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradlab import measures
from gradlab.adapters.torch.columns import (
    counted,
    first_known,
    flat,
    masked,
    root,
    taken,
    unscaled,
)
from gradlab.adapters.torch.distributed import Ranks
from gradlab.adapters.torch.ledger import Column
from gradlab.adapters.torch.net_columns import of_blocks, of_steps
from gradlab.adapters.torch.numbers import OF_BLOCKS, OF_MODULES
from gradlab.adapters.torch.observe.wiring import Wiring
from gradlab.adapters.torch.phases import phases
from gradlab.adapters.torch.rows import Row

Array = np.ndarray

# Taken before a fused optimizer divides by the scale.
OF_GRADIENT = ("grad_norm", "after_norm")
# What is recorded of a bias, the scale of a norm, or a bare parameter.
OF_VECTORS = {
    "grad_norm", "weight_norm", "update_norm", "update_ratio", "outside_update_norm",
    "lost_fraction", "nonfinite_count",
}  # fmt: skip


@dataclass(frozen=True)
class Assembled:
    """Iterations as a Recorder takes them.

    Attributes
    ----------
    columns : dict of str to masked array (T, L)
    steps : dict of str to masked array (T,)
    phases : list of (str or None)
        Where a non-finite number appeared first, in any process.
    blocks : dict of str to masked array (T, B)
    histograms : (ndarray (n,), ndarray (n, L, bins)) or None
        Which iterations have any, and the entries of each gradient by powers of two.
    """

    columns: dict[str, np.ma.MaskedArray]
    steps: dict[str, np.ma.MaskedArray]
    phases: list[str | None]
    blocks: dict[str, np.ma.MaskedArray]
    histograms: tuple[Array, Array] | None


class Assembler:
    """Makes the rows of a Run from numbers by parameter and by module.

    Parameters
    ----------
    rows : sequence of Row
        The layers, first one first.
    numbers : ndarray (L,)
        Of each layer's parameter; -1 where it is not trained.
    parameters : int
        How many parameters there are.
    wiring : Wiring
        What is known of how the modules follow each other.
    ranks : Ranks
        The processes that train together.
    """

    def __init__(
        self, rows: Sequence[Row], numbers: Array, parameters: int, wiring: Wiring, ranks: Ranks
    ):
        self._numbers, self._ranks = numbers, ranks
        self._matrix = np.array([row.is_matrix for row in rows], bool)
        places = [wiring.place_of(row) if row.is_matrix else -1 for row in rows]
        self._modules = np.array(places, np.intp)
        self._first = next((n for n, place in enumerate(places) if place == wiring.first), None)
        self._fan_out = np.array([row.fans[1] for row in rows], np.float64)
        self._tied = [
            np.flatnonzero(numbers == n)
            for n in set(numbers.tolist())
            if n >= 0 and (numbers == n).sum() > 1
        ]
        self._updates = {-1: np.full((1, parameters), np.nan)}  # by iteration: the last norms
        pairs = list(zip(self._modules[:-1].tolist(), self._modules[1:].tolist(), strict=True))
        self._follows = np.array([pair in wiring.feeds for pair in pairs], bool)
        self._plain = np.array([wiring.is_plain(*pair) for pair in pairs], bool)
        self._identity = np.array(
            [m not in wiring.activations for m in self._modules.tolist()], bool
        )

    def assemble(self, first: int, tables: Mapping[str, Mapping[str, Column]]) -> Assembled:
        """Return the columns of T iterations from `first` on, masked where nothing was recorded."""
        whole = self._ranks.joined(tables)
        of_parameters, of_modules, net = (
            whole["parameters"],
            dict(whole["modules"]),
            flat(whole["net"]),
        )
        scale = np.where(net["scale"][1] & (net["scale"][0] != 0), net["scale"][0], 1.0)[:, None]
        by = np.where(net["gradient_scale"][1], net["gradient_scale"][0], 1.0)[:, None]
        of_parameters = dict(of_parameters)
        of_parameters |= {
            name: (of_parameters[name][0] / by, of_parameters[name][1]) for name in OF_GRADIENT
        }
        of_modules = unscaled(of_modules, OF_MODULES, scale)
        blocks = unscaled(whole.get("blocks", {}), OF_BLOCKS, scale)
        with np.errstate(all="ignore"):
            p = {name: taken(column, self._numbers) for name, column in of_parameters.items()}
            m = {name: taken(column, self._modules) for name, column in of_modules.items()}
            columns = self._of_weights(first, p, of_parameters["update_norm"]) | self._of_signals(
                m, p
            )
            columns |= self._log_gains(m, columns)
            columns["time_gain"] = _time_gain(m)
            columns = self._of_vectors_too(columns)
            columns["nonfinite_count"] = counted(
                [m["z_bad"], m["delta_bad"], p["grad_bad"], p["after_bad"]]
            )
            steps = of_steps(of_parameters, net) | {
                "input_rms": first_known(root(net["input_square"]), self._input_rms(m))
            }
        return Assembled(
            {name: masked(column) for name, column in columns.items()},
            {name: masked(column) for name, column in steps.items()},
            phases(net, m, p),
            {name: masked(column) for name, column in of_blocks(blocks).items()},
            self._histograms(whole.get("histograms", {})),
        )

    def _histograms(self, h: Mapping[str, Column]) -> tuple[Array, Array] | None:
        """Return which iterations have histograms, and these, (n, L, bins).

        Entries are counted as they are: the scale of a GradScaler is not divided out.
        """
        if not h:
            return None
        counts = np.stack([taken(column, self._numbers)[0] for column in h.values()], axis=-1)
        read = np.flatnonzero(np.any([known.any(axis=1) for _, known in h.values()], axis=0))
        return read, np.nan_to_num(counts[read]).astype(np.int64)

    def _of_weights(self, first: int, p: Mapping[str, Column], update: Column) -> dict[str, Column]:
        (norm, known), (weight, weighed) = p["update_norm"], p["weight_norm"]
        last = self._updates[first - 1]
        all_norms = np.concatenate([last, np.where(update[1], update[0], np.nan)])
        # Both, since these iterations come again where a Ctrl-C kept them from the record.
        self._updates = {first - 1: last, first - 1 + len(norm): all_norms[-1:]}
        before, _ = taken((all_norms[:-1], np.ones_like(update[1])), self._numbers)
        lost, wanted = p["lost"][0], p["wanted"][0]
        mean = p["moment_sum"][0] / p["moment_n"][0]
        whole_gradient, inner = p["grad_norm"][0], p["weight_inner"]
        lengths = whole_gradient * weight
        found = {name: p[name] for name in ("grad_norm", "grad_max", "weight_norm", "update_norm")}
        return found | {
            "unit_similarity": p["unit_similarity"],
            "update_ratio": (norm / weight, known & weighed & (weight != 0)),
            "update_cosine": (
                p["update_inner"][0] / (norm * before),
                p["update_inner"][1] & (norm > 0) & (before > 0),
            ),
            "grad_weight_cosine": (
                inner[0] / lengths,
                inner[1] & np.isfinite(inner[0]) & np.isfinite(lengths) & (lengths > 0),
            ),
            "outside_update_norm": p["outside_norm"],
            "second_moment_rms": (np.sqrt(mean * p["moment_scale"][0]), p["moment_scale"][1]),
            "lost_fraction": (lost / np.maximum(wanted, 1), p["wanted"][1]),
        }

    def _of_vectors_too(self, columns: dict[str, Column]) -> dict[str, Column]:
        """Leave of a vector what can be said of one."""
        return {
            name: column if name in OF_VECTORS else (column[0], column[1] & self._matrix)
            for name, column in columns.items()
        }

    def _input_rms(self, m: Mapping[str, Column]) -> Column:
        """Return the root mean square of what the first layer reads.

        Embeddings read the numbers of rows, which have none.
        """
        (norm, known), (n, _) = m["read_norm"], m["read_n"]
        if self._first is None:
            return np.full(len(norm), np.nan), np.zeros(len(norm), bool)
        return norm[:, self._first] / np.sqrt(n[:, self._first]), known[:, self._first]

    def _of_signals(self, m: Mapping[str, Column], p: Mapping[str, Column]) -> dict[str, Column]:
        seen = m["delta_norm"][1]
        none = self._identity & seen  # nothing is applied to z: phi' = 1
        slope = m["slope_norm"][0] / np.sqrt(m["slope_n"][0]), m["slope_n"][1]
        result = {"delta_norm": m["delta_norm"], **self._activation(m)}
        for name, column, identity in (
            ("slope_rms", slope, 1.0),
            ("dead_fraction", m["dead"], 0.0),
            ("saturated_fraction", m["saturated"], 0.0),
        ):
            result[name] = np.where(none, identity, column[0]), none | column[1]
        per_example, known = m["per_example"][0].copy(), m["per_example"][1].copy()
        # One matrix, read in several places: its gradient is the sum, and so is its bound.
        for rows in self._tied:
            per_example[:, rows] = np.nansum(per_example[:, rows], axis=1, keepdims=True)
            known[:, rows] = known[:, rows].all(axis=1, keepdims=True)
        result["per_example_grad_norm"] = per_example, known & p["grad_norm"][1] & ~m["doubtful"][1]
        return result

    def _activation(self, m: Mapping[str, Column]) -> dict[str, Column]:
        """Describe h_l: what the next layer reads, or what this one answers where none reads it."""

        def of(what: str) -> Column:
            (values, known), (read, read_known) = m[f"z_{what}"], m[f"read_{what}"]
            values, known = values.copy(), known.copy()
            values[:, :-1] = np.where(self._follows, read[:, 1:], values[:, :-1])
            known[:, :-1] = np.where(self._follows, read_known[:, 1:], known[:, :-1])
            return values, known

        (norm, known), (n, _) = of("norm"), of("n")
        mean = of("sum")[0] / n
        between = np.maximum(
            of("squares")[0] - n * mean**2, 0
        )  # of several calls: what their means differ by
        deviation = np.sqrt((of("deviation")[0] ** 2 + between) / n)
        return {
            "activation_mean": (mean, known),
            "activation_std": (deviation, known),
            "activation_rms": (norm / np.sqrt(n), known),
        }

    def _log_gains(
        self, m: Mapping[str, Column], columns: Mapping[str, Column]
    ) -> dict[str, Column]:
        """Split each step from row l+1 to l.

        What is no chain of weights and slopes goes into `log_gain_block`.
        """
        delta, slope = columns["delta_norm"][0], columns["slope_rms"][0][:, :-1]
        lower, upper = delta[:, :-1], delta[:, 1:]
        back = np.where(self._follows, m["back_norm"][0][:, 1:], np.nan)
        product = np.where(m["product_norm"][1][:, :-1], m["product_norm"][0][:, :-1], back * slope)
        ends = np.where(
            self._plain, lower, product
        )  # ||u phi'||: where the weights and the slope end
        terms = measures.log_gains(
            columns["weight_norm"][0][:, 1:], self._fan_out[1:], back, slope, upper, ends
        )
        chained = np.isfinite(terms["log_gain_weight"])
        terms["log_gain_block"] = np.log(lower) - np.where(chained, np.log(ends), np.log(upper))
        terms["log_gain_block"][self._plain & chained] = np.nan  # nothing stands between
        last = np.full((len(delta), 1), np.nan)
        padded = {name: np.concatenate([term, last], axis=1) for name, term in terms.items()}
        return {name: (term, np.isfinite(term)) for name, term in padded.items()}


def _time_gain(m: Mapping[str, Column]) -> Column:
    """Return ln of the factor by which the gradient changes a step back in time."""
    (first, known), (last, _), (steps, _) = (
        m[f"time_{name}"] for name in ("first", "last", "steps")
    )
    least = np.finfo(np.float64).tiny  # where nothing at all arrives
    gain = np.log(np.maximum(first, least) / last) / steps
    return gain, known & np.isfinite(gain)
