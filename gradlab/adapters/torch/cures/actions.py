"""Which remedies are carried out on a live model and its optimizers, and how.

One function an action of `gradlab.rules.remedies`. Each yields what a table calls the change, the
line to change in the user's code, and a function of the `Stage`. What needs the user's own code
(a loop that never empties gradients is not: that can be done from outside) is shown, not tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.cures import around
from gradlab.adapters.torch.cures.around import Stage, Standardizer, Unscaled
from gradlab.rules import Remedy
from gradlab.rules.expressions import expression, weight_of
from gradlab.run import Run

Apply = Callable[[Stage], None]
Option = tuple[str, str, Apply]

USUAL_FACTOR = 10.0
FEW = 3  # layers that are named one by one
LENGTH_SQUARED = ("mse_loss", "mse", "squared_error", "MSELoss")


def options_for(remedy: Remedy, run: Run) -> list[Option]:
    """Return the ways to carry out a remedy; none where it takes the user's own code."""
    made = ACTIONS.get(remedy.action)
    return [] if made is None else list(made(remedy, run))


# -- the initial weights ---------------------------------------------------------------------------


def _initialize(remedy: Remedy, run: Run) -> Iterator[Option]:
    rows = _rows(remedy, run)
    scheme = str(remedy.parameters.get("scheme") or "he_normal")
    gain = float(remedy.parameters.get("gain", 1.0))
    draw, call = SCHEMES.get(scheme, SCHEMES["he_normal"])
    names = [_parameter_name(run, row) for row in rows]

    def apply(stage: Stage) -> None:
        known = dict(stage.model.named_parameters())
        with torch.no_grad():
            for name in names:
                weight = known.get(name)
                if weight is not None and weight.dim() >= 2:
                    draw(weight)
                    weight.mul_(gain)

    first = call.format(weight=weight_of(run, rows[0]) if rows else "module.weight")
    line = first if len(rows) == 1 else f"{first}, and so the other {len(rows) - 1}"
    yield f"{scheme} in {_counted(len(rows))}", line, apply
    every = [row for row in range(1, run.matrices.shape[2] + 1) if _drawn(run, row)]
    if len(every) > len(rows):
        wider = Remedy(remedy.action, remedy.words, {**remedy.parameters, "layers": every})
        yield from list(_initialize(wider, run))[:1]


def _drawn(run: Run, row: int) -> bool:
    """Whether a row is a matrix that is multiplied by, not one in which something is looked up."""
    return str(run.layer("kind")[row - 1]).lower() not in ("lookup", "embedding", "vector")


def _zero_biases(remedy: Remedy, run: Run) -> Iterator[Option]:
    rows = _rows(remedy, run)
    names = [_parameter_name(run, row).removesuffix("weight") + "bias" for row in rows]

    def apply(stage: Stage) -> None:
        known = dict(stage.model.named_parameters())
        for name in names:
            if name in known:
                nn.init.zeros_(known[name])

    line = f"nn.init.zeros_({expression(names[0])})" if names else "nn.init.zeros_(module.bias)"
    yield "biases 0", line, apply


def _forget_bias(remedy: Remedy, _run: Run) -> Iterator[Option]:
    value = float(remedy.parameters.get("bias", 2.0))

    def apply(stage: Stage) -> None:
        with torch.no_grad():
            for name, bias in stage.model.named_parameters():
                if ".bias_ih_l" in f".{name}" and bias.numel() % 4 == 0:
                    hidden = bias.numel() // 4
                    bias[hidden : 2 * hidden].fill_(value)

    yield f"forget bias {value:g}", remedy.words.partition("open: ")[2] or remedy.words, apply


def _orthogonal(weight: Tensor) -> None:
    """Make each square part of a recurrent matrix orthogonal; else the whole."""
    out, fan_in = weight.shape[0], weight[0].numel()
    parts = weight.split(fan_in) if out % fan_in == 0 else [weight]
    for part in parts:
        nn.init.orthogonal_(part)


