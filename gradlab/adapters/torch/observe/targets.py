"""What a call of a criterion tells: its value, and what a constant answer would cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.adapters.torch.observe import constant
from gradlab.adapters.torch.observe.chances import are_probabilities, over_other_axis
from gradlab.adapters.torch.observe.constant import Frequencies, Moments, Pool, Sample
from gradlab.adapters.torch.observe.criterion import Call
from gradlab.adapters.torch.observe.exchanged import own_over_exchanged, right_share
from gradlab.adapters.torch.observe.viewed import misread_shape

# They multiply the answer, a logarithm, by the target, and add up.
OF_LOGARITHMS = ("nll_loss", "kl_div")
# answers and targets may change places
SYMMETRIC = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


def read(
    name: str,
    arguments: dict[str, Any],
    result: Tensor,
    place: tuple[Any, ...],
    *,
    compares: bool = True,
) -> Call | None:
    """Read a call of a criterion: its value and its targets; None where it trains nothing.

    `compares`: whether the answers are compared with their targets one by one, too.
    """
    answer_name, target_name = (
        ("log_probs", "targets") if name == "ctc_loss" else ("input", "target")
    )
    answer, target = arguments[answer_name], arguments[target_name]
    if name in SYMMETRIC and not answer.requires_grad:
        answer_name, answer, target = "target", target, answer
    if type(target) is not Tensor or not isinstance(answer, Tensor) or not answer.requires_grad:
        return None
    if target.requires_grad:
        return None  # two answers are compared, as in distillation without detach: nobody's target
    reduction = _reduction(arguments)
    with torch.no_grad():
        targets = _TARGETS.get(name, _unknown)(name, arguments, target, answer)
        call = Call(
            name,
            reduction,
            arguments={key: value for key, value in arguments.items() if key != answer_name},
            answer_name=answer_name,
            answer_shape=tuple(answer.shape),
            target_shape=tuple(target.shape),
            count=1.0 if targets.count is None else targets.count,
            known_count=targets.count is not None,
            pool=targets.pool,
            place=place,
            chances=are_probabilities(name, answer),
            other_axis=over_other_axis(name, answer),
            misread=misread_shape(name, answer),
            log_input=arguments.get("log_input"),
        )
        if isinstance(call.pool, Frequencies) and name in OF_LOGARITHMS:
            call.pool.as_shares = call.chances
        call.total = call.total_of(result)
        if compares:
            call.fit = own_over_exchanged(name, arguments, answer, target)
            call.right = right_share(name, arguments, answer, target)
        if targets.number:
            flat = target.detach().double()
            call.target_sums = flat.numel(), flat.sum(), flat.square().sum()
        if target.numel() > 1 and name not in ("cross_entropy", "nll_loss", "kl_div"):
            call.steady = (target == target.reshape(-1)[0]).all()
    return call


@dataclass(frozen=True)
class _Targets:
    """What a criterion's mean divides by, and what the targets tell.

    A count of None: only the mean itself is known.
    """

    count: Tensor | float | None
    pool: Pool | None = None
    number: bool = False  # whether targets are numbers, with a mean and a scale


def _reduction(arguments: dict[str, Any]) -> str:
    old = arguments.get("size_average"), arguments.get("reduce")
    if old != (None, None):
        average, reduce = (True if each is None else each for each in old)
        return ("mean" if average else "sum") if reduce else "none"
    return arguments["reduction"]


def _unknown(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    return _Targets(None)


def _signs(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    return _Targets(None, number=True)


def _classes(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    axis = 1 if answer.ndim > 1 else 0
    classes = answer.shape[axis]
    weight: Tensor | float = 1.0
    if arguments["weight"] is not None:
        weight = arguments["weight"].detach().to(target.device).double()
    smoothing = arguments.get("label_smoothing", 0.0)
    if target.is_floating_point():  # the class's axis is the same as the answer's
        shares = target.detach().double().movedim(axis, -1).reshape(-1, classes)
        shares = shares * (1 - smoothing) + smoothing / classes
        return _Targets(
            float(len(shares)),
            Frequencies((weight * shares.sum(dim=0))[:, None], float(len(shares))),
        )
    flat = target.reshape(-1)
    counts = _counts_of(flat, arguments["ignore_index"], classes)
    weighted = counts if isinstance(weight, float) else weight * counts
    sums = weighted
    if smoothing:
        # sum_i [(1 - e) w_y (-ln p_y) + e/C sum_c w_c (-ln p_c)] / sum_i w_y
        sums = (1 - smoothing) * weighted + smoothing / classes * weight * counts.sum()
    count = weighted.sum()
    count = float(count) if count.device.type == "cpu" else count
    return _Targets(count, Frequencies(sums[:, None], count))


def _counts_of(flat: Tensor, ignored: int, classes: int) -> Tensor:
    """Return how often each class is the target (classes,)."""
    if flat.device.type == "cpu":
        known = flat.numpy()
        counted = known != ignored
        known = known if counted.all() else known[counted]
        return torch.from_numpy(np.bincount(known, minlength=classes).astype(np.float64))
    counted = flat != ignored
    counts = torch.zeros(classes, dtype=torch.float64, device=flat.device)
    # A device would have to be waited for to know how many are counted.
    return counts.index_add_(0, torch.where(counted, flat, 0).long(), counted.double())


def _binary(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    rows = constant.rows_of(target)
    positive, negative = target.detach().double(), 1 - target.detach().double()
    if arguments.get("pos_weight") is not None:
        positive = positive * arguments["pos_weight"].detach()
    if arguments["weight"] is not None:
        positive, negative = (
            positive * arguments["weight"].detach(),
            negative * arguments["weight"].detach(),
        )
    if positive.shape != target.shape:  # a weight that is larger than what it weighs
        return _Targets(float(answer.numel()), number=True)
    sums = torch.stack([each.reshape(rows.shape).sum(dim=0) for each in (positive, negative)])
    return _Targets(float(target.numel()), Frequencies(sums, float(target.numel())), number=True)


def _divergence(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    shares = target.detach().double()
    shares = shares.exp() if arguments["log_target"] else shares
    count = float(max(answer.numel(), target.numel()))
    if target.shape != answer.shape or target.ndim > 2:  # on which axis the classes lie is not said
        return _Targets(count)
    sums = shares.reshape(-1, shares.shape[-1]).sum(dim=0)
    return _Targets(count, Frequencies(sums[:, None], count, torch.xlogy(shares, shares).sum()))


def _count(target: Tensor, answer: Tensor) -> float:
    return float(torch.broadcast_shapes(target.shape, answer.shape).numel())


def _squares(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    if arguments.get("weight") is not None:
        return _Targets(arguments["weight"].detach().double().sum(), number=True)
    pool = Moments.of(constant.rows_of(target), constant.squared)
    return _Targets(_count(target, answer), pool, number=True)


def _absolute(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    if arguments.get("weight") is not None:
        return _Targets(arguments["weight"].detach().double().sum(), number=True)
    error: Callable[[Tensor, Tensor], Tensor]
    if name == "l1_loss" or arguments.get("beta") == 0:
        error, best = F.l1_loss, constant.middle
    elif name == "smooth_l1_loss":
        beta = arguments["beta"]
        error, best = (
            (lambda a, b: F.smooth_l1_loss(a, b, beta=beta)),
            constant.where_balanced(beta),
        )
    else:
        delta = arguments["delta"]
        error, best = (lambda a, b: F.huber_loss(a, b, delta=delta)), constant.where_balanced(delta)
    rows = constant.rows_of(target)
    kept = constant.picked(rows, constant.rows_kept(rows.shape[1]), len(rows))
    return _Targets(_count(target, answer), Sample(kept, len(rows), error, best), number=True)


def _normal(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    variance = arguments["var"]
    if (
        not isinstance(variance, Tensor)
        or not variance.requires_grad
        or target.shape != answer.shape
    ):
        return _Targets(
            _count(target, answer), number=True
        )  # a variance that is given is no constant's choice
    of_moments = constant.gaussian(arguments["full"], arguments["eps"])
    return _Targets(
        _count(target, answer), Moments.of(constant.rows_of(target), of_moments), number=True
    )


def _counts(name: str, arguments: dict[str, Any], target: Tensor, answer: Tensor) -> _Targets:
    if arguments["full"]:
        return _Targets(_count(target, answer), number=True)
    return _Targets(
        _count(target, answer), Moments.of(constant.rows_of(target), constant.poisson), number=True
    )


_TARGETS: dict[str, Callable[[str, dict[str, Any], Tensor, Tensor], _Targets]] = {
    "cross_entropy": _classes,
    "nll_loss": _classes,
    "binary_cross_entropy": _binary,
    "binary_cross_entropy_with_logits": _binary,
    "kl_div": _divergence,
    "mse_loss": _squares,
    "l1_loss": _absolute,
    "smooth_l1_loss": _absolute,
    "huber_loss": _absolute,
    "gaussian_nll_loss": _normal,
    "poisson_nll_loss": _counts,
    "soft_margin_loss": _signs,
}
