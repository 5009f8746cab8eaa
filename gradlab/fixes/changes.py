"""Which changes of a `Setup` carry out a remedy of the built-in engine.

One function an action of `gradlab.rules.remedies`; an action that is not here takes the user's own
code or data, and is shown instead of tried. A remedy that leaves alternatives open ("LayerNorm or
BatchNorm") becomes several changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from gradlab.fixes.setup import Setup
from gradlab.fixes.trial import Change
from gradlab.nn import optimizers, schedules
from gradlab.rules import Remedy
from gradlab.rules.remedies import fitting_scheme

BRANCHES = (0.2, 1.0)  # scales of residual branches: small ones keep deep nets of relu level
DROPOUT, PENALTY = 0.3, 0.01
LONGEST = 10**9  # iterations
USUAL_FACTOR = 10.0  # on a learning rate

Apply = Callable[[Setup], Setup]
# What a table calls the change, the line to change, and the change itself.
Option = tuple[str, str, Apply]


def changes_for(remedy: Remedy, setup: Setup) -> list[Change]:
    """Return the changes that carry out a remedy; none that the setup has already."""
    options = OPTIONS.get(remedy.action)
    if options is None:
        return []
    found = []
    for words, line, apply in options(remedy, setup):
        if apply(setup) != setup:
            found.append(Change(words, remedy, line, apply))
    return found


def can_be_tried(remedy: Remedy) -> bool:
    """Whether a remedy can be carried out without the user's own code or data."""
    return remedy.action in OPTIONS


def _training(**values: object) -> Apply:
    return lambda setup: setup.training(**values)


def _network(**values: object) -> Apply:
    return lambda setup: replace(setup, **values)  # type: ignore[arg-type]


