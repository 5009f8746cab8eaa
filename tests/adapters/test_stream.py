"""The residual stream against autograd by hand: skip and branch are given inputs of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.run import BLOCK_STATISTICS  # noqa: E402
from tests.adapters.loops import train  # noqa: E402
from tests.adapters.models import GPT, ConvNet  # noqa: E402

WIDTH = 6


class PreNorm(nn.Module):
    """Two additions; `second` splits the later one."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.one, self.two = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def first(self, skip: Tensor, branch: Tensor) -> Tensor:
        return skip + torch.tanh(self.one(self.norm1(branch)))

    def second(self, skip: Tensor, branch: Tensor) -> Tensor:
        return skip + torch.tanh(self.two(self.norm2(branch)))

    def forward(self, x):
        x = self.first(x, x)
        return self.second(x, x)


class PostNorm(PreNorm):
    def first(self, skip, branch):
        return self.norm1(skip + torch.tanh(self.one(branch)))

    def second(self, skip, branch):
        return self.norm2(skip + torch.tanh(self.two(branch)))


class ReluAfter(nn.Module):
    """As in a ResNet: two layers on the branch, relu behind the sum."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def only(self, skip, branch):
        return torch.relu(skip + self.two(torch.relu(self.one(branch))))

    def forward(self, x):
        return self.only(x, x)


class DownSampling(ReluAfter):
    """The skip is a projection: no identity."""

    def __init__(self):
        super().__init__()
        self.shortcut = nn.Linear(WIDTH, WIDTH)

    def only(self, skip, branch):
        return torch.relu(self.two(torch.relu(self.one(branch))) + self.shortcut(skip))


class Cross(nn.Module):
    """Attends to itself, then to a memory that comes from outside."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.own = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.other = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.memory = torch.empty(0)

    def first(self, skip, branch):
        x = self.norm1(branch)
        return skip + self.own(x, x, x, need_weights=False)[0]

    def second(self, skip, branch):
        return skip + self.other(self.norm2(branch), self.memory, self.memory)[0]

    def forward(self, x):
        x = self.first(x, x)
        return self.second(x, x)


class Net(nn.Module):
    def __init__(self, block: type[nn.Module]):
        super().__init__()
        self.stem, self.head = nn.Linear(4, WIDTH), nn.Linear(WIDTH, 3)
        self.blocks = nn.ModuleList(block() for _ in range(3))
        self.context = nn.Linear(4, WIDTH)

    def forward(self, x):
        memory = self.context(x)
        h = self.stem(x)
        for block in self.blocks:
            if isinstance(block, Cross):
                block.memory = memory
            h = block(h)
        return self.head(h).mean(1)


def data():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(5, 7, 4, dtype=torch.float64, generator=generator)
    return x, torch.randint(0, 3, (5,), generator=generator)


def made(block):
    torch.manual_seed(1)
    return Net(block).double()


def recorded(model, steps=1, given=None, **options):
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(model, optimizer, every=1, **options) as recorder:
        train(model, optimizer, steps, recorder, given or data())
    return recorder.run


def by_hand(model, number, split):
    """Return the gradients of skip and branch of one addition of block `number`, each at its input.

    `split` is the name of the block's method that takes them apart.
    """
    x, y = data()
    memory = model.context(x)
    h = model.stem(x)
    ends = {}
    for count, block in enumerate(model.blocks):
        block.memory = memory
        for name in ("first", "second", "only"):
            step = getattr(block, name, None)
            if step is None:
                continue
            if (count, name) == (number, split):
                ends["skip"], ends["branch"] = (h.detach().requires_grad_() for _ in range(2))
                h = step(ends["skip"], ends["branch"])
            else:
                h = step(h, h)
    loss = F.cross_entropy(model.head(h).mean(1), y)
    return torch.autograd.grad(loss, [ends["skip"], ends["branch"]])


