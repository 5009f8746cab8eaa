"""Random PyTorch trainings, each run twice: watched, it is the same bit for bit."""

from __future__ import annotations

import copy
import io
import random
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from gradlab.adapters.torch import watch
from tests.bitwise import different, hooks_on, state_of
from tests.fuzz.tally import Tally

STEPS = 13  # more than are measured in full


class Noisy(nn.Module):
    """Draws from every generator, as careless augmentation does."""

    def forward(self, x):
        plain = random.random() + np.random.rand()  # noqa: NPY002
        return x * (1 + 0.01 * plain) + 0.01 * torch.rand_like(x)


class Repeated(nn.Module):
    """Uses a layer twice, a bare parameter, and never its last module."""

    def __init__(self, size: int):
        super().__init__()
        self.layer, self.unused = nn.Linear(size, size), nn.Linear(size, size)
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return self.scale * self.layer(torch.tanh(self.layer(x)))


class Residual(nn.Module):
    """Adds what it computes."""

    def __init__(self, size: int):
        super().__init__()
        self.up, self.down = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)

    def forward(self, x):
        return x + self.down(F.relu(self.up(x)))


class Checkpointed(nn.Module):
    """Computes its inside again in the backward pass."""

    def __init__(self, size: int):
        super().__init__()
        self.inside = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Dropout(0.2))

    def forward(self, x):
        return checkpoint(self.inside, x, use_reentrant=False)


class Doubled(torch.autograd.Function):
    """Has a backward pass of its own."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, *gradients):
        return 2 * gradients[0]


class Custom(nn.Module):
    """Calls an autograd function by hand, on a product by hand."""

    def __init__(self, size: int):
        super().__init__()
        self.w = nn.Parameter(torch.eye(size))

    def forward(self, x):
        return Doubled.apply(x @ self.w)


class Recurrent(nn.Module):
    """Reads features as a sequence."""

    def __init__(self, size: int):
        super().__init__()
        self.cell, self.out = nn.LSTM(1, size, batch_first=True), nn.Linear(size, size)

    def forward(self, x):
        states, _ = self.cell(x[..., None])
        return self.out(states[:, -1])


class Attending(nn.Module):
    """Attends over features."""

    def __init__(self, size: int):
        super().__init__()
        self.into = nn.Linear(1, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.out = nn.Linear(4 * size, size)

    def forward(self, x):
        tokens = self.into(x[..., None])
        return self.out(self.attention(tokens, tokens, tokens)[0].flatten(1))


class Convolving(nn.Module):
    """Convolves over features."""

    def __init__(self, size: int):
        super().__init__()
        self.inside = nn.Sequential(nn.Conv1d(1, 3, 3, padding=1), nn.BatchNorm1d(3), nn.ReLU(True))
        self.out = nn.Linear(3 * size, size)

    def forward(self, x):
        return self.out(self.inside(x[:, None]).flatten(1))


class Looked(nn.Module):
    """Looks codes up in a sparse table."""

    def __init__(self, size: int):
        super().__init__()
        self.table = nn.Embedding(8, size, sparse=True)

    def forward(self, x):
        return x + self.table((x[:, 0] > 0).long())


PARTS: dict[str, Callable[[int], nn.Module]] = {
    "linear": lambda n: nn.Linear(n, n),
    "tanh": lambda n: nn.Tanh(),
    "relu in place": lambda n: nn.Sequential(nn.Linear(n, n), nn.ReLU(inplace=True)),
    "batch norm": lambda n: nn.BatchNorm1d(n),
    "layer norm": lambda n: nn.LayerNorm(n),
    "dropout": lambda n: nn.Dropout(0.3),
    "noise": lambda n: Noisy(),
    "repeated": Repeated,
    "residual": Residual,
    "checkpointed": Checkpointed,
    "custom": Custom,
    "recurrent": Recurrent,
    "attending": Attending,
    "convolving": Convolving,
    "looked up": Looked,
    "weight norm": lambda n: parametrizations.weight_norm(nn.Linear(n, n)),
    "spectral norm": lambda n: parametrizations.spectral_norm(nn.Linear(n, n)),
    "lazy": lambda n: nn.LazyLinear(n),
    "frozen": lambda n: nn.Linear(n, n).requires_grad_(False),
    "identity": lambda n: nn.Identity(),
    "no bias": lambda n: nn.Linear(n, n, bias=False),
}

OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, amsgrad=True),
    "adafactor": lambda p: torch.optim.Adafactor(p, 0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, centered=True),
    "rprop": lambda p: torch.optim.Rprop(p, 0.01),
    "foreach": lambda p: torch.optim.SGD(p, 0.05, foreach=True),
    "fused": lambda p: torch.optim.Adam(p, 0.01, fused=True),
    "maximize": lambda p: torch.optim.SGD(p, 0.001, maximize=True),
    "tensor rate": lambda p: torch.optim.Adam(p, torch.tensor(0.01)),
    "closure": lambda p: torch.optim.LBFGS(p, 0.1, max_iter=3),
}

HABITS = (
    "accumulate",
    "clip",
    "clip values",
    "evaluate",
    "copy",
    "save",
    "load",
    "anomaly",
    "keep zeros",
    "retain",
    "penalty",
    "vmap",
    "schedule",
    "add group",
    "thread",
    "autocast",
    "functional",
    "trace",
    "freeze",
    "replace",
    "nan",
    "raise",
    "log odd",
    "log nothing",
    "two losses",
    "hooks",
    "no step",
    "double step",
    "inference",
    "snapshot",
    "unfreeze",
    "share",
    "empty batch",
    "dict out",
)


@dataclass(frozen=True)
class Plan:
    """A training: what the model is made of, how it is trained and how it is watched."""

    parts: tuple[str, ...]
    optimizer: str
    habits: frozenset[str]
    options: dict[str, Any] = field(hash=False)
    seed: int = 0


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A training put together at random."""
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        options["every"] = draw(st.sampled_from([1, 2, 5]))
    for name, usual in (("modules", True), ("updates", True), ("histograms", False)):
        if not draw(st.integers(0, 4)):
            options[name] = not usual
    if draw(st.booleans()):
        options["on_nonfinite"] = draw(st.sampled_from(["trace", "record"]))
    return Plan(
        tuple(draw(st.lists(st.sampled_from(list(PARTS)), min_size=1, max_size=5))),
        draw(st.sampled_from(list(OPTIMIZERS))),
        frozenset(draw(st.lists(st.sampled_from(HABITS), max_size=4))),
        options,
        draw(st.integers(0, 99)),
    )


