"""Data and helpers of the vision, generative and graph members.

Import it inside functions: it needs PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

# An operator lives as long as the library that defines it.
_LIBRARIES: list[torch.library.Library] = []


def allow_torchvision() -> None:
    """Define two operators that torchvision wants at import; a build for CUDA lacks them on CPU."""
    if "torchvision" in sys.modules:
        return
    try:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
    except RuntimeError:
        pass  # somebody else has defined them


@cache
def _pixels() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits in a fixed random order: images of 0..1 and labels."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images = (images[order] / 16.0).astype("float32").reshape(-1, 1, 8, 8)
    return images, labels[order].astype("int64")


def digits(
    size: int = 8,
    *,
    channels: int = 1,
    standardize: bool = True,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return 1,437 training and 360 test digits: images, labels, test images, test labels."""
    images, labels = (torch.from_numpy(each.copy()) for each in _pixels())
    if size != 8:
        images = F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    if standardize:
        images = (images - 0.305) / 0.376
    images = images.repeat(1, channels, 1, 1)
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def batches(examples: int, size: int, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield the indices of `steps` batches: epoch after epoch, each shuffled anew."""
    generator = torch.Generator().manual_seed(seed)
    done = 0
    while True:
        order = torch.randperm(examples, generator=generator)
        for start in range(0, examples - size + 1, size):
            if done == steps:
                return
            yield order[start : start + size]
            done += 1


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of right answers in evaluation mode."""
    model.eval()
    with torch.no_grad():
        right = model(x).argmax(1) == y
    model.train()
    return right.float().mean().item()
