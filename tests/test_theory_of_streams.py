"""Theory of residual streams against nets drawn at random, differentiated by autograd."""

import math

import numpy as np
import pytest

from gradlab import theory
from gradlab.errors import ArgumentError
from gradlab.theory import Branch

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

WIDTH, SEEDS, ROWS = 192, 6, 48
PHI = {"relu": torch.relu, "tanh": torch.tanh, "silu": F.silu, "gelu": F.gelu}


def drawn(variance, generator):
    """A square matrix with fan_in Var W = variance."""
    spread = math.sqrt(variance / WIDTH)
    return spread * torch.randn(WIDTH, WIDTH, dtype=torch.float64, generator=generator)


def feed_forward(branch, generator):
    first, last = (drawn(variance, generator) for variance in branch.weight_variances)
    return lambda x: PHI[branch.activation](x @ first) @ last


def one_layer(branch, generator):
    (last,) = (drawn(variance, generator) for variance in branch.weight_variances)
    return lambda x: PHI[branch.activation](x) @ last


def gated(branch, generator):
    gate, up, down = (drawn(variance, generator) for variance in branch.weight_variances)
    return lambda x: (PHI[branch.activation](x @ gate) * (x @ up)) @ down


def averaging(branch, generator):
    """Every position gets the mean of four: attention that takes no notice of what it reads."""
    values, output = (drawn(variance, generator) for variance in branch.weight_variances)
    return lambda x: (x @ values).unflatten(0, (-1, 4)).mean(1).repeat_interleave(4, 0) @ output


def passing(branch, generator):
    values, output = (drawn(variance, generator) for variance in branch.weight_variances)
    return lambda x: x @ values @ output


def normed(x):
    return F.layer_norm(x, (WIDTH,))


def stepped(x, function, norm):
    if norm == "before":
        return x + function(normed(x))
    return normed(x + function(x)) if norm == "after" else x + function(x)


def simulated(blocks, norm, q, made):
    """Mean over seeds of the stream's rms and ln of its gradient norms, at each block's output."""
    sizes, lengths = [], []
    for seed in range(SEEDS):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(ROWS, WIDTH, dtype=torch.float64, generator=generator) * math.sqrt(q)
        x.requires_grad_()
        states = [x]
        for branches in blocks:
            state = states[-1]
            for branch in branches:
                state = stepped(state, made(branch, generator), norm)
            states.append(state)
        direction = torch.randn(ROWS, WIDTH, dtype=torch.float64, generator=generator)
        gradients = torch.autograd.grad((states[-1] * direction).sum(), states)
        sizes.append([float(each.detach().square().mean().sqrt()) for each in states[1:]])
        lengths.append([math.log(each.norm()) for each in gradients])
    return np.mean(sizes, axis=0), np.mean(lengths, axis=0)


CASES = {
    "pre-norm relu": ("before", 1.0, Branch((1.0, 1.0), "relu"), feed_forward),
    "pre-norm gelu": ("before", 0.5, Branch((1.0, 2.0), "gelu"), feed_forward),
    "pre-norm gated": ("before", 1.0, Branch((1.0, 1.0, 1.0), "silu"), gated),
    "pre-norm attention, alike": ("before", 1.0, Branch((1.0, 0.5)), passing),
    "pre-norm, one layer": ("before", 1.0, Branch((1.5,), "tanh"), one_layer),
    "plain, one layer": ("none", 1.0, Branch((0.4,), "relu"), one_layer),
    "post-norm relu": ("after", 1.0, Branch((1.0, 1.0), "relu"), feed_forward),
    "post-norm tanh": ("after", 1.0, Branch((1.0, 1.0), "tanh"), feed_forward),
    "plain relu": ("none", 1.0, Branch((1.0, 0.5), "relu"), feed_forward),
    "plain tanh": ("none", 0.5, Branch((2.0, 1.0), "tanh"), feed_forward),
    "plain linear": ("none", 2.0, Branch((0.5, 0.5)), passing),
}


