"""Autograd's notes of the line that made each operation: one switch for all who want them.

PyTorch writes a line down for each node of the graph while anomaly detection is on. That is one
switch for the whole process, so those who want lines share it: it is turned off as soon as
nobody wants any more, and never where the user has turned it on.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

_wanting: dict[int, weakref.finalize[Any, Any]] = {}  # by id: who wants lines
_looked_for_nan: list[bool] = []  # what was set before; empty where we have not turned it on


def want(who: Any) -> None:
    """Have lines written down from here on."""
    if not wants(who):
        _wanting[id(who)] = weakref.finalize(who, _end, id(who))
    if not torch.is_anomaly_enabled():
        _looked_for_nan[:] = [torch.is_anomaly_check_nan_enabled()]
        torch.set_anomaly_enabled(True, False)


def wants(who: Any) -> bool:
    """Return whether `who` wants them."""
    return id(who) in _wanting


def want_no_more(who: Any) -> None:
    """Have no more lines written down, unless others want them."""
    if wants(who):
        _wanting[id(who)].detach()
    _end(id(who))


def _end(key: int) -> None:
    _wanting.pop(key, None)
    left_as_it_was = torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled()
    if _looked_for_nan and not _wanting and left_as_it_was:
        torch.set_anomaly_enabled(False, _looked_for_nan.pop())