def _initialize(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    gain = float(remedy.parameters.get("gain", 1.0))
    scheme = str(remedy.parameters.get("scheme") or fitting_scheme(setup.activation))
    line = f'init="{scheme}"' + ("" if gain == setup.gain else f", gain={gain:g}")
    words = f"{scheme}" + ("" if gain == setup.gain else f", gain {gain:g}")
    if (scheme, gain) == (setup.init, setup.gain):
        words, line = "weights as drawn", f"{line} and nothing that overwrites the weights"
    yield words, line, _network(init=scheme, gain=gain, start="drawn", biases="zero")


def _zero_biases(_remedy: Remedy, _setup: Setup) -> Iterator[Option]:
    yield "biases 0", "model.biases.flat.fill(0)", _network(biases="zero")


def _rate(remedy: Remedy, setup: Setup, *, up: bool) -> Iterator[Option]:
    """Multiply or divide the rate by the remedy's factor, or else by 10."""
    factor = float(remedy.parameters.get("factor", USUAL_FACTOR))
    old = setup.options.learning_rate
    wider = (factor * USUAL_FACTOR,) if up else ()  # a short run takes larger steps than usual
    for each in dict.fromkeys((factor, *wider, USUAL_FACTOR)):
        if not 1 < each < math.inf:
            continue
        new = float(f"{old * each if up else old / each:.3g}")
        if 0 < new < math.inf:
            yield f"learning_rate {new:g}", f"learning_rate={new:g}", _training(learning_rate=new)


def _warm_up(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    least = max(1, setup.options.iterations // 4)
    length = min(int(remedy.parameters.get("iterations", 50)), least)
    name, *rest = setup.options.schedule.split(":")
    kept = [part for part in rest if not part.startswith("warmup=")]
    schedule = ":".join([name, *kept, f"warmup={length}"])
    yield f"warm-up {length}", f'schedule="{schedule}"', _training(schedule=schedule)


def _clip(remedy: Remedy, _setup: Setup) -> Iterator[Option]:
    most = float(remedy.parameters.get("norm", 1.0))
    clip = f"norm:most={most:g}"
    yield f"clip {most:g}", f'clip="{clip}"', _training(clip=clip)


def _raise_clip_norm(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    if setup.options.clip is not None:
        most = float(remedy.parameters.get("max_norm", 1.0))
        yield from _clip(replace(remedy, parameters={"norm": most}), setup)


def _epsilon(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    name, values = optimizers.describe(setup.options.optimizer)
    _, usual = optimizers.describe(name)
    if "epsilon" not in values:
        return
    wanted = float(f"{float(remedy.parameters.get('epsilon', 1e-8)):.3g}")
    default = float(usual["epsilon"] or 0.0)
    for epsilon in dict.fromkeys((min(wanted, default), wanted)):
        if epsilon > 0:
            optimizer = _optimizer(name, values | {"epsilon": epsilon}, usual)
            yield f"epsilon {epsilon:g}", f'optimizer="{optimizer}"', _training(optimizer=optimizer)


def _optimizer(name: str, values: dict, usual: dict) -> str:
    """Write an optimizer with those hyperparameters that are not as usual."""
    changed = [f"{key}={value:g}" for key, value in values.items() if value != usual[key]]
    return ":".join([name, *changed])


def _use_optimizer(remedy: Remedy, _setup: Setup) -> Iterator[Option]:
    name = str(remedy.parameters.get("optimizer", "adam"))
    line = f'optimizer="{name}", learning_rate=0.001'
    yield f"{name} 0.001", line, _training(optimizer=name, learning_rate=0.001)


def _decay(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    factor = float(remedy.parameters.get("factor", 100.0))
    factor = factor if factor > 1 else 1 / factor
    for name in ("l1", "l2"):
        old = getattr(setup.options, name)
        if old > 0:
            new = float(f"{old / factor:.3g}")
            yield f"{name} {new:g}", f"{name}={new:g}", _training(**{name: new})
    name, values = optimizers.describe(setup.options.optimizer)
    decay = values.get("weight_decay")
    if decay:
        _, usual = optimizers.describe(name)
        new = float(f"{float(remedy.parameters.get('weight_decay', decay / factor)):.3g}")
        optimizer = _optimizer(name, values | {"weight_decay": new}, usual)
        yield f"weight_decay {new:g}", f'optimizer="{optimizer}"', _training(optimizer=optimizer)


def _activation(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    named = remedy.parameters.get("activation")
    for name in (named, "tanh") if setup.activation == "sigmoid" else (named,):
        if name and name != setup.activation:
            scheme = fitting_scheme(name)
            line = f'activation="{name}", init="{scheme}"'
            yield name, line, _network(activation=name, init=scheme, gain=1.0, start="drawn")


def _normalize(_remedy: Remedy, setup: Setup) -> Iterator[Option]:
    for norm in ("layer", "batch"):
        if setup.norm is None and not (norm == "batch" and setup.options.batch_size == 1):
            yield f"{norm} norm", f'norm="{norm}"', _network(norm=norm)


def _shortcuts(_remedy: Remedy, setup: Setup) -> Iterator[Option]:
    alike = any(a == b for a, b in zip(setup.sizes[1:-2], setup.sizes[2:-1], strict=True))
    if setup.residual is None and alike:
        for scale in BRANCHES:
            yield f"residual {scale:g}", f"residual={scale:g}", _network(residual=scale)


def _standardize_inputs(_remedy: Remedy, _setup: Setup) -> Iterator[Option]:
    line = "x = (x - x_train.mean(0)) / x_train.std(0)"
    yield "inputs standardized", line, _network(inputs="standardized")


def _standardize_target(_remedy: Remedy, _setup: Setup) -> Iterator[Option]:
    line = "y = (y - y_train.mean()) / y_train.std()"
    yield "targets standardized", line, _network(targets="standardized")


def _loss(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    if setup.options.loss in ("squared_error", "huber", "mean_absolute_error"):
        for loss in remedy.parameters.get("losses", ("huber",)):
            yield loss, f'loss="{loss}"', _training(loss=loss)


def _schedule(_remedy: Remedy, setup: Setup) -> Iterator[Option]:
    name, values = schedules.hyperparameters.parse(
        "schedule", setup.options.schedule, schedules.HYPERPARAMETERS
    )
    del name
    warm = int(values.get("warmup") or 0)
    short = max(1, setup.options.iterations // 10)
    schedule = f"constant:warmup={short}" if warm > short else "constant"
    yield f"schedule {schedule}", f'schedule="{schedule}"', _training(schedule=schedule)


def _batch(_remedy: Remedy, setup: Setup) -> Iterator[Option]:
    size = 4 * setup.options.batch_size
    yield f"batch_size {size}", f"batch_size={size}", _training(batch_size=size)


def _stop_early(remedy: Remedy, setup: Setup) -> Iterator[Option]:
    length = max(1, min(int(remedy.parameters.get("iteration", LONGEST)), setup.options.iterations))
    yield f"{length} iterations", f"iterations={length}", _training(iterations=length)


def _regularize(_remedy: Remedy, setup: Setup) -> Iterator[Option]:
    if not setup.dropout and setup.depth:
        yield f"dropout {DROPOUT:g}", f"dropout={DROPOUT:g}", _network(dropout=DROPOUT)
    if setup.options.l2 < PENALTY:
        yield f"l2 {PENALTY:g}", f"l2={PENALTY:g}", _training(l2=PENALTY)


OPTIONS: dict[str, Callable[[Remedy, Setup], Iterator[Option]]] = {
    "initialize": _initialize,
    "zero biases": _zero_biases,
    "lower learning rate": partial(_rate, up=False),
    "raise learning rate": partial(_rate, up=True),
    "warm up": _warm_up,
    "shorten warm-up": _schedule,
    "stretch schedule": _schedule,
    "clip gradient": _clip,
    "raise clip norm": _raise_clip_norm,
    "set epsilon": _epsilon,
    "use optimizer": _use_optimizer,
    "lower weight decay": _decay,
    "weaken penalty": _decay,
    "use activation": _activation,
    "normalize": _normalize,
    "add residual connections": _shortcuts,
    "standardize inputs": _standardize_inputs,
    "standardize target": _standardize_target,
    "use loss": _loss,
    "enlarge batch": _batch,
    "stop early": _stop_early,
    "regularize": _regularize,
}
"""Action -> the changes that carry it out."""
