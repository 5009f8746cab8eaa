"""Small models of the kinds that people train in PyTorch, healthy or with one planted fault."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pydoc_data.topics import topics

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradlab
from gradlab.adapters.torch import watch

Batch = tuple[Tensor, Tensor]


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.qkv, self.proj = (
            heads,
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        examples, length, width = x.shape
        q, k, v = (
            part.view(examples, length, self.heads, -1).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(examples, length, width))


class Block(nn.Module):
    """A transformer block; `post` puts the norms after the additions, as in 2017."""

    def __init__(self, width: int, heads: int, post: bool):
        super().__init__()
        self.attention, self.post = Attention(width, heads), post
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        if self.post:
            x = self.norms[0](x + self.attention(x))
            return self.norms[1](x + self.down(F.gelu(self.up(x))))
        x = x + self.attention(self.norms[0](x))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class GPT(nn.Module):
    def __init__(self, depth: int = 3, width: int = 48, post: bool = False, norm: bool = True):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(128, width), nn.Embedding(32, width)
        self.blocks = nn.ModuleList(Block(width, 4, post) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 128, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                branch = name.endswith(("proj.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * depth) if branch else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).flatten(0, 1)


class ConvNet(nn.Module):
    """A residual net of 3x3 convolutions on 8x8 digits."""

    def __init__(self, width: int = 12, blocks: int = 4, norm: bool = True):
        super().__init__()
        make = (lambda: nn.BatchNorm2d(width)) if norm else nn.Identity
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.first = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(blocks))
        self.second = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(blocks))
        self.norms = nn.ModuleList(make() for _ in range(2 * blocks))
        self.head, self.gate = nn.Linear(width, 10), 1.0

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x.view(-1, 1, 8, 8)))
        for k, (one, two) in enumerate(zip(self.first, self.second, strict=True)):
            branch = self.norms[2 * k + 1](two(F.relu(self.norms[2 * k](one(x)))))
            x = F.relu(x + (self.gate if k == 1 else 1.0) * branch)
        return self.head(x.mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, width: int = 48):
        super().__init__()
        self.embedding, self.lstm = (
            nn.Embedding(128, 24),
            nn.LSTM(24, width, num_layers=2, batch_first=True),
        )
        self.head = nn.Linear(width, 128)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[0]).flatten(0, 1)


def layer_norm_mlp(depth: int = 8, width: int = 48) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Linear(64, width)]
    for _ in range(depth):
        parts += [nn.LayerNorm(width), nn.Tanh(), nn.Linear(width, width)]
    return nn.Sequential(*parts, nn.ReLU(), nn.Linear(width, 10))


def deep_mlp(activation: type[nn.Module], depth: int = 12, width: int = 48) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Linear(64, width)]
    for _ in range(depth):
        parts += [activation(), nn.Linear(width, width)]
    return nn.Sequential(*parts, activation(), nn.Linear(width, 10))


def text(seed: int, examples: int = 16, length: int = 32) -> Callable[[], Batch]:
    """Batches of the documentation that comes with Python, character by character."""
    letters = torch.from_numpy(
        np.frombuffer("".join(topics.values()).encode("ascii", "replace"), np.uint8).copy()
    )
    generator = torch.Generator().manual_seed(seed)

    def batch() -> Batch:
        starts = torch.randint(0, len(letters) - length - 1, (examples,), generator=generator)
        rows = torch.stack([letters[s : s + length + 1] for s in starts.tolist()]).long()
        return rows[:, :-1], rows[:, 1:].flatten()

    return batch


def digits(seed: int, examples: int = 32) -> Callable[[], Batch]:
    data = gradlab.datasets.digits(seed=0)
    x, y = (
        torch.from_numpy(data.x_train.astype(np.float32)),
        torch.from_numpy(data.y_train.astype(np.int64)),
    )
    generator = torch.Generator().manual_seed(seed)

    def batch() -> Batch:
        chosen = torch.randint(0, len(x), (examples,), generator=generator)
        return x[chosen], y[chosen]

    return batch


@dataclass(frozen=True)
class Training:
    """One training: what is built, how it is trained, and what a diagnosis must say of it.

    Attributes
    ----------
    expected : tuple of str
        Codes of which one must be a root finding; none: the training is healthy.
    """

    name: str
    model: Callable[[], nn.Module]
    data: Callable[[int], Callable[[], Batch]]
    expected: tuple[str, ...] = ()
    optimizer: str = "AdamW"
    learning_rate: float = 2e-3
    steps: int = 150
    plant: Callable[[nn.Module], None] | None = None
    zero_grad: bool = True
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy

    def run(self, seed: int = 0, **options) -> gradlab.Run:
        """Train and record."""
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        model, batch = self.model(), self.data(seed)
        if self.plant is not None:
            with torch.no_grad():
                self.plant(model)
        optimizer = getattr(torch.optim, self.optimizer)(model.parameters(), lr=self.learning_rate)
        baseline = entropy() if self.data is text else math.log(10)
        with watch(model, optimizer, name=self.name, baseline_loss=baseline, **options) as recorder:
            for _ in range(self.steps):
                x, y = batch()
                loss = self.loss(model(x), y)
                loss.backward()
                optimizer.step()
                if self.zero_grad:
                    optimizer.zero_grad()
                recorder.log(loss=loss)
        return recorder.run


def entropy() -> float:
    """Return the loss of the best constant prediction of the next letter."""
    counts = np.unique(
        list("".join(topics.values()).encode("ascii", "replace")), return_counts=True
    )[1]
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def scale(factor: float) -> Callable[[nn.Module], None]:
    """Multiply every weight matrix."""

    def plant(model: nn.Module) -> None:
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(factor)

    return plant


def log_of_probabilities(z: Tensor, y: Tensor) -> Tensor:
    """A cross-entropy written by hand: log(0) once a probability underflows."""
    return -torch.log(torch.softmax(200 * z, dim=-1))[torch.arange(len(y)), y].mean()


def dead_branch(model: nn.Module) -> None:
    model.gate = 0.0


def half(model: nn.Module) -> None:
    model.to(torch.bfloat16)


def half_digits(seed: int) -> Callable[[], Batch]:
    batch = digits(seed)

    def half_batch() -> Batch:
        x, y = batch()
        return x.bfloat16(), y

    return half_batch


def unnormalized() -> nn.Module:
    return ConvNet(norm=False)


def post_norm() -> nn.Module:
    return GPT(24, 32, post=True)


HEALTHY = (
    Training("gpt", GPT, text),
    Training("gpt with SGD", GPT, text, optimizer="SGD", learning_rate=0.3),
    Training("convnet", ConvNet, digits),
    Training("convnet with SGD", ConvNet, digits, optimizer="SGD", learning_rate=0.05),
    Training("lstm", Recurrent, text, learning_rate=1e-2),
    Training("layer-norm mlp", layer_norm_mlp, digits),
    Training("layer-norm mlp with SGD", layer_norm_mlp, digits, optimizer="SGD", learning_rate=0.1),
)
FAULTY = (
    Training(
        "mlp, tiny init",
        lambda: deep_mlp(nn.ReLU),
        digits,
        ("GL101",),
        "SGD",
        0.05,
        plant=scale(0.3),
    ),
    Training("mlp, sigmoid", lambda: deep_mlp(nn.Sigmoid), digits, ("GL101",), "SGD", 0.05),
    Training(
        "mlp, 4x init",
        lambda: deep_mlp(nn.ReLU),
        digits,
        ("GL102",),
        "SGD",
        0.05,
        plant=scale(4 * 2.4),
    ),
    Training(
        "convnet, 4x init",
        unnormalized,
        digits,
        ("GL102", "GL203"),
        "SGD",
        0.05,
        plant=scale(4),
        steps=75,
    ),
    Training("gpt, post-LN depth", post_norm, text, ("GL101", "GL402"), "SGD", 0.1, steps=60),
    Training("mlp, bf16 weights", layer_norm_mlp, half_digits, ("GL301",), "SGD", 1e-3, plant=half),
    Training("mlp, log(0)", layer_norm_mlp, digits, ("GL001",), loss=log_of_probabilities),
    Training("convnet, dead branch", ConvNet, digits, ("GL105",), plant=dead_branch),
    Training(
        "convnet, no zero_grad", ConvNet, digits, ("GL104",), "SGD", 0.05, zero_grad=False, steps=75
    ),
    Training("gpt, no zero_grad", GPT, text, ("GL104",), zero_grad=False, steps=75),
    Training(
        "lstm, no zero_grad",
        Recurrent,
        text,
        ("GL104",),
        learning_rate=1e-2,
        zero_grad=False,
        steps=75,
    ),
    Training("gpt, rate x 100", GPT, text, ("GL304",), learning_rate=0.2, steps=75),
    Training("convnet, rate x 100", ConvNet, digits, ("GL304",), "SGD", 5.0),
    Training("lstm, rate x 100", Recurrent, text, ("GL304",), learning_rate=1.0, steps=75),
    Training("lstm, rate / 1000", Recurrent, text, ("GL302", "GL402"), learning_rate=1e-5),
)
