"""Data that several members train on: digits, English text, and a cart with a pole."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import torch
from torch import Tensor


@functools.cache
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return scikit-learn's digits between 0 and 1: images, labels to train on, then to test."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(images, dtype=torch.float32)[order] / 16
    y = torch.tensor(labels, dtype=torch.long)[order]
    return x[:1400], y[:1400], x[1400:], y[1400:]


@functools.cache
def text() -> tuple[Tensor, Tensor, int]:
    """Return scikit-learn's data set descriptions as codes: to train on, to test on, vocabulary."""
    from sklearn import datasets

    names = ("diabetes", "iris", "wine", "digits", "breast_cancer")
    whole = "".join(getattr(datasets, f"load_{name}")().DESCR for name in names).lower()
    letters = sorted("abcdefghijklmnopqrstuvwxyz0123456789 .,\n")
    whole = "".join(each if each in letters else " " for each in whole)
    codes = torch.tensor([letters.index(each) for each in whole])
    cut = len(codes) * 9 // 10
    return codes[:cut], codes[cut:], len(letters)


def batches(count: int, size: int, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield `steps` full batches of indices below `count`, shuffled anew in every epoch."""
    generator = torch.Generator().manual_seed(seed)
    given = 0
    while given < steps:
        order = torch.randperm(count, generator=generator)
        for start in range(0, count - size + 1, size):
            if given == steps:
                return
            yield order[start : start + size]
            given += 1


def accuracy(model: torch.nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of rows that the model, in evaluation mode, classifies rightly."""
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(-1) == y).float().mean().item()


class CartPoles:
    """Carts with poles, side by side: CartPole-v1's physics, at most 200 steps an episode."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.state = self.fresh(count)
        self.age = torch.zeros(count)
        self.finished: list[float] = []

    def fresh(self, count: int) -> Tensor:
        return torch.rand(count, 4, generator=self.generator) * 0.1 - 0.05

    def step(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Push right (1) or left (0); return (reward, done). Poles that fell are set up again."""
        place, speed, angle, turn = self.state.unbind(1)
        force = action.float() * 20 - 10
        cosine = angle.cos()
        sine = angle.sin()
        pushed = (force + 0.05 * turn**2 * sine) / 1.1
        turned = (9.8 * sine - cosine * pushed) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        moved = pushed - 0.05 * turned * cosine / 1.1
        new = torch.stack(
            (place + 0.02 * speed, speed + 0.02 * moved, angle + 0.02 * turn, turn + 0.02 * turned),
            1,
        )
        self.age = self.age + 1
        fallen = (new[:, 0].abs() > 2.4) | (new[:, 2].abs() > 12 * math.pi / 180)
        done = fallen | (self.age >= 200)
        self.finished += self.age[done].tolist()
        self.age = torch.where(done, 0.0, self.age)
        self.state = torch.where(done[:, None], self.fresh(len(new)), new)
        return torch.ones(len(new)), done.float()


def mean_return(choose: object, episodes: int = 16) -> float:
    """Return the mean length of fresh episodes under `choose` (states -> actions)."""
    torch.manual_seed(99)
    poles = CartPoles(episodes, seed=99)
    length = torch.zeros(episodes)
    alive = torch.ones(episodes)
    with torch.no_grad():
        for _ in range(200):
            _, done = poles.step(choose(poles.state))
            length += alive
            alive = alive * (1 - done)
    return length.mean().item()


def without_torchvision_operators() -> None:
    """Declare the operators that a torchvision for CUDA misses at import beside a CPU PyTorch."""
    if hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    KEPT.append(library)


KEPT: list[torch.library.Library] = []
