"""The second moment that an adaptive optimizer keeps of each parameter's gradient."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def second_moment(state: dict[str, Any], settings: dict[str, Any]) -> tuple[Tensor, Any] | None:
    """Return v and the factor that makes it v_hat.

    None where an optimizer has none, or has not stepped.
    """
    # Adam's kin.
    if "exp_avg_sq" in state and state.get("step") is not None and "betas" in settings:
        step = state["step"]
        if not isinstance(step, Tensor) and step == 0:
            return None
        step = float(step) if not isinstance(step, Tensor) or step.device.type == "cpu" else step
        return state["exp_avg_sq"], 1 / (1 - settings["betas"][1] ** step)
    for key in ("square_avg", "sum"):  # RMSprop, Adagrad
        if isinstance(state.get(key), Tensor):
            return state[key], 1.0
    return None
