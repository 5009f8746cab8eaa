"""The PyTorch trainings of `_ten_pages`: a small GPT and a classifier, each with its faults."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from torch import Tensor, nn

import gradlab
from gradlab.adapters.torch import watch

VOCABULARY, LENGTH, WIDTH, HEADS = 50, 16, 32, 4


class Attention(nn.Module):
    """Causal attention; its softmax is PyTorch's, or one written by hand."""

    def __init__(self, by_hand: bool):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.by_hand = by_hand

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) from (B, T, D)."""
        rows, length, width = x.shape
        shape = rows, length, 3, HEADS, width // HEADS
        q, k, v = self.qkv(x).view(shape).permute(2, 0, 3, 1, 4)
        if self.by_hand:
            weights = (q @ k.transpose(-1, -2)).exp().tril()
            seen = weights / weights.sum(-1, keepdim=True) @ v
        else:
            seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(seen.transpose(1, 2).reshape(rows, length, width))


class Mlp(nn.Module):
    """Up, GELU, down."""

    def __init__(self):
        super().__init__()
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) from (B, T, D)."""
        return self.down(nn.functional.gelu(self.up(x)))


class Block(nn.Module):
    """Attention and MLP, each added to the stream."""

    def __init__(self, by_hand: bool, normed: bool):
        super().__init__()
        self.ln1 = nn.LayerNorm(WIDTH) if normed else nn.Identity()
        self.attn = Attention(by_hand)
        self.ln2 = nn.LayerNorm(WIDTH) if normed else nn.Identity()
        self.mlp = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D) from (B, T, D)."""
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    """A decoder: embeddings, blocks, a norm and a head."""

    def __init__(self, blocks: int, *, by_hand: bool = False, normed: bool = True):
        super().__init__()
        self.tok = nn.Embedding(VOCABULARY, WIDTH)
        self.pos = nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block(by_hand, normed) for _ in range(blocks))
        self.ln = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (B, T, V) from tokens (B, T)."""
        x = self.tok(tokens) + self.pos(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln(x))


def train_transformer(
    name: str, *, blocks: int, fault: str, out: Path, steps: int = 80
) -> gradlab.Run:
    """Train a GPT to count on; its fault is "overflow", "gain" or ""."""
    torch.manual_seed(0)
    model = GPT(blocks, by_hand=fault == "overflow", normed=fault != "gain")
    if fault == "gain":
        with torch.no_grad():
            for block in list(model.blocks)[blocks // 3 :]:
                block.attn.proj.weight *= 3
                block.mlp.down.weight *= 3
    rate = 0.1 if fault == "overflow" else 1e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 20))
    first = torch.randint(0, VOCABULARY, (64, 1))
    text = (first + torch.arange(LENGTH + 1)) % VOCABULARY
    with watch(model, optimizer, out=out, name=name, overwrite=True, on_finding=None) as recorder:
        for _ in range(steps):
            rows = text[torch.randint(0, len(text), (16,))]
            logits = model(rows[:, :-1]).flatten(0, 1)
            loss = nn.functional.cross_entropy(logits, rows[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            recorder.log(loss=loss)
    return gradlab.load(out)


class Classifier(nn.Module):
    """Layers of ReLU under a head; the softmax is where a newcomer puts it, or not there."""

    def __init__(self, depth: int, width: int, softmax: bool):
        super().__init__()
        widths = [64] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.head = nn.Linear(width, 10)
        self.softmax = softmax

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 10) from (B, 64)."""
        for layer in self.layers:
            x = layer(x).relu()
        answer = self.head(x)
        return answer.softmax(-1) if self.softmax else answer


def train_classifier(name: str, *, fault: str, out: Path, steps: int = 120) -> gradlab.Run:
    """Train on digits in half precision; the fault is "bias", "softmax" or ""."""
    torch.manual_seed(0)
    data = gradlab.datasets.digits()
    x = torch.tensor(data.x_train, dtype=torch.float32)
    y = torch.tensor(data.y_train).long()
    model = Classifier(4, 64, fault == "softmax")
    if fault == "bias":
        for layer in model.layers:
            nn.init.constant_(layer.bias, -0.6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps + 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12, growth_interval=40)
    with watch(model, optimizer, out=out, name=name, overwrite=True, on_finding=None) as recorder:
        for _ in range(steps):
            rows = torch.randint(0, len(x), (64,))
            with torch.autocast("cpu", torch.float16, enabled=not fault):
                loss = nn.functional.cross_entropy(model(x[rows]).float(), y[rows])
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            recorder.log(loss=loss)
    return gradlab.load(out)
