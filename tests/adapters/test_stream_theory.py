"""The residual stream of watched nets at initialization, against theory of their own weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.report.pictures import stream  # noqa: E402

WIDTH, DEPTH, LENGTH, WORDS = 96, 12, 8, 50
WITHIN = 1.35  # positions grow alike forwards, and their gradients do not


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm
        self.attn = Attention() if norm != "none" else Mlp()
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.norm1, self.norm2 = (
            nn.Identity() if norm == "none" else nn.LayerNorm(WIDTH) for _ in range(2)
        )

    def feed(self, x):
        return self.down(torch.relu(self.up(x)))

    def forward(self, x):
        if self.norm == "after":
            x = self.norm1(x + self.attn(x))
            return self.norm2(x + self.feed(x))
        x = x + self.attn(self.norm1(x))
        return x + self.feed(self.norm2(x))


class Net(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.blocks = nn.ModuleList(Block(norm) for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, WORDS)
        for name, parameter in self.named_parameters():
            if "blocks" in name and parameter.ndim == 2:
                nn.init.xavier_normal_(parameter)

    def forward(self, tokens):
        x = self.words(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x).flatten(0, 1)


@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_a_net_at_initialization_lies_in_the_band_of_theory(norm):
    torch.manual_seed(0)
    model = Net(norm)
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    tokens = torch.randint(0, WORDS, (8, LENGTH))
    with watch(model, optimizer) as recorder:
        nn.functional.cross_entropy(model(tokens), tokens.flatten()).backward()
        optimizer.step()
    run = recorder.run
    blocks = run.blocks[run.blocks["kind"] != "addition"]
    assert blocks["norm"].tolist() == [norm] * DEPTH
    info = stream.collect(run, [0])
    for name, over in info.expected.items():
        measured = info.moments[0][name].median
        ends = np.sort([over.low, over.high], axis=0)
        assert (measured > ends[0] / WITHIN).all(), (name, measured / ends[0])
        assert (measured < ends[1] * WITHIN).all(), (name, measured / ends[1])
    assert set(info.expected) == {"stream_rms", "stream_grad_norm"}
