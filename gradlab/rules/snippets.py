"""The code of a remedy: for PyTorch lines to run, for the built-in engine keyword arguments.

The lines use the names `model` and `optimizer`, and import nothing but `torch` and `nn`. A remedy
without code asks for a look, or for a change that only the user's own code can make.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gradlab.rules.expressions import expression, in_torch, module_of, weight_of

if TYPE_CHECKING:
    from gradlab.rules.remedies import Remedy
    from gradlab.run import Run

LOOKUPS = ("lookup", "embedding")


def code_of(remedy: Remedy, run: Run) -> str:
    """Return the code of a remedy in the framework of a run; empty where there is none."""
    known = TORCH if in_torch(run) else ENGINE
    write = known.get(remedy.action)
    return "" if write is None else write(remedy, run)


def _number(remedy: Remedy, name: str, default: float) -> float:
    value = remedy.parameters.get(name, default)
    known = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if known else default


def _layers(remedy: Remedy, run: Run) -> Sequence[int]:
    """Return the layers (from 1) that a remedy names; all that multiply where it names none."""
    named = [each for each in remedy.parameters.get("layers", ()) if isinstance(each, int)]
    kinds = [str(kind).lower() for kind in run.layer("kind")]
    every = [row for row, kind in enumerate(kinds, 1) if kind not in (*LOOKUPS, "vector")]
    return named or every


def _rate(run: Run, factor: float) -> float:
    rate = run.config.get("learning_rate")
    if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not rate > 0:
        return math.nan
    return rate * factor


# -- PyTorch ---------------------------------------------------------------------------------------

DRAWN = {
    "he_normal": 'nn.init.kaiming_normal_({weight}, nonlinearity="relu")',
    "glorot_normal": "nn.init.xavier_normal_({weight})",
    "orthogonal": "nn.init.orthogonal_({weight})",
}


def _draw(remedy: Remedy, run: Run) -> str:
    if "factor" in remedy.parameters and "scheme" not in remedy.parameters:
        by = f" /= {_number(remedy, 'factor', 1.0):.3g}"
        lines = [f"    {weight_of(run, layer)}{by}" for layer in _layers(remedy, run)]
        return "\n".join(["with torch.no_grad():  # before the first step", *lines])
    call = DRAWN.get(str(remedy.parameters.get("scheme", "he_normal")), DRAWN["he_normal"])
    lines = [call.format(weight=weight_of(run, layer)) for layer in _layers(remedy, run)]
    return "\n".join(lines)


def _zero(remedy: Remedy, run: Run) -> str:
    layers = _layers(remedy, run)
    return "\n".join(f"nn.init.zeros_({module_of(run, layer)}.bias)" for layer in layers)


def _set(name: str, value: float) -> str:
    return f'for group in optimizer.param_groups:\n    group["{name}"] = {value:.3g}'


def _scale_rate(remedy: Remedy, run: Run, *, up: bool) -> str:
    factor = _number(remedy, "factor", 10.0)
    new = _rate(run, factor if up else 1 / factor)
    return _set("lr", new) if 0 < new < math.inf else ""


def _lower(remedy: Remedy, run: Run) -> str:
    return _scale_rate(remedy, run, up=False)


def _raise(remedy: Remedy, run: Run) -> str:
    return _scale_rate(remedy, run, up=True)


def _warm(remedy: Remedy, _run: Run) -> str:
    length = int(_number(remedy, "iterations", 50))
    return (
        "scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, "
        f"total_iters={length})  # scheduler.step() in each iteration"
    )


def _clip(remedy: Remedy, _run: Run) -> str:
    most = _number(remedy, "norm", _number(remedy, "max_norm", 1.0))
    return f"nn.utils.clip_grad_norm_(model.parameters(), {most:g})"


def _decay(remedy: Remedy, run: Run) -> str:
    old = run.config.get("weight_decay")
    usual = old / 100 if isinstance(old, (int, float)) else 0.0
    return _set("weight_decay", _number(remedy, "weight_decay", usual))


def _unfreeze(remedy: Remedy, run: Run) -> str:
    return "\n".join(
        f"{weight_of(run, layer)}.requires_grad_(True)" for layer in _layers(remedy, run)
    )


def _norms(remedy: Remedy, _run: Run) -> str:
    """Write norms before branches, where the remedy knows the branches and what they read."""
    blocks, branches, width = (
        remedy.parameters.get(name) for name in ("blocks", "branches", "width")
    )
    if not (blocks and branches and isinstance(width, int)):
        return ""
    if not all(part.isidentifier() for part in branches):
        return ""
    lines = [
        "# before the optimizer is made; where the branches take one tensor",
        f"for block in {_blocks(blocks)}:",
    ]
    lines += [
        f"    block.{part} = nn.Sequential(nn.LayerNorm({width}), block.{part})"
        for part in branches
    ]
    return "\n".join(lines)


def _blocks(names: Sequence[str]) -> str:
    """Write blocks as code: `model.blocks[8:24]`, or one by one where they are no neighbours."""
    stems = {name.rpartition(".")[0] for name in names}
    numbers = [name.rpartition(".")[2] for name in names]
    if len(stems) == 1 and all(number.isdigit() for number in numbers):
        first, last = int(numbers[0]), int(numbers[-1])
        if [int(number) for number in numbers] == list(range(first, last + 1)):
            return f"{expression(stems.pop())}[{first}:{last + 1}]"
    return f"[{', '.join(expression(name) for name in names)}]"


TORCH: dict[str, Callable[[Remedy, Run], str]] = {
    "initialize": _draw,
    "normalize": _norms,
    "zero biases": _zero,
    "lower learning rate": _lower,
    "raise learning rate": _raise,
    "warm up": _warm,
    "clip gradient": _clip,
    "raise clip norm": _clip,
    "set epsilon": lambda _remedy, _run: _set("eps", 1e-8),
    "lower weight decay": _decay,
    "unfreeze": _unfreeze,
    "empty gradients": lambda _remedy, _run: "optimizer.zero_grad()",
    "add to optimizer": lambda _remedy, _run: (
        'held = {id(each) for group in optimizer.param_groups for each in group["params"]}\n'
        "missing = [each for each in model.parameters() if id(each) not in held]\n"
        'if missing:\n    optimizer.add_param_group({"params": missing})'
    ),
    "raise norm momentum": lambda remedy, _run: _norm_momentum(remedy),
    "lower norm momentum": lambda remedy, _run: _norm_momentum(remedy),
}
"""Action -> its code."""


def _norm_momentum(remedy: Remedy) -> str:
    return (
        "for module in model.modules():\n"
        "    if isinstance(module, nn.modules.batchnorm._BatchNorm):\n"
        f"        module.momentum = {_number(remedy, 'momentum', 0.1):g}"
    )


# -- the built-in engine ---------------------------------------------------------------------------


def _init(remedy: Remedy, run: Run) -> str:
    scheme = remedy.parameters.get("scheme")
    gain = remedy.parameters.get("gain")
    parts = [f'init="{scheme}"'] if scheme else []
    if gain is not None or run.config.get("gain", 1.0) != 1:
        parts.append(f"gain={_number(remedy, 'gain', 1.0):g}")
    return ", ".join(parts)


def _engine_rate(run: Run, factor: float) -> str:
    new = _rate(run, factor)
    return f"learning_rate={new:.3g}" if 0 < new < math.inf else ""


def _engine_epsilon(remedy: Remedy, run: Run) -> str:
    name = str(run.config.get("optimizer", "adam")).split(":")[0]
    return f'optimizer="{name}:epsilon={_number(remedy, "epsilon", 1e-8):.3g}"'


def _engine_activation(remedy: Remedy, _run: Run) -> str:
    name, scheme = (remedy.parameters.get(key) for key in ("activation", "scheme"))
    if not name:
        return ""
    return f'activation="{name}"' + (f', init="{scheme}"' if scheme else "")


def _engine_loss(remedy: Remedy, _run: Run) -> str:
    losses = remedy.parameters.get("losses") or ("huber",)
    return f'loss="{losses[0]}"'


ENGINE: dict[str, Callable[[Remedy, Run], str]] = {
    "initialize": _init,
    "zero biases": lambda _remedy, _run: "model.biases.flat.fill(0)",
    "lower learning rate": lambda each, run: _engine_rate(run, 1 / _number(each, "factor", 10.0)),
    "raise learning rate": lambda each, run: _engine_rate(run, _number(each, "factor", 10.0)),
    "warm up": lambda each, _run: (
        f'schedule="constant:warmup={int(_number(each, "iterations", 50))}"'
    ),
    "clip gradient": lambda each, _run: f'clip="norm:most={_number(each, "norm", 1.0):g}"',
    "raise clip norm": lambda each, _run: f'clip="norm:most={_number(each, "max_norm", 1.0):g}"',
    "set epsilon": _engine_epsilon,
    "use activation": _engine_activation,
    "normalize": lambda _remedy, _run: 'norm="layer"',
    "add residual connections": lambda _remedy, _run: "residual=1.0",
    "use loss": _engine_loss,
    "use optimizer": lambda each, _run: (
        f'optimizer="{each.parameters.get("optimizer", "adam")}", learning_rate=0.001'
    ),
}
"""Action -> the keyword arguments of `MLP` and `train`, or a line on the model."""