SPLITS = [(PreNorm, "first", 1), (PreNorm, "second", 2), (PostNorm, "first", 1),
          (PostNorm, "second", 2), (ReluAfter, "only", 1), (DownSampling, "only", 1),
          (Cross, "first", 1), (Cross, "second", 2)]  # fmt: skip


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize(("block", "split", "count"), SPLITS)
def test_skip_and_branch_are_those_of_autograd(block, split, count, number):
    model = made(block)
    skip, branch = by_hand(model, number, split)
    run = recorded(model)
    inside = run.blocks[run.blocks["kind"] == "addition"]
    mine = inside[inside["path"] == f"blocks.{number}"].index[count - 1]
    share = float(branch.norm() / (branch.norm() + skip.norm()))
    cosine = float((branch * skip).sum() / (branch.norm() * skip.norm()))
    assert run.block_statistic("branch_share")[0, 0, mine] == pytest.approx(share, rel=1e-9)
    assert run.block_statistic("branch_cosine")[0, 0, mine] == pytest.approx(cosine, rel=1e-8)
    at_sum = run.block_statistic("stream_grad_norm")[0, 0, mine]
    factor = run.block_statistic("stream_log_gain")[0, 0, mine]
    assert math.exp(factor) * at_sum == pytest.approx(float((skip + branch).norm()), rel=1e-9)


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("block", [ReluAfter, DownSampling])
def test_the_factor_of_a_skip_is_that_of_autograd(block, number):
    """Of an identity it is 1; else the gradient at its input over that at the sum."""
    model = made(block)
    skip, _ = by_hand(model, number, "only")
    run = recorded(model)
    mine = run.blocks[run.blocks["block"].str.startswith(f"blocks.{number}.")].index[0]
    at_sum = run.block_statistic("stream_grad_norm")[0, 0, mine]
    factor = math.exp(run.block_statistic("skip_log_gain")[0, 0, mine])
    assert factor * at_sum == pytest.approx(float(skip.norm()), rel=1e-9)
    assert (factor == 1.0) == (block is ReluAfter)


@pytest.mark.parametrize("block", [PreNorm, PostNorm, ReluAfter, DownSampling, Cross])
def test_the_stream_at_each_blocks_output_is_that_of_autograd(block):
    model = made(block)
    x, y = data()
    states = [model.stem(x)]
    memory = model.context(x)
    for each in model.blocks:
        each.memory = memory
        states.append(each(states[-1]))
    loss = F.cross_entropy(model.head(states[-1]).mean(1), y)
    gradients = [float(each.norm()) for each in torch.autograd.grad(loss, states)]
    run = recorded(model)
    rows = slice(0, 3)
    assert run.blocks["block"].tolist()[rows] == [f"blocks.{n}" for n in range(3)]
    found = {
        name: run.block_statistic(name)[0, 0, rows]
        for name in ("stream_rms", "stream_grad_norm", "stream_log_gain")
    }
    rms = [float(each.detach().square().mean().sqrt()) for each in states[1:]]
    assert found["stream_rms"] == pytest.approx(rms, rel=1e-9)
    assert found["stream_grad_norm"] == pytest.approx(gradients[1:], rel=1e-9)
    steps = np.log(np.array(gradients[:-1]) / np.array(gradients[1:]))
    assert found["stream_log_gain"] == pytest.approx(steps, rel=1e-7)


class NoNorm(PreNorm):
    def first(self, skip, branch):
        return skip + torch.tanh(self.one(branch))

    def second(self, skip, branch):
        return skip + torch.tanh(self.two(branch))


class Rooted(PreNorm):
    """A norm written by hand, as in Llama."""

    @staticmethod
    def rooted(x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)

    def first(self, skip, branch):
        return skip + self.one(self.rooted(branch))

    def second(self, skip, branch):
        return skip + self.two(self.rooted(branch))


class NormAtTheEnd(PreNorm):
    """As in a ResNet: the norm decides how large the branch is."""

    def first(self, skip, branch):
        return skip + self.norm1(self.one(branch))


@pytest.mark.parametrize(
    ("block", "norm"),
    [(PreNorm, "before"), (Cross, "before"), (Rooted, "before"), (PostNorm, "after"),
     (NoNorm, "none"), (ReluAfter, ""), (DownSampling, ""), (NormAtTheEnd, "")],
)  # fmt: skip
def test_where_the_norms_of_a_block_stand_is_read_off_the_graph(block, norm):
    blocks = recorded(made(block)).blocks
    assert blocks["norm"][blocks["kind"] != "addition"].tolist() == [norm] * 3


def test_a_block_pools_its_additions():
    model = made(PreNorm)
    pairs = [by_hand(model, 1, split) for split in ("first", "second")]
    skip, branch = (math.hypot(*(float(pair[k].norm()) for pair in pairs)) for k in (0, 1))
    inner = sum(float((a * b).sum()) for a, b in pairs)
    run = recorded(model)
    assert run.block_statistic("branch_share")[0, 0, 1] == pytest.approx(branch / (branch + skip))
    assert run.block_statistic("branch_cosine")[0, 0, 1] == pytest.approx(inner / (branch * skip))


def test_additions_are_named_after_their_branches():
    torch.manual_seed(0)
    tokens = torch.randint(0, 128, (2, 16))
    run = recorded(GPT(), given=(tokens, tokens.flatten()))
    inside = run.blocks[run.blocks["kind"] == "addition"]
    assert inside["block"].tolist() == [
        f"blocks.{n}.{name}" for n in range(3) for name in ("attention", "up-down")
    ]
    names = run.layers["name"].tolist()
    assert [names[n - 1] for n in inside["layers"].iloc[0]] == [
        "blocks.0.attention.qkv", "blocks.0.attention.proj",
    ]  # fmt: skip


