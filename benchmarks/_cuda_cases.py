"""What `benchmarks.cuda_origin` trains: a small net, and numbers planted in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BREAK, STEPS = 7, 9  # the step at which it breaks, and how many there are


class Net(nn.Module):
    """Attention behind a mask of -inf, and one operation that breaks where `on` is 1."""

    def __init__(self, operation: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.embed, self.qk = nn.Linear(4, 16), nn.Linear(16, 32)
        self.operation, self.head = operation, nn.Linear(16, 5)
        self.drop = nn.Dropout(0.2)

    def forward(self, x: Tensor, on: Tensor) -> Tensor:
        h = self.drop(self.embed(x))
        q, k = self.qk(h).chunk(2, -1)
        seen = torch.ones(x.shape[1], x.shape[1], device=x.device).tril().bool()
        scores = (q @ k.transpose(-2, -1) / 4).masked_fill(~seen, float("-inf"))
        h = h + torch.softmax(scores, -1) @ h
        return self.head(self.operation(h, on).to(self.head.weight.dtype)).mean(1)


def log_of_zero(h: Tensor, on: Tensor) -> Tensor:
    return torch.log(h.float().sigmoid() * (1 - on))


def exp_overflow(h: Tensor, on: Tensor) -> Tensor:
    return torch.log1p(torch.exp(h.float().abs() * (1 + 1e5 * on)))


def half_overflow(h: Tensor, on: Tensor) -> Tensor:
    return (h.float() * (1 + 1e8 * on)).half().float()


def root_at_zero(h: Tensor, on: Tensor) -> Tensor:
    return torch.sqrt((h.abs() + 1) * (1 - on))


def branch_of_log(h: Tensor, on: Tensor) -> Tensor:
    x = (h.float().abs() + 1) * (1 - on)
    return torch.where(x > 0, torch.log(x), torch.zeros_like(x))


def same(h: Tensor, on: Tensor) -> Tensor:
    return h


def plain_loss(answer: Tensor, y: Tensor, on: Tensor) -> Tensor:
    return F.cross_entropy(answer, y)


def masked_mean(answer: Tensor, y: Tensor, on: Tensor) -> Tensor:
    mask = (y >= 0).float() * (1 - on)
    return (F.cross_entropy(answer, y, reduction="none") * mask).sum() / mask.sum()


CASES = {
    "log of 0, forward": (log_of_zero, plain_loss, False, "log"),
    "exp, forward": (exp_overflow, plain_loss, False, "exp"),
    "float16, under autocast": (half_overflow, plain_loss, True, "copy"),
    "root at 0, backward": (root_at_zero, plain_loss, False, "sqrt"),
    "branch of a log, backward": (branch_of_log, plain_loss, False, "log"),
    "division by 0, in the loss": (same, masked_mean, False, "div"),
    "NaN in the batch": (same, plain_loss, False, "input"),
    "infinite learning rate": (same, plain_loss, False, "update"),
}


def batch(device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.randn(6, 8, 4, device=device), torch.randint(5, (6,), device=device)


def made(operation: Callable[[Tensor, Tensor], Tensor], device: torch.device) -> tuple[Any, Any]:
    """Return a model and its optimizer."""
    torch.manual_seed(0)
    model = Net(operation).to(device)
    return model, torch.optim.SGD(model.parameters(), 1e-3)
