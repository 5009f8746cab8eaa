"""The table of planted non-finite numbers: trains each, and says what an origin names right."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradlab.adapters.torch import watch
from gradlab.run import Run
from tests.adapters.origins import elsewhere, faults, nets
from tests.adapters.origins.elsewhere import BROKEN, STEPS

EVERY = 5  # so that nothing is measured in full where it breaks
MARKER = "# <- here"


@dataclass(frozen=True)
class Case:
    """One planted number: what is trained, and what its origin is."""

    kind: str
    name: str
    form: str
    mask: str
    make: Callable[[], tuple[nn.Module, torch.optim.Optimizer, Callable[[int], Any]]]
    operation: str
    module: str
    place: tuple[str, int]

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}-{self.form}-{self.mask}"


@dataclass(frozen=True)
class Answer:
    """What of an origin is right."""

    operation: bool
    module: bool
    line: bool

    @property
    def right(self) -> bool:
        return self.operation and self.module and self.line


def place_of(source: Any) -> tuple[str, int]:
    """Return file and number of the line with the marker; of several, the last class's."""
    lines, first = inspect.getsourcelines(source)
    number = next(n for n, line in enumerate(lines) if MARKER in line)
    return Path(inspect.getsourcefile(source) or "").name, first + number


def cases() -> Iterator[Case]:
    """Yield every planted number in every form, masks in turn; in the plain form behind each."""
    for kind, group in (("forward", faults.FORWARD), ("backward", faults.BACKWARD)):
        for number, fault in enumerate(group):
            yield from _of_model(kind, fault, number)
    for kind, losses in (("forward", faults.LOSS_FORWARD), ("backward", faults.LOSS_BACKWARD)):
        for number, (loss, operation) in enumerate(losses.items()):
            mask = nets.MASKS[number % len(nets.MASKS)]
            yield Case(
                kind, loss.__name__, "loss", mask, _with_loss(loss, mask), operation, "",
                place_of(loss),
            )  # fmt: skip
    for kind, group in (("update", elsewhere.UPDATE), ("data", elsewhere.DATA)):
        for number, training in enumerate(group):
            mask = nets.MASKS[number % len(nets.MASKS)]
            place = _place_elsewhere(training)
            yield Case(
                kind, training.__name__, "elsewhere", mask, _elsewhere(training, mask),
                training.OPERATION, training.MODULE, place,
            )  # fmt: skip


def _of_model(kind: str, fault: type[faults.Fault], number: int) -> Iterator[Case]:
    place = place_of(getattr(fault, "SOURCE", fault))
    for offset, (form, net) in enumerate(nets.FORMS.items()):
        masks = nets.MASKS if form == "plain" else (nets.MASKS[(number + offset) % 8],)
        for mask in masks:
            make = _with_fault(net, mask, fault)
            yield Case(
                kind, fault.__name__, form, mask, make, fault.OPERATION, _path(fault, net), place
            )


def _path(fault: type[faults.Fault], net: type[nets.Plain]) -> str:
    return net.PATH + (".wide" if fault is faults.LinearOverflow else "")


def _place_elsewhere(training: type[elsewhere.Training]) -> tuple[str, int]:
    if training is elsewhere.HugeInput:  # the product of the first layer, called in the net
        lines, first = inspect.getsourcelines(nets.Blocks)
        number = next(n for n, line in enumerate(lines) if "self.embed(x)" in line)
        return "nets.py", first + number
    try:
        return place_of(training)
    except StopIteration:
        return place_of(elsewhere.Training)


def _with_fault(net, mask, fault):
    def make():
        torch.manual_seed(0)
        model = net(mask, fault())
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)

        def step(number: int) -> torch.Tensor:
            x, y, on = nets.batch(number, number == BROKEN)
            loss = nn.functional.cross_entropy(model(x, on), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return model, optimizer, step

    return make


class Same(nn.Module):
    def forward(self, h: torch.Tensor, on: torch.Tensor) -> torch.Tensor:
        return h


def _with_loss(loss_of, mask):
    def make():
        torch.manual_seed(0)
        model = nets.Plain(mask, Same())
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)

        def step(number: int) -> torch.Tensor:
            x, y, on = nets.batch(number, number == BROKEN)
            loss = loss_of(model(x, torch.tensor(0.0)), y, on)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return model, optimizer, step

    return make


def _elsewhere(training, mask):
    def make():
        made = training(mask)
        return made.model, made.optimizer, made.step

    return make


def train(case: Case, **options: Any) -> Run:
    """Train a case to its end, past the break, and return the record."""
    torch.set_num_threads(1)
    model, optimizer, step = case.make()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"std\(\): degrees of freedom")
        with watch(model, optimizer, every=EVERY, **options) as recorder:
            for number in range(STEPS):
                loss = step(number)
                recorder.log(loss=loss)
    return recorder.run


def judge(case: Case, run: Run) -> Answer:
    """Compare the origin that a record names with the planted one."""
    origin = run.provenance.get("nonfinite_origin") or {}
    operation = bool(re.search(case.operation, str(origin.get("operation", ""))))
    named = origin.get("parameter") or origin.get("argument") or origin.get("module", None)
    module = named == case.module
    file = Path(str(origin.get("file", ""))).name
    line = (file, origin.get("line")) == case.place
    return Answer(operation and origin.get("iteration") == BROKEN, module, line)


def healthy(make: Callable[[], nn.Module]) -> tuple[Run, str]:
    """Train a healthy net; return its record, and what `trace` says of its last batch."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)

    def loss_of(number: int) -> torch.Tensor:
        x, y, on = nets.batch(number, False)
        y = y % getattr(model, "classes", nets.CLASSES)
        return nn.functional.cross_entropy(model(x, on), y)

    with watch(model, optimizer, every=EVERY) as recorder:
        for number in range(STEPS):
            loss = loss_of(number)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
        said = recorder.trace(lambda: loss_of(STEPS))
    return recorder.run, said


def blamed(make: Callable[[], nn.Module]) -> dict[str, Any]:
    """Let a healthy net lose NaN by a bad target; return the origin: never one of its masks."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    with watch(model, optimizer, every=EVERY) as recorder:
        for number in range(STEPS):
            x, y, on = nets.batch(number, False)
            y = y % getattr(model, "classes", nets.CLASSES)
            weight = torch.tensor(float("nan") if number == BROKEN else 1.0)
            loss = nn.functional.cross_entropy(model(x, on), y) * weight
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
    return recorder.run.provenance.get("nonfinite_origin") or {}