class Unwatched:
    """Stands where the recorder stands."""

    def log(self, **values: Any) -> None:
        """Do nothing."""

    def snapshot(self) -> None:
        """Do nothing."""


class Deliberate(Exception):
    """The user's own error, in the middle of a training."""


class Training:
    """One training after a plan."""

    def __init__(self, plan: Plan):
        self.plan = plan
        torch.manual_seed(plan.seed)
        np.random.seed(plan.seed)  # noqa: NPY002
        random.seed(plan.seed)
        size = 6
        body = [PARTS[name](size) for name in plan.parts]
        self.model: nn.Module = nn.Sequential(*body, nn.Linear(size, 3))
        if "share" in plan.habits and hasattr(body[0], "weight"):
            self.model.append(nn.Linear(3, 3))
        self.x, self.y = torch.randn(12, size), torch.randint(0, 3, (12,))
        self.model(self.x)  # makes lazy layers; draws the same numbers in either training
        trained = [each for each in self.model.parameters() if each.requires_grad]
        self.optimizer = OPTIMIZERS[plan.optimizer](trained)
        self.errors: list[str] = []
        self.losses: list[float] = []

    def run(self, recorder: Any) -> None:
        """Train, whatever the habits."""
        if "thread" in self.plan.habits:
            thread = threading.Thread(target=self._loop, args=(recorder,))
            thread.start()
            thread.join()
        else:
            self._loop(recorder)

    def _loop(self, recorder: Any) -> None:
        scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 3)
        for step in range(STEPS):
            try:
                self._step(step, recorder)
            except Deliberate:
                self.errors.append("deliberate")
            except Exception as error:  # of the user's own making; the same in either training
                self.errors.append(f"{type(error).__name__}: {error}"[:80])
            if "schedule" in self.plan.habits:
                scheduler.step()

    def _step(self, step: int, recorder: Any) -> None:
        habits = self.plan.habits
        self._before(step, recorder)
        if "closure" in self.plan.optimizer:
            loss = self.optimizer.step(lambda: self._backward(step))
        else:
            loss = self._backward(step)
            if "no step" not in habits or step % 3:
                self.optimizer.step()
            if "double step" in habits:
                self.optimizer.step()
        self.optimizer.zero_grad(set_to_none="keep zeros" not in habits)
        self.losses.append(float(loss))
        if "log nothing" not in habits:
            recorder.log(loss=loss)
        if "log odd" in habits:
            recorder.log(validation_loss=float("inf"), score=np.float32(step))

    def _before(self, step: int, recorder: Any) -> None:
        habits, model = self.plan.habits, self.model
        if "evaluate" in habits and step % 2:
            model.eval()
            with torch.no_grad():
                model(self.x)
            model.train()
        if "inference" in habits and step == 4:
            with torch.inference_mode():
                model(self.x)
        if "copy" in habits and step == 5:
            copy.deepcopy(model)(self.x)
        if "save" in habits and step == 5:
            torch.save(model.state_dict(), io.BytesIO())
        if "load" in habits and step == 6:
            model.load_state_dict(copy.deepcopy(model.state_dict()))
            self.optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        if "trace" in habits and step == 3:
            torch.jit.trace(model, self.x, check_trace=False)
        if "vmap" in habits and step == 3:
            torch.func.vmap(model, randomness="different")(self.x[None])
        if "freeze" in habits and step == 7:
            next(model.parameters()).requires_grad_(False)
        if "unfreeze" in habits and step == 4:
            for parameter in model.parameters():
                parameter.requires_grad_(True)
        if "add group" in habits and step == 4 and len(self.optimizer.param_groups) == 1:
            self.optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3))]})
        if "replace" in habits and step == 8 and isinstance(model, nn.Sequential):
            model[-1] = nn.Linear(6, 3)
        if "snapshot" in habits and step == 9:
            recorder.snapshot()

    def _backward(self, step: int) -> torch.Tensor:
        habits = self.plan.habits
        rounds = 2 if "accumulate" in habits else 1
        total = torch.zeros(())
        for _ in range(rounds):
            with torch.autograd.set_detect_anomaly("anomaly" in habits and step == 2):
                loss = self._loss(step)
                loss.backward(retain_graph="retain" in habits)
                if "retain" in habits:
                    loss.backward()
            total = total + loss.detach()
        if "raise" in habits and step == 6:
            raise Deliberate
        parameters = list(self.model.parameters())
        if "clip" in habits:
            nn.utils.clip_grad_norm_(parameters, 0.5)
        if "clip values" in habits:
            nn.utils.clip_grad_value_(parameters, 0.01)
        return total

    def _loss(self, step: int) -> torch.Tensor:
        habits, x = self.plan.habits, self.x
        if "nan" in habits and step == 10:
            x = torch.full_like(x, float("nan"))
        if "empty batch" in habits and step == 5:
            x = x[:0]
        with torch.autocast("cpu", enabled="autocast" in habits):
            if "functional" in habits and step % 2:
                out = torch.func.functional_call(
                    self.model, dict(self.model.named_parameters()), (x,)
                )
            else:
                out = self.model(x)
            loss = F.cross_entropy(out.float(), self.y[: len(x)])
        if "two losses" in habits:
            loss = loss + 0.1 * out.square().mean()
        if "penalty" in habits:
            first = next(each for each in self.model.parameters() if each.requires_grad)
            (gradient,) = torch.autograd.grad(loss, first, create_graph=True, allow_unused=True)
            loss = loss if gradient is None else loss + 0.01 * gradient.square().sum()
        return loss

    def state(self) -> dict[str, Any]:
        """Return everything that a training leaves behind."""
        left = state_of(self.model, [self.optimizer])
        return left | {"losses": np.array(self.losses).tobytes(), "errors": self.errors}


def compare(plan: Plan) -> None:
    """Train twice and compare."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bare = Training(plan)
            bare.run(Unwatched())
            expected = bare.state()
            watched = Training(plan)
            before = hooks_on(watched.model)
            with watch(watched.model, watched.optimizer, **plan.options) as recorder:
                watched.run(recorder)
            found = watched.state()
    finally:
        torch.set_num_threads(threads)
    ended = [str(each.message) for each in caught if "stopped recording" in str(each.message)]
    assert not ended, ended
    wrong = different(expected, found)
    assert not wrong, f"{', '.join(wrong)[:300]}; {expected['errors']} {found['errors']}"
    assert hooks_on(watched.model) == before


def attempt(plan: Plan, tally: Tally) -> None:
    """Train after a plan, watched and not."""
    tally.attempt(repr(plan), lambda: compare(plan))