# -- what is no residual stream


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return torch.tanh(self.two(torch.tanh(self.one(x))))


class TwoBranches(Plain):
    """A sum of two layers of one input."""

    def forward(self, x):
        return torch.tanh(self.one(x) + self.two(x))


class ByHand(Plain):
    """Additions in an activation and for a bias: no stream."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x):
        z = self.two(self.one(x)) + self.bias
        return z * torch.sigmoid(z + 0.05 * z**3)


class Adapted(Plain):
    """A low-rank adapter beside a layer, behind a norm."""

    def __init__(self):
        super().__init__()
        self.norm, self.down = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2)
        self.up, self.last = nn.Linear(2, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        x = self.norm(x)
        return self.one(x) + self.up(self.down(x))


@pytest.mark.parametrize("block", [Plain, TwoBranches, ByHand, Adapted])
def test_a_net_without_additions_reports_no_stream(block):
    run = recorded(made(block), steps=3)
    assert run.blocks["block"].tolist() == ["blocks.0", "blocks.1", "blocks.2"]
    assert len(run.block_signals) == 0


def test_a_net_without_blocks_reports_none():
    torch.manual_seed(0)
    x = torch.randn(8, 1, 8, 8).flatten(1)
    run = recorded(ConvNet(), given=(x, torch.randint(0, 10, (8,))))
    assert len(run.blocks) == len(run.block_signals) == 0


# -- how it goes with the rest


def test_a_training_of_a_residual_net_is_that_of_an_unwatched_one_bit_by_bit():
    def trained(watching):
        torch.manual_seed(0)
        tokens = torch.randint(0, 128, (2, 16))
        model = GPT()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        if watching:
            with watch(model, optimizer, every=1) as recorder:
                losses = train(model, optimizer, 6, recorder, (tokens, tokens.flatten()))
        else:
            losses = train(model, optimizer, 6, data=(tokens, tokens.flatten()))
        return losses, model.state_dict()

    (first, bare), (second, seen) = trained(False), trained(True)
    assert first == second
    assert all(torch.equal(a, b) for a, b in zip(bare.values(), seen.values(), strict=True))


def test_micro_batches_are_the_whole_batch():
    x, y = data()
    runs = []
    for parts in (1, 5):
        model = made(PreNorm)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        with watch(model, optimizer, every=1) as recorder:
            for _ in range(2):
                for xs, ys in zip(x.chunk(parts), y.chunk(parts), strict=True):
                    (F.cross_entropy(model(xs), ys) / parts).backward()
                optimizer.step()
                optimizer.zero_grad()
        runs.append(recorder.run)
    for name in BLOCK_STATISTICS:
        one, five = (run.block_statistic(name) for run in runs)
        assert five == pytest.approx(one, rel=1e-9, nan_ok=True), name


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_gives_the_same_stream(reentrant):
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(Net):
        def forward(self, x):
            h = self.stem(x)
            for block in self.blocks:
                h = checkpoint(block, h, use_reentrant=reentrant)
            return self.head(h).mean(1)

    torch.manual_seed(1)
    other = Checkpointed(PreNorm).double()
    plain, packed = recorded(made(PreNorm), steps=2), recorded(other, steps=2)
    for name in BLOCK_STATISTICS:
        expected, found = plain.block_statistic(name), packed.block_statistic(name)
        assert found[1] == pytest.approx(expected[1], rel=1e-9, nan_ok=True), name


def test_a_scaler_changes_no_number():
    def run(scaler):
        torch.manual_seed(1)
        model = Net(PreNorm)
        x, y = data()
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        with watch(model, optimizer, every=1) as recorder:
            scaler.scale(F.cross_entropy(model(x.float()), y)).backward()
            scaler.step(optimizer)
            scaler.update()
        return recorder.run

    plain = run(torch.amp.GradScaler("cpu", enabled=False))
    scaled = run(torch.amp.GradScaler("cpu", init_scale=1024.0))
    for name in ("stream_grad_norm", "stream_log_gain", "branch_share", "branch_cosine"):
        expected = plain.block_statistic(name)
        assert scaled.block_statistic(name) == pytest.approx(expected, rel=1e-4, nan_ok=True), name


@pytest.mark.parametrize("whole", [True, False])
def test_a_compiled_model_has_the_same_stream(whole):
    plain, model = made(PreNorm), made(PreNorm)
    if whole:
        model = torch.compile(model, backend="eager")
    else:
        for block in model.blocks:
            block.compile(backend="eager")
    expected, found = recorded(plain, steps=3), recorded(model, steps=3)
    assert found.blocks["block"].tolist() == expected.blocks["block"].tolist()
    for name in BLOCK_STATISTICS:
        assert found.block_statistic(name) == pytest.approx(
            expected.block_statistic(name), rel=1e-9, nan_ok=True
        )
