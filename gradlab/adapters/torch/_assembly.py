"""From what was measured at one iteration to the columns of a Run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlab import measures
from gradlab.adapters.torch._distributed import Ranks
from gradlab.adapters.torch._ledger import Frame, collected, joined, latest, single, summed
from gradlab.adapters.torch._rows import Row
from gradlab.adapters.torch._signals import Signals

Array = np.ndarray
Column = tuple[Array, Array]  # values, and where they were recorded

PHASES = ("forward", "loss", "backward", "update")

# How the numbers of several calls make one, and, in `Ranks`, those of several processes.
OF_PARAMETERS = {
    "grad_norm": joined, "after_norm": joined, "weight_norm": joined, "update_norm": joined, "update_inner": summed,
    "decrease": summed, "lost": summed, "wanted": summed, "grad_max": latest, "grad_bad": summed, "after_bad": summed,
    "unit_similarity": latest, "moment_sum": summed, "moment_n": summed, "moment_scale": latest,
}  # fmt: skip
OF_MODULES = {
    "delta_norm": joined, "back_norm": joined, "product_norm": joined, "per_example": summed, "delta_bad": summed,
    "z_bad": summed, "slope_norm": joined, "slope_n": summed, "dead": latest, "saturated": latest,
    "read_norm": joined, "read_deviation": joined, "read_sum": summed, "read_squares": summed, "read_n": summed,
    "z_norm": joined, "z_deviation": joined, "z_sum": summed, "z_squares": summed, "z_n": summed,
}  # fmt: skip
OF_LOSS = ("delta_norm", "back_norm", "product_norm", "per_example")  # as large as the loss was scaled


class Assembler:
    """Makes the rows of a Run from frames of numbers by parameter and by module.

    Parameters
    ----------
    rows : sequence of Row
        The layers, first one first.
    numbers : ndarray (L,)
        Of each layer's parameter; -1 where it is not trained.
    parameters : int
        How many parameters there are.
    signals : Signals
        What is known of how the modules follow each other.
    ranks : Ranks
        The processes that train together.
    """

    def __init__(self, rows: Sequence[Row], numbers: Array, parameters: int, signals: Signals, ranks: Ranks):
        self._numbers, self._parameters, self._ranks = numbers, parameters, ranks
        self._modules = np.array([signals.number_of(row.module) for row in rows], np.intp)
        self._size = len(signals.modules)
        self._fan_out = np.array([row.fans[1] for row in rows], np.float64)
        self._tied = [
            np.flatnonzero(numbers == n) for n in set(numbers.tolist()) if n >= 0 and (numbers == n).sum() > 1
        ]
        self._last_update = np.full(parameters, np.nan)
        pairs = list(zip(self._modules[:-1].tolist(), self._modules[1:].tolist(), strict=True))
        self._follows = np.array([pair in signals.feeds for pair in pairs], bool)
        self._plain = np.array([signals.is_plain(*pair) for pair in pairs], bool)
        self._identity = np.array([m not in signals.activations for m in self._modules.tolist()], bool)

    def assemble(self, frame: Frame) -> tuple[dict[str, np.ma.MaskedArray], dict[str, Any], str | None]:
        """Return the columns (L,), masked where nothing was recorded, the row of `steps`, and this process's phase."""
        of_parameters = {name: collected(frame, name, self._parameters, how) for name, how in OF_PARAMETERS.items()}
        of_modules = {name: collected(frame, name, self._size, how) for name, how in OF_MODULES.items()}
        mine = _phase(of_modules, of_parameters, single(frame, "loss", summed))
        of_parameters, of_modules = self._ranks.joined(of_parameters, of_modules)
        scale = single(frame, "scale") or 1.0
        of_modules |= {name: (of_modules[name][0] / scale, of_modules[name][1]) for name in OF_LOSS}
        with np.errstate(all="ignore"):
            step = self._step(of_parameters, frame)
            p = {name: _taken(column, self._numbers) for name, column in of_parameters.items()}
            m = {name: _taken(column, self._modules) for name, column in of_modules.items()}
            columns = self._of_weights(p, of_parameters["update_norm"]) | self._of_signals(m, p)
            columns |= self._log_gains(m, columns)
            columns["nonfinite_count"] = _counted([m["z_bad"], m["delta_bad"], p["grad_bad"], p["after_bad"]])
            step["phase"] = "forward" if "broke_forward" in frame else _phase(m, p, step["loss"])
        return {name: np.ma.masked_array(values, ~known) for name, (values, known) in columns.items()}, step, mine

    def _of_weights(self, p: Mapping[str, Column], update: Column) -> dict[str, Column]:
        (norm, known), (weight, weighed) = p["update_norm"], p["weight_norm"]
        before = np.where(self._numbers >= 0, self._last_update[self._numbers], np.nan)
        self._last_update = np.where(update[1], update[0], np.nan)
        lost, wanted = p["lost"][0], p["wanted"][0]
        mean = p["moment_sum"][0] / p["moment_n"][0]
        return {
            **{name: p[name] for name in ("grad_norm", "grad_max", "weight_norm", "update_norm", "unit_similarity")},
            "update_ratio": (norm / weight, known & weighed & (weight != 0)),
            "update_cosine": (p["update_inner"][0] / (norm * before), p["update_inner"][1] & (norm > 0) & (before > 0)),
            "second_moment_rms": (np.sqrt(mean * p["moment_scale"][0]), p["moment_scale"][1]),
            "lost_fraction": (lost / np.maximum(wanted, 1), p["wanted"][1]),
        }

    def _of_signals(self, m: Mapping[str, Column], p: Mapping[str, Column]) -> dict[str, Column]:
        seen = m["delta_norm"][1]
        none = self._identity & seen  # nothing is applied to z: phi' = 1
        slope = m["slope_norm"][0] / np.sqrt(m["slope_n"][0]), m["slope_n"][1]
        result = {"delta_norm": m["delta_norm"], **self._activation(m)}
        for name, column, identity in (
            ("slope_rms", slope, 1.0), ("dead_fraction", m["dead"], 0.0), ("saturated_fraction", m["saturated"], 0.0),
        ):  # fmt: skip
            result[name] = np.where(none, identity, column[0]), none | column[1]
        per_example, known = m["per_example"][0].copy(), m["per_example"][1].copy()
        for rows in self._tied:  # one matrix, read in several places: its gradient is the sum, and so is its bound
            per_example[rows], known[rows] = np.nansum(per_example[rows]), known[rows].all()
        result["per_example_grad_norm"] = per_example, known & p["grad_norm"][1]
        return result

    def _activation(self, m: Mapping[str, Column]) -> dict[str, Column]:
        """Describe h_l: what the next layer reads, or what this one answers where none reads it."""

        def of(what: str) -> Column:
            (values, known), (read, read_known) = m[f"z_{what}"], m[f"read_{what}"]
            values, known = values.copy(), known.copy()
            values[:-1] = np.where(self._follows, read[1:], values[:-1])
            known[:-1] = np.where(self._follows, read_known[1:], known[:-1])
            return values, known

        (norm, known), (n, _) = of("norm"), of("n")
        mean = of("sum")[0] / n
        between = np.maximum(of("squares")[0] - n * mean**2, 0)  # of several calls: what their means differ by
        deviation = np.sqrt((of("deviation")[0] ** 2 + between) / n)
        return {
            "activation_mean": (mean, known),
            "activation_std": (deviation, known),
            "activation_rms": (norm / np.sqrt(n), known),
        }

    def _log_gains(self, m: Mapping[str, Column], columns: Mapping[str, Column]) -> dict[str, Column]:
        """Split each step from row l+1 to l; what is no chain of weights and slopes goes into `log_gain_block`."""
        delta, slope = columns["delta_norm"][0], columns["slope_rms"][0]
        lower, upper, back = delta[:-1], delta[1:], np.where(self._follows, m["back_norm"][0][1:], np.nan)
        product = np.where(m["product_norm"][1][:-1], m["product_norm"][0][:-1], back * slope[:-1])
        ends = np.where(self._plain, lower, product)  # ||u phi'||: where the weights and the slope end
        terms = measures.log_gains(columns["weight_norm"][0][1:], self._fan_out[1:], back, slope[:-1], upper, ends)
        chained = np.isfinite(terms["log_gain_weight"])
        terms["log_gain_block"] = np.log(lower) - np.where(chained, np.log(ends), np.log(upper))
        terms["log_gain_block"][self._plain & chained] = np.nan  # nothing stands between
        padded = {name: np.append(term, np.nan) for name, term in terms.items()}
        return {name: (term, np.isfinite(term)) for name, term in padded.items()}

    def _step(self, whole: Mapping[str, Column], frame: Frame) -> dict[str, Any]:
        """Make the row of `steps`: norms of the net as a whole, over all parameters, biases too."""
        before, known = whole["grad_norm"]
        after = np.where(whole["after_norm"][1], whole["after_norm"][0], before)
        step: dict[str, Any] = {
            "loss": self._ranks.mean(single(frame, "loss", summed)),
            "learning_rate": single(frame, "learning_rate"),
            "grad_norm": measures.total_norm(before[known]) if known.any() else None,
        }
        if "after_norm" in frame:
            step["clipped_grad_norm"] = measures.total_norm(after[known])
        if "decrease" in frame:
            step["expected_decrease"] = whole["decrease"][0][whole["decrease"][1]].sum()
        for name in ("validation_loss", "validation_accuracy"):
            step[name] = single(frame, name)
        return step


def _taken(column: Column, numbers: Array) -> Column:
    """Return the numbers of layers from those of parameters or modules; a layer without one has none."""
    if not len(column[0]):
        return np.full(len(numbers), np.nan), np.zeros(len(numbers), bool)
    has = numbers >= 0
    return np.where(has, column[0][numbers], np.nan), has & column[1][numbers]


def _counted(columns: Sequence[Column]) -> Column:
    total = sum(np.where(known, values, 0) for values, known in columns)
    return np.asarray(total), np.any([known for _, known in columns], axis=0)


def _phase(m: Mapping[str, Column], p: Mapping[str, Column], loss: float | None) -> str | None:
    """Say where a non-finite number appeared first in this iteration; None where nowhere."""

    def any_of(*columns: Column) -> bool:
        return any(bool((values[known] > 0).any()) for values, known in columns)

    gradient, known = p["grad_norm"]
    hit = (
        any_of(m["z_bad"]),
        loss is not None and not np.isfinite(loss),
        any_of(m["delta_bad"], p["grad_bad"]) or not np.isfinite(gradient[known]).all(),
        any_of(p["after_bad"]),
    )
    return next((phase for phase, found in zip(PHASES, hit, strict=True) if found), None)
