"""Nets that hold a planted fault behind attention with a mask, in several forms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.adapters.origins.faults import INFINITY, WIDTH

ROWS, LENGTH, CLASSES = 6, 8, 5
MASKS = ("masked_fill", "where", "triu", "additive", "full", "sdpa_causal", "sdpa_mask", "alibi")


def causal(length: int) -> Tensor:
    return torch.ones(length, length).tril().bool()


def bias_of(kind: str, length: int) -> Tensor:
    """Return a causal mask (length, length) to add to the scores, made as people make it."""
    seen = causal(length)
    if kind == "where":
        return torch.where(seen, 0.0, -INFINITY)
    if kind == "triu":
        return torch.triu(torch.full((length, length), -INFINITY), diagonal=1)
    if kind == "full":
        bias = torch.zeros(length, length)
        bias[~seen] = -INFINITY
        return bias
    if kind == "alibi":
        far = torch.arange(length)[None] - torch.arange(length)[:, None]
        return (0.5 * far).masked_fill(~seen, -INFINITY)
    return torch.zeros(length, length).masked_fill(~seen, -INFINITY)


class Attention(nn.Module):
    """Causal attention of one head, its mask made in one of the usual ways."""

    def __init__(self, mask: str):
        super().__init__()
        self.mask = mask
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.register_buffer("bias", bias_of("masked_fill", LENGTH))

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = self.qkv(h).chunk(3, -1)
        if self.mask == "sdpa_causal":
            return h + F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if self.mask == "sdpa_mask":
            return h + F.scaled_dot_product_attention(q, k, v, attn_mask=causal(h.shape[1]))
        scores = q @ k.transpose(-2, -1) / WIDTH**0.5
        if self.mask == "masked_fill":
            scores = scores.masked_fill(~causal(h.shape[1]), -INFINITY)
        elif self.mask == "additive":
            scores = scores + self.bias
        else:
            scores = scores + bias_of(self.mask, h.shape[1])
        return h + torch.softmax(scores, -1) @ v


class Plain(nn.Module):
    """The fault is a module of the model itself."""

    PATH = "fault"

    def __init__(self, mask: str, fault: nn.Module):
        super().__init__()
        self.embed, self.attn = nn.Linear(4, WIDTH), Attention(mask)
        self.fault = fault
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor, on: Tensor) -> Tensor:
        h = self.attn(self.embed(x))
        h = self.fault(h, on)
        return self.answer(h)

    def answer(self, h: Tensor) -> Tensor:
        return self.head(self.norm(h.to(self.head.weight.dtype))).mean(1)


class Block(nn.Module):
    def __init__(self, mask: str, fault: nn.Module | None):
        super().__init__()
        self.attn, self.norm, self.up = (
            Attention(mask),
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, WIDTH),
        )
        self.fault = fault

    def forward(self, h: Tensor, on: Tensor) -> Tensor:
        h = self.attn(h)
        if self.fault is not None:
            h = h + self.fault(self.norm(h), on).to(h.dtype)
        return h + self.up(h).relu()


class Blocks(Plain):
    """The fault is in the second of three blocks."""

    PATH = "blocks.1.fault"

    def __init__(self, mask: str, fault: nn.Module):
        super().__init__(mask, nn.Identity())
        self.blocks = nn.ModuleList(Block(mask, fault if n == 1 else None) for n in range(3))

    def forward(self, x: Tensor, on: Tensor) -> Tensor:
        h = self.embed(x)
        for block in self.blocks:
            h = self.run(block, h, on)
        return self.answer(h)

    def run(self, block: nn.Module, h: Tensor, on: Tensor) -> Tensor:
        return block(h, on)


class Checkpointed(Blocks):
    def run(self, block: nn.Module, h: Tensor, on: Tensor) -> Tensor:
        return checkpoint(block, h, on, use_reentrant=False)  # pyright: ignore[reportReturnType]


class Autocast(Blocks):
    """The same in bfloat16, where autocast says so."""

    def forward(self, x: Tensor, on: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x, on).float()


FORMS = {"plain": Plain, "blocks": Blocks, "checkpoint": Checkpointed, "autocast": Autocast}


def batch(step: int, broken: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs (ROWS, LENGTH, 4), classes, and whether the fault is on."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(ROWS, LENGTH, 4, generator=generator)
    y = torch.randint(CLASSES, (ROWS,), generator=generator)
    return x, y, torch.tensor(float(broken))
