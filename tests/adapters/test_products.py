"""A linear map is known by what it computes, whatever its class is called."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.loops import batch, train  # noqa: E402

WIDTH = 6


def parameter(*shape):
    return nn.Parameter(torch.randn(*shape, dtype=torch.float64) / 3)


class Linear(nn.Module):
    """Another library's."""

    def __init__(self, fan_in, fan_out):
        super().__init__()
        self.weight, self.bias = parameter(fan_out, fan_in), parameter(fan_out)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class ByHand(nn.Module):
    """x @ w + b, in a module that holds others."""

    def __init__(self):
        super().__init__()
        self.w, self.b = parameter(WIDTH, 4), parameter(4)
        self.first = nn.Linear(WIDTH, WIDTH, dtype=torch.float64)
        self.head = nn.Linear(4, 3, dtype=torch.float64)

    def forward(self, x):
        return self.head(torch.tanh(torch.tanh(self.first(x)) @ self.w + self.b))


class Turned(ByHand):
    def __init__(self):
        super().__init__()
        self.w = parameter(4, WIDTH)

    def forward(self, x):
        return self.head(torch.tanh(torch.tanh(self.first(x)) @ self.w.t() + self.b))


class Einstein(ByHand):
    def forward(self, x):
        h = torch.einsum("bi,io->bo", torch.tanh(self.first(x)), self.w)
        return self.head(torch.tanh(h + self.b))


class Named(nn.Module):
    """The same net of PyTorch's own layers."""

    def __init__(self, other):
        super().__init__()
        self.first, self.head = other.first, other.head
        self.w = nn.Linear(WIDTH, 4, dtype=torch.float64)
        with torch.no_grad():
            transposed = other.w.shape == (WIDTH, 4)
            self.w.weight.copy_(other.w.t() if transposed else other.w)
            self.w.bias.copy_(other.b)

    def forward(self, x):
        return self.head(torch.tanh(self.w(torch.tanh(self.first(x)))))


def recorded(model, steps=2, data=None):
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with watch(model, optimizer, every=1) as recorder:
        train(model, optimizer, steps, recorder, data or batch(features=WIDTH))
    return recorder.run


SAME = ["grad_norm", "weight_norm", "update_norm", "delta_norm", "per_example_grad_norm",
        "unit_similarity", "second_moment_rms", "lost_fraction"]  # fmt: skip


def same_columns(found, expected, mine, theirs):
    for name in SAME:
        a, b = found[name][:, 0, mine], expected[name][:, 0, theirs]
        assert a == pytest.approx(b, rel=1e-9, nan_ok=True), name


@pytest.mark.parametrize("make", [ByHand, Turned, Einstein])
def test_a_product_by_hand_has_the_numbers_of_a_linear_layer(make):
    torch.manual_seed(0)
    model = make()
    torch.manual_seed(0)
    named = recorded(Named(make())).matrices
    run = recorded(model).matrices
    names = run.layers["name"].tolist()
    assert names == ["first", "w", "head"]
    assert run.layers[["fan_in", "fan_out"]].iloc[1].tolist() == [WIDTH, 4]
    assert named.layers["name"].tolist() == names
    same_columns(run, named, 1, 1)
    assert run.recorded("delta_norm").all()
    assert run.recorded("per_example_grad_norm").all()


def test_another_librarys_linear_layer_has_the_numbers_of_pytorchs():
    def made(kind):
        torch.manual_seed(0)
        model = nn.Sequential(kind(WIDTH, 8), nn.Tanh(), kind(8, 3)).double()
        torch.manual_seed(1)
        with torch.no_grad():
            for each in model.parameters():
                each.copy_(torch.randn(each.shape, dtype=torch.float64))
        return model

    theirs, ours = recorded(made(Linear)).matrices, recorded(made(nn.Linear)).matrices
    assert theirs.layers["kind"].tolist() == ["Linear", "Linear"]
    for row in (0, 1):
        same_columns(theirs, ours, row, row)
    assert theirs.recorded("per_example_grad_norm").all()
    assert theirs["log_gain_weight"] == pytest.approx(ours["log_gain_weight"], nan_ok=True)


