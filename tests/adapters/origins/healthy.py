"""Twenty healthy models with infinities on purpose: no mask of theirs is ever an origin."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.adapters.origins.faults import INFINITY, WIDTH
from tests.adapters.origins.nets import CLASSES, LENGTH, MASKS, Plain, causal


class Masked(nn.Module):
    """x (N, LENGTH, 4) -> logits (N, CLASSES), by scores that some mask has changed."""

    def __init__(self):
        super().__init__()
        self.embed, self.qk = nn.Linear(4, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.attn = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor, on: Tensor) -> Tensor:
        return self.head(self.mix(self.embed(x))).mean(1)

    def scores(self, h: Tensor) -> Tensor:
        q, k = self.qk(h).chunk(2, -1)
        return q @ k.transpose(-2, -1) / math.sqrt(WIDTH)

    def mix(self, h: Tensor) -> Tensor:
        return torch.softmax(self.masked(self.scores(h)), -1) @ h

    def masked(self, scores: Tensor) -> Tensor:
        raise NotImplementedError


class LogOfMask(Masked):
    def masked(self, scores):
        return scores + causal(LENGTH).float().log()


class LowestNumber(Masked):
    def masked(self, scores):
        low = torch.finfo(scores.dtype).min
        padding = torch.zeros(LENGTH).index_fill(0, torch.tensor([7]), low)
        future = torch.full((LENGTH, LENGTH), low).triu(1)
        return scores + (future + padding)  # overflows to -inf where both hide a key


class SlidingWindow(Masked):
    def masked(self, scores):
        far = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)[None]
        return scores.masked_fill((far < 0) | (far > 2), -INFINITY)


class TopScores(Masked):
    def masked(self, scores):
        least = scores.topk(3, -1).values[..., -1:]
        return torch.where(scores < least, torch.full_like(scores, -INFINITY), scores)


class SafeRow(Masked):
    """A row that is masked whole, mended as the field does."""

    def mix(self, h):
        hidden = ~causal(LENGTH)
        hidden[0] = True
        scores = self.scores(h).masked_fill(hidden, -INFINITY)
        whole = hidden.all(-1)
        weight = torch.softmax(scores.masked_fill(whole[:, None], 0.0), -1)
        return weight.masked_fill(whole[:, None], 0.0) @ h


class PaddedKeys(Masked):
    def mix(self, h):
        padding = torch.arange(LENGTH) >= torch.full((len(h), 1), 5)
        return self.attn(h, h, h, key_padding_mask=padding)[0]


class PaddedByFloats(Masked):
    def mix(self, h):
        padding = torch.zeros(len(h), LENGTH).index_fill(1, torch.tensor([6, 7]), -INFINITY)
        return self.attn(h, h, h, key_padding_mask=padding, need_weights=False)[0]


class SquareSubsequent(Masked):
    def mix(self, h):
        mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
        return self.attn(h, h, h, attn_mask=mask)[0]


class Segments(Masked):
    """A maximum over segments begins at -inf."""

    def mix(self, h):
        start = torch.full((len(h), 2, WIDTH), -INFINITY)
        which = (torch.arange(LENGTH) % 2)[None, :, None].expand_as(h)
        return start.scatter_reduce(1, which, h, "amax")


class Pooled(Masked):
    def mix(self, h):
        return F.max_pool1d(h.transpose(1, 2), 3, padding=1).transpose(1, 2)


class RunningBest(Masked):
    def mix(self, h):
        best = h.new_full(h[:, 0].shape, -INFINITY)
        for position in range(LENGTH):
            best = torch.maximum(best, h[:, position])
        return best[:, None]


class IllegalActions(Masked):
    """Its answer holds -inf: actions that are not allowed."""

    def forward(self, x, on):
        logits = self.head(self.embed(x)).mean(1)
        illegal = torch.zeros(CLASSES).bool().index_fill(0, torch.tensor([CLASSES - 1]), True)
        return logits.masked_fill(illegal, -INFINITY)

    classes = CLASSES - 1


NETS = {
    **{f"attention with {mask}": lambda mask=mask: Plain(mask, _Same()) for mask in MASKS},
    "log of a mask": LogOfMask, "lowest number of the format": LowestNumber,
    "sliding window": SlidingWindow, "top scores": TopScores, "row masked whole, mended": SafeRow,
    "padded keys": PaddedKeys, "padded by floats": PaddedByFloats,
    "square subsequent": SquareSubsequent, "maximum by segments": Segments,
    "max pooling": Pooled, "running maximum": RunningBest, "illegal actions": IllegalActions,
}  # fmt: skip


class _Same(nn.Module):
    def forward(self, h: Tensor, on: Tensor) -> Tensor:
        return h
