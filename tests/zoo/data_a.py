"""Data for the transformers of the zoo: made token tasks, a text, scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

Tensor = Any
IGNORED = -100


def allow_torchvision() -> None:
    """Let a torchvision that was built for CUDA be imported beside a PyTorch for CPUs."""
    import torch

    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _KEPT.append(library)


_KEPT: list[Any] = []


def generator(seed: int) -> Any:
    """Return a generator of its own, so that data do not depend on what the model drew."""
    import torch

    return torch.Generator().manual_seed(seed)


def batches(count: int, size: int, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield the indices of `steps` batches, epoch by epoch, shuffled anew."""
    import torch

    drawn = generator(seed)
    order = torch.randperm(count, generator=drawn)
    start = 0
    for _ in range(steps):
        if start + size > count:
            order = torch.randperm(count, generator=drawn)
            start = 0
        yield order[start : start + size]
        start += size


def topics(
    count: int,
    seed: int,
    *,
    length: int = 24,
    classes: int = 6,
    vocabulary: int = 60,
    spread: float = 1.0,
    language: int = 7,
) -> tuple[Tensor, Tensor]:
    """Return documents (count, length) and their topics; each topic has its own word frequencies.

    Word 0 is kept for masks, word 1 opens every document.
    """
    import torch

    words = vocabulary - 2
    frequencies = (spread * torch.randn(classes, words, generator=generator(language))).softmax(1)
    drawn = generator(seed)
    labels = torch.randint(classes, (count,), generator=drawn)
    drawn_words = torch.multinomial(frequencies[labels], length - 1, True, generator=drawn)
    first = torch.ones(count, 1, dtype=torch.long)
    return torch.cat([first, drawn_words + 2], 1), labels


def chains(
    count: int,
    length: int,
    seed: int,
    *,
    words: int = 32,
    language: int = 3,
    sharp: float = 2.5,
) -> Tensor:
    """Return sentences of a Markov chain (count, length); `language` seeds its transitions."""
    import torch

    table = (sharp * torch.randn(words, words, generator=generator(language))).softmax(1)
    drawn = generator(seed)
    tokens = [torch.randint(words, (count,), generator=drawn)]
    for _ in range(length - 1):
        tokens.append(torch.multinomial(table[tokens[-1]], 1, generator=drawn)[:, 0])
    return torch.stack(tokens, 1)


def brackets(count: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return strings of brackets (1 opens, 2 closes) and the depth after each, from 0 to 5."""
    import torch

    drawn = generator(seed)
    opens = torch.rand(count, length, generator=drawn) < 0.5
    depth = torch.zeros(count, dtype=torch.long)
    tokens = []
    depths = []
    for place in range(length):
        up = (opens[:, place] | (depth == 0)) & (depth < 5)
        depth = depth + torch.where(up, 1, -1)
        tokens.append(torch.where(up, 1, 2))
        depths.append(depth)
    return torch.stack(tokens, 1), torch.stack(depths, 1)


def numbers(count: int, length: int, seed: int, *, values: int = 10) -> Tensor:
    """Return rows of whole numbers from 0 to values - 1, to be sorted, copied or turned round."""
    import torch

    return torch.randint(values, (count, length), generator=generator(seed))


@cache
def text() -> tuple[Tensor, Tensor, int]:
    """Return scikit-learn's descriptions of data sets as characters: training, held out, kinds."""
    import sklearn.datasets
    import torch

    folder = Path(sklearn.datasets.__file__).parent / "descr"
    documents = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.rst"))]
    written = "\n".join(documents).lower()
    kinds = sorted({letter for letter in written if written.count(letter) >= 20})
    numbered = {letter: number for number, letter in enumerate(kinds)}
    codes = torch.tensor([numbered[letter] for letter in written if letter in numbered])
    parts = codes[: len(codes) // 10 * 10].view(10, -1)
    return parts[:9].reshape(-1), parts[9], len(kinds)


def pieces(codes: Tensor, size: int, length: int, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield batches (size, length) of places drawn at random in a text."""
    import torch

    drawn = generator(seed)
    for _ in range(steps):
        starts = torch.randint(len(codes) - length, (size,), generator=drawn)
        yield codes[starts[:, None] + torch.arange(length)]


@cache
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return digits as images (n, 1, 8, 8) of 0..1: training inputs and labels, held-out ones."""
    import torch
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(len(data.target), generator=generator(0))
    images = torch.tensor(data.images, dtype=torch.float32)[order][:, None] / 16
    labels = torch.tensor(data.target)[order]
    return images[:1400], labels[:1400], images[1400:], labels[1400:]