SCHEMES: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "he_normal": (
        lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        'nn.init.kaiming_normal_({weight}, nonlinearity="relu")',
    ),
    "glorot_normal": (nn.init.xavier_normal_, "nn.init.xavier_normal_({weight})"),
    "orthogonal": (_orthogonal, "nn.init.orthogonal_({weight})"),
}


# -- the size of steps -----------------------------------------------------------------------------


def _lower_rate(remedy: Remedy, run: Run) -> Iterator[Option]:
    yield from _rate(remedy, run, up=False)


def _raise_rate(remedy: Remedy, run: Run) -> Iterator[Option]:
    yield from _rate(remedy, run, up=True)


def _rate(remedy: Remedy, run: Run, *, up: bool) -> Iterator[Option]:
    factor = float(remedy.parameters.get("factor", USUAL_FACTOR))
    for each in dict.fromkeys((factor, USUAL_FACTOR, USUAL_FACTOR**2, USUAL_FACTOR**3)):
        if not 1 < each < math.inf:
            continue
        times = each if up else 1 / each
        yield f"lr {_new_rate(run, times)}", f"lr={_new_rate(run, times)}", _scaling(times)


def _scaling(times: float) -> Apply:
    return lambda stage: stage.rates(lambda now, _first, _number: now * times)


def _new_rate(run: Run, times: float) -> str:
    rate = run.config.get("learning_rate")
    return f"{rate * times:.3g}" if isinstance(rate, float) else f"times {times:.3g}"


