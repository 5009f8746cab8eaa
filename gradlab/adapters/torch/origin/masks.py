"""Infinities on purpose: what makes a mask, and what only looks like one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gradlab.adapters.torch.origin import reasons
from gradlab.adapters.torch.origin.seen import Seen


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for each in value:
            yield from _flat(each)
    elif isinstance(value, dict):
        yield from _flat(tuple(value.values()))
    else:
        yield value


def is_written(arguments: Any) -> bool:
    """Whether a number that somebody wrote down, no tensor, is infinite."""
    return any(isinstance(each, float) and math.isinf(each) for each in _flat(arguments))


def makes_mask(func: Any, given: list[Tensor], known: list[Seen], made: Seen) -> bool:
    """Whether an operation makes the -inf of a mask out of finite numbers."""
    name = reasons.short(str(func))
    if made.nan or not known:
        return False
    if name in ("log", "log2", "log10"):
        zeros, ones = given[0] == 0, given[0] == 1
        return bool((zeros | ones).all() and ones.any())
    lowest = min(each.low for each in known if each.count) if any(k.count for k in known) else 0.0
    largest = max((torch.finfo(each.dtype).max for each in known), default=math.inf)
    if name in ("add", "sub"):
        return lowest <= -0.9 * largest and not bool(_positive(made))
    return name == "to_copy" and lowest <= -0.9 * largest


def _positive(made: Seen) -> bool:
    return made.high > 0.9 * torch.finfo(made.dtype).max if made.dtype.is_floating_point else False


def is_additive(made: Seen) -> bool:
    """Whether an argument looks like a mask that is added: no NaN, at most 0, -inf in places."""
    return not made.nan and (math.isnan(made.high) or made.high <= 0)