@pytest.mark.parametrize(("norm", "q", "branch", "made"), CASES.values(), ids=list(CASES))
def test_a_simulated_stream_lies_where_theory_says(norm, q, branch, made):
    depth = 10
    sizes, lengths = simulated([[branch]] * depth, norm, q, made)
    found = theory.predict_stream([[branch]] * depth, norm, q)
    np.testing.assert_allclose(sizes, found.rms, rtol=0.06)
    np.testing.assert_allclose(lengths[1:] - lengths[-1], found.log_grad_ratio, atol=0.1)
    np.testing.assert_allclose(lengths[0] - lengths[-1], found.log_gain.sum(), atol=0.1)


def test_attention_lies_between_positions_that_are_alike_and_that_are_not():
    """What it writes is alike at the positions that it averages: they become so, block by block."""
    blocks = {
        m: [[Branch((1.0, 0.5), mixing=m), Branch((1.0, 1.0), "relu")]] * 8 for m in (0.25, 1)
    }
    low, high = (theory.predict_stream(each) for each in blocks.values())

    def made(branch, generator):
        return (averaging if branch.activation == "identity" else feed_forward)(branch, generator)

    sizes, lengths = simulated(blocks[1], "before", 1.0, made)
    assert (sizes > 0.97 * low.rms).all()
    assert (sizes < 1.03 * high.rms).all()
    kept = lengths[1] - lengths[-1]
    ends = sorted([low.log_grad_ratio[0], high.log_grad_ratio[0]])
    assert ends[0] - 0.1 < kept < ends[1] + 0.1


def test_the_additions_of_a_block_follow_each_other():
    attention, feed = Branch((1.0, 0.5)), Branch((1.0, 1.0), "relu")
    together = theory.predict_stream([[attention, feed]] * 3)
    apart = theory.predict_stream([[attention], [feed]] * 3)
    np.testing.assert_allclose(together.rms, apart.rms[1::2])
    np.testing.assert_allclose(together.log_grad_ratio, apart.log_grad_ratio[1::2])
    np.testing.assert_allclose(together.log_gain, apart.log_gain.reshape(3, 2).sum(axis=1))


@pytest.mark.parametrize("depth", [6, 12, 24, 48])
def test_a_pre_norm_stream_grows_by_the_same_amount_in_each_block(depth):
    """Xiong et al. 2020: with v a block, q_L = 1 + L v, and ||g_1||^2 / ||g_L||^2 = q_L / q_1."""
    found = theory.predict_stream([[Branch((1.0, 1.0), "relu")]] * depth)
    assert found.rms[-1] ** 2 == pytest.approx(1 + depth / 2)
    assert found.log_grad_ratio[0] == pytest.approx(math.log((1 + depth / 2) / 1.5) / 2)


def test_a_plain_stream_grows_by_one_plus_the_branchs_gain_both_ways():
    """Of a W phi(x) with He's weights, a = 0.5: 1 + a^2 a block."""
    found = theory.predict_stream([[Branch((2.0, 0.25), "relu")]] * 20, "none")
    assert found.rms[-1] ** 2 == pytest.approx(1.25**20)
    assert found.log_gain == pytest.approx(np.full(20, math.log(1.25) / 2))


def test_behind_a_norm_a_relu_stream_is_level():
    found = theory.predict_stream([[Branch((1.0, 1.0), "relu")]] * 20, "after")
    assert found.rms == pytest.approx(np.ones(20))
    assert found.log_grad_ratio == pytest.approx(np.zeros(20), abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([],), "blocks is empty"),
        (([[Branch((1.0,) * 4)]],), "4 weight variances; give one, two"),
        (([[Branch((1.0, 1.0))]], "behind"), "norm='behind' is unknown"),
        (([[Branch((1.0, 1.0))]], "none", 0.0), "q_input"),
        (([[Branch((1.0, 1.0), "rely")]],), "relu"),
    ],
)
def test_an_argument_that_makes_no_sense_is_named(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        theory.predict_stream(*arguments)


@pytest.mark.parametrize("blocks", [5, {1: 2}, {"a": 1}, ["ab"], [[1]], [5], "x", None])
def test_blocks_of_another_kind_are_one_sentence(blocks):
    with pytest.raises(ArgumentError, match="must be a list of lists of Branch"):
        theory.predict_stream(blocks)