def _warm_up(remedy: Remedy, run: Run) -> Iterator[Option]:
    least = max(1, run.iterations // 4)
    length = min(int(remedy.parameters.get("iterations", 50)), least)

    def apply(stage: Stage) -> None:
        stage.rates(lambda now, _first, number: now * min(1.0, (number + 1) / length))

    line = f"LinearLR(optimizer, start_factor=0.01, total_iters={length}), stepped each iteration"
    yield f"warm-up {length}", line, apply


def _hold_rate(_remedy: Remedy, run: Run) -> Iterator[Option]:
    rates = run.step("learning_rate")[:, 0]
    known = rates[rates == rates]
    largest = float(known.max()) if len(known) else 0.0

    def apply(stage: Stage) -> None:
        stage.rates(lambda now, first, _number: max(now, first, largest * (len(known) > 0)))

    def held(stage: Stage) -> None:
        stage.rates(lambda _now, first, _number: first)

    line = "leave the schedule out, or give it as many steps as the training has"
    yield f"lr held at {largest:.3g}", line, apply
    yield "lr of the first step held", line, held
    base = run.config.get("learning_rate")
    if isinstance(base, float) and base > largest:
        yield f"lr held at {base:.3g}", line, lambda stage: stage.rates(lambda *_: base)


def _clip(remedy: Remedy, _run: Run) -> Iterator[Option]:
    most = float(remedy.parameters.get("norm", 1.0))

    def before(optimizer: around.Optimizer, _number: int) -> None:
        held = [each for group in optimizer.param_groups for each in group["params"]]
        nn.utils.clip_grad_norm_([each for each in held if each.grad is not None], most)

    line = f"nn.utils.clip_grad_norm_(model.parameters(), {most:g}) before optimizer.step()"
    yield f"clip {most:g}", line, lambda stage: stage.at_each_step(before)


def _raise_clip(remedy: Remedy, _run: Run) -> Iterator[Option]:
    most = float(remedy.parameters["max_norm"])
    module = torch.nn.utils.clip_grad

    def wrapper(
        original: Callable[..., Any], parameters: Any, _old: float, *rest: Any, **named: Any
    ) -> Any:
        return original(parameters, most, *rest, **named)

    def apply(stage: Stage) -> None:
        stage.patch(module, "_clip_grads_with_norm_", wrapper)

    yield f"clip {most:g}", f"clip_grad_norm_(model.parameters(), {most:g})", apply


def _epsilon(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    yield "eps 1e-08", "eps=1e-8", _grouping(eps=1e-8)


def _grouping(**values: Any) -> Apply:
    """Set these in each group of an optimizer that has them."""

    def apply(stage: Stage) -> None:
        for optimizer in stage.optimizers:
            for group in optimizer.param_groups:
                group.update({key: value for key, value in values.items() if key in group})

    return apply


def _decay(remedy: Remedy, run: Run) -> Iterator[Option]:
    old = run.config.get("weight_decay")
    wanted = remedy.parameters.get("weight_decay")
    if wanted is None and isinstance(old, float):
        wanted = old / 100
    for value in dict.fromkeys((wanted, 0.0)):
        if value is not None:
            line = f"weight_decay={value:g}"
            yield f"weight decay {value:g}", line, _grouping(weight_decay=value)


def _against_the_gradient(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    def before(optimizer: around.Optimizer, _number: int) -> None:
        for group in optimizer.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    each.grad.neg_()

    def apply(stage: Stage) -> None:
        flipped = [
            group
            for optimizer in stage.optimizers
            for group in optimizer.param_groups
            if group.get("maximize")
        ]
        for group in flipped:
            group["maximize"] = False
        if not flipped:
            stage.at_each_step(before)

    yield "sign flipped", "loss.backward() on the loss itself, not on its negative", apply


def _empty_gradients(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    def apply(stage: Stage) -> None:
        stage.at_each_step(lambda *_: None, lambda optimizer: optimizer.zero_grad())

    yield "zero_grad", "optimizer.zero_grad() after each optimizer.step()", apply


# -- who holds the parameters ----------------------------------------------------------------------


def _unfreeze(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    def apply(stage: Stage) -> None:
        for parameter in stage.model.parameters():
            if parameter.is_floating_point():
                parameter.requires_grad_(True)
        _add_missing(stage)

    yield "unfrozen", "model.requires_grad_(True), before the optimizer is made", apply


def _add_to_optimizer(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    line = "optimizer = ...(model.parameters(), ...), once the model is whole"
    yield "all parameters in the optimizer", line, _add_missing


def _add_missing(stage: Stage) -> None:
    """Give the first optimizer those trainable parameters that none holds."""
    held = {
        id(each)
        for optimizer in stage.optimizers
        for group in optimizer.param_groups
        for each in group["params"]
    }
    missing = [
        each for each in stage.model.parameters() if each.requires_grad and id(each) not in held
    ]
    if missing:
        stage.optimizers[0].add_param_group({"params": missing})


# -- the data and the loss -------------------------------------------------------------------------


def _inputs(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    line = "x = (x - x_train.mean(0)) / x_train.std(0)"
    yield "inputs standardized", line, lambda stage: stage.before_model(Standardizer())


def _targets(_remedy: Remedy, run: Run) -> Iterator[Option]:
    rms, mean = (_last(run, name) for name in ("target_rms", "target_mean"))
    deviation = math.sqrt(max(0.0, rms**2 - mean**2)) or rms
    if not 0 < deviation < math.inf:
        return
    degree = 2 if str(run.config.get("criterion")) in LENGTH_SQUARED else 1

    def unscaled(answer: Any) -> Any:
        if isinstance(answer, Tensor) and answer.is_floating_point():
            return Unscaled.apply(answer, mean, deviation, degree)
        return answer

    yield (
        "targets standardized",
        f"y = (y - {mean:.3g}) / {deviation:.3g}",
        lambda stage: stage.behind_model(unscaled),
    )


def _last(run: Run, name: str) -> float:
    values = run.step(name)[:, 0]
    known = values[values == values]
    return float(known[-1]) if len(known) else math.nan


def _remove_operation(remedy: Remedy, run: Run) -> Iterator[Option]:
    operation = str(remedy.parameters.get("operation", ""))
    criterion = str(run.config.get("criterion") or "")
    if operation.startswith(("softmax", "log_softmax")) or "cross_entropy" in criterion:
        line = "leave out the softmax: cross_entropy takes logits"
        yield "no softmax before the loss", line, around.without_softmax
    if operation.startswith("sigmoid"):
        line = "leave out the sigmoid: the loss takes logits"
        yield "no sigmoid before the loss", line, around.without_sigmoid


def _shapes(_remedy: Remedy, _run: Run) -> Iterator[Option]:
    yield "targets in the answers' shape", "criterion(model(x), y.view_as(model(x)))", (
        around.same_shapes
    )


def _norm_momentum(remedy: Remedy, _run: Run) -> Iterator[Option]:
    value = float(remedy.parameters.get("momentum", 0.1))

    def apply(stage: Stage) -> None:
        for module in stage.model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.momentum = value

    yield f"norm momentum {value:g}", f"nn.BatchNorm2d(..., momentum={value:g})", apply


def _activation(remedy: Remedy, _run: Run) -> Iterator[Option]:
    name = str(remedy.parameters.get("activation", ""))
    if name not in MODULES:
        return
    old = (nn.Sigmoid, nn.Tanh) if name in ("relu", "tanh") else (nn.ReLU,)
    made, written = MODULES[name]

    def apply(stage: Stage) -> None:
        for parent in list(stage.model.modules()):
            for key, child in list(parent.named_children()):
                if isinstance(child, old):
                    setattr(parent, key, made())

    yield name, f"{written} in the place of {old[0].__name__}", apply


MODULES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "relu": (nn.ReLU, "nn.ReLU()"),
    "leaky_relu": (lambda: nn.LeakyReLU(0.1), "nn.LeakyReLU(0.1)"),
    "elu": (nn.ELU, "nn.ELU()"),
    "tanh": (nn.Tanh, "nn.Tanh()"),
}


# -- names -----------------------------------------------------------------------------------------


def _rows(remedy: Remedy, run: Run) -> list[int]:
    """Return the rows (from 1) that a remedy names; all matrices where it names none."""
    named = [each for each in remedy.parameters.get("layers", ()) if isinstance(each, int)]
    if named:
        return named
    return [row for row in range(1, run.matrices.shape[2] + 1) if _drawn(run, row)]


def _parameter_name(run: Run, row: int) -> str:
    """Return the name of a row's parameter, as in `model.named_parameters()`."""
    name, path, owner = (str(run.layer(key)[row - 1]) for key in ("name", "path", "owner"))
    of_module = name == path or (not path and name == owner)
    return (f"{path}.weight" if path else "weight") if of_module else name


def _counted(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"


ACTIONS: dict[str, Callable[[Remedy, Run], Iterator[Option]]] = {
    "initialize": _initialize,
    "zero biases": _zero_biases,
    "raise forget bias": _forget_bias,
    "lower learning rate": _lower_rate,
    "raise learning rate": _raise_rate,
    "warm up": _warm_up,
    "stretch schedule": _hold_rate,
    "shorten warm-up": _hold_rate,
    "clip gradient": _clip,
    "raise clip norm": _raise_clip,
    "set epsilon": _epsilon,
    "lower weight decay": _decay,
    "flip the sign": _against_the_gradient,
    "empty gradients": _empty_gradients,
    "unfreeze": _unfreeze,
    "add to optimizer": _add_to_optimizer,
    "standardize inputs": _inputs,
    "standardize target": _targets,
    "remove output operation": _remove_operation,
    "use criterion on logits": _remove_operation,
    "use logits": _remove_operation,
    "match shapes": _shapes,
    "raise norm momentum": _norm_momentum,
    "use activation": _activation,
}
"""Action -> the ways to carry it out."""