class Experts(nn.Module):
    """One parameter for several experts, each used by itself."""

    def __init__(self):
        super().__init__()
        self.up, self.down = parameter(3, 8, WIDTH), parameter(3, 4, 8)
        self.head = nn.Linear(4, 3, dtype=torch.float64)

    def forward(self, x):
        parts = x.chunk(3)
        mixed = [
            F.linear(torch.relu(F.linear(p, u)), d)
            for p, u, d in zip(parts, self.up, self.down, strict=True)
        ]
        return self.head(torch.cat(mixed))


def test_experts_in_one_parameter_are_matrices_and_their_signals_add_up():
    torch.manual_seed(0)
    model = Experts()
    x, y = batch(features=WIDTH)
    hidden = []
    for part, up in zip(x.chunk(3), model.up, strict=True):
        hidden.append(F.linear(part, up))
    mixed = torch.cat([F.linear(torch.relu(h), d) for h, d in zip(hidden, model.down, strict=True)])
    gradients = torch.autograd.grad(F.cross_entropy(model.head(mixed), y), hidden)
    expected = float(torch.cat(gradients).norm())
    run = recorded(model).matrices
    assert run.layers["name"].tolist() == ["up", "down", "head"]
    assert run["delta_norm"][0, 0, 0] == pytest.approx(expected, rel=1e-9)


class Vision(nn.Module):
    """A class token, a table of positions, a layer scale of two axes: none of them multiplies."""

    def __init__(self):
        super().__init__()
        self.token, self.positions = parameter(1, 2, WIDTH), parameter(4, WIDTH)
        self.scale, self.table = parameter(2, WIDTH), parameter(5, WIDTH)
        self.mix, self.head = nn.Linear(WIDTH, WIDTH).double(), nn.Linear(WIDTH, 3).double()

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), -1, -1), x.unsqueeze(1).expand(-1, 2, -1)], 1)
        x = x + self.positions + self.table[torch.tensor([0, 1, 2, 4])]
        x = x + torch.tanh(self.mix(x)) * self.scale[0]
        return self.head(x.mean(1))


def test_what_multiplies_nothing_is_a_vector_whatever_its_shape():
    torch.manual_seed(0)
    run = recorded(Vision())
    assert run.matrices.layers["name"].tolist() == ["mix", "head"]
    assert run.vectors.layers["name"].tolist() == [
        "token", "positions", "scale", "table", "mix.bias", "head.bias",
    ]  # fmt: skip


class Custom(torch.autograd.Function):
    @staticmethod
    def forward(context, x, w):
        context.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(context, gradient):
        x, w = context.saved_tensors
        return gradient @ w.t(), x.t() @ gradient


class OfAnotherKernel(ByHand):
    def forward(self, x):
        return self.head(torch.tanh(Custom.apply(torch.tanh(self.first(x)), self.w) + self.b))


def test_what_an_unknown_kernel_reads_is_taken_for_a_matrix():
    torch.manual_seed(0)
    run = recorded(OfAnotherKernel())
    assert "w" in run.matrices.layers["name"].tolist()


def test_a_matrix_with_a_norm_of_its_own_is_still_one():
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(WIDTH, 4)).double()
    model = nn.Sequential(layer, nn.Tanh(), nn.Linear(4, 3).double())
    run = recorded(model)
    kinds = dict(zip(run.layers["name"], run.layers["kind"], strict=True))
    assert kinds["0.parametrizations.weight.original1"] != "vector"


def test_watching_products_leaves_the_training_as_it_was():
    def trained(watching):
        torch.manual_seed(0)
        model = ByHand()
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        if watching:
            with watch(model, optimizer, every=1) as recorder:
                train(model, optimizer, 6, recorder, batch(features=WIDTH))
        else:
            train(model, optimizer, 6, data=batch(features=WIDTH))
        return model.state_dict()

    bare, seen = trained(False), trained(True)
    assert all(torch.equal(a, b) for a, b in zip(bare.values(), seen.values(), strict=True))
