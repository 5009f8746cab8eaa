"""Check the origin of the first NaN on a GPU, in about a minute: python -m benchmarks.cuda_origin
[--device cpu]

Trains planted numbers with `on_nonfinite="stop"`, which looks on every device: born in the forward
pass, in a derivative, in float16 under autocast, in the loss, in an update and in the data; then
healthy models with masks. Prints each and what was named; the exit status says whether all were
right, weights and generators were left alone, and a step without NaN waits for no device.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradlab.adapters.torch import watch
from gradlab.errors import NonFiniteError

BREAK, STEPS = 7, 9


class Net(nn.Module):
    """Attention behind a mask of -inf, and one operation that breaks where `on` is 1."""

    def __init__(self, operation: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.embed, self.qk = nn.Linear(4, 16), nn.Linear(16, 32)
        self.operation, self.head = operation, nn.Linear(16, 5)

    def forward(self, x: Tensor, on: Tensor) -> Tensor:
        h = self.embed(x)
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


def train(name: str, device: torch.device) -> tuple[dict[str, object], bool]:
    """Train a case up to the break; return its origin, and whether the weights stayed whole."""
    operation, loss_of, half, _ = CASES[name]
    torch.manual_seed(0)
    model = Net(operation).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    recorder = watch(model, optimizer, every=5, on_nonfinite="stop")
    with contextlib.suppress(NonFiniteError), recorder:
        for step in range(STEPS):
            x = torch.randn(6, 8, 4, device=device)
            y = torch.randint(5, (6,), device=device)
            on = torch.tensor(float(step == BREAK), device=device)
            if name == "NaN in the batch" and step == BREAK:
                x[2, 1, 0] = float("nan")
            if name == "infinite learning rate" and step == BREAK - 1:
                optimizer.param_groups[0]["lr"] = float("inf")
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                answer = model(x, on)
            loss = loss_of(answer.float(), y, on)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    whole = all(bool(each.isfinite().all()) for each in model.parameters())
    return recorder.run.provenance.get("nonfinite_origin") or {}, whole


def waits(device: torch.device) -> bool:
    """Whether a watched step without NaN waits for the device, by PyTorch's own alarm."""
    model = Net(same).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    on, y = torch.zeros((), device=device), torch.zeros(6, dtype=torch.long, device=device)
    x = torch.randn(6, 8, 4, device=device)
    with watch(model, optimizer, every=100):
        for step in range(20):
            with _alarm(device, step > 2):
                loss = plain_loss(model(x, on), y, on)
                optimizer.zero_grad()
                loss.backward()
                try:
                    optimizer.step()
                except RuntimeError:
                    return True
    return False


@contextlib.contextmanager
def _alarm(device: torch.device, on: bool) -> Iterator[None]:
    """Have PyTorch raise where something waits for a GPU."""
    if device.type != "cuda" or not on:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def main() -> int:
    """Check all, and return how many were wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    device = torch.device(parser.parse_args().device)
    began, wrong = time.perf_counter(), 0
    for name, (*_, expected) in CASES.items():
        origin, whole = train(name, device)
        kept = whole or name == "infinite learning rate"
        named = expected in str(origin.get("operation", ""))
        line = "line" in origin
        right = named and line and kept and origin.get("iteration") == BREAK
        wrong += not right
        place = f"{origin.get('file', '?')}:{origin.get('line', '?')}"
        print(f"{'right' if right else 'WRONG'}  {name}: {origin.get('operation')} at {place}")
    waiting = waits(device)
    wrong += waiting
    print(f"{'WRONG' if waiting else 'right'}  a step without NaN waits for no device")
    print(f"{wrong} wrong, {time.perf_counter() - began:.0f} s on {device}")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
