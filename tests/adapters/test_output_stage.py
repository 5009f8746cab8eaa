"""The stage between the last trainable map and the loss, against `torch.autograd.grad` by hand."""

from __future__ import annotations

import weakref

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from gradlab.adapters.torch.observe.loss_side import LossSide  # noqa: E402
from tests.adapters.loops import watched  # noqa: E402
from tests.adapters.loss_side import seen  # noqa: E402

N, CLASSES = 16, 5


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def data(features=6):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N, features, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, CLASSES, (N,), generator=generator)


class Net(nn.Module):
    """A hidden layer, a head, and what is applied to its answer."""

    def __init__(self, after=lambda z: z, outputs=CLASSES, scale=1.0):
        super().__init__()
        self.hidden = nn.Linear(6, 8, dtype=torch.float64)
        self.head = nn.Linear(8, outputs, dtype=torch.float64)
        nn.init.normal_(self.head.weight, std=scale)
        self.after = after

    def z(self, x):
        return self.head(self.hidden(x).tanh())

    def forward(self, x):
        return self.after(self.z(x))


def norm_ratio(loss_of, z, after) -> float:
    """Return ||dL/dz|| / ||dL/d(after(z))||, by hand."""
    z = z.detach().requires_grad_()
    answer = after(z)
    loss = loss_of(answer)
    below, above = torch.autograd.grad(loss, (z, answer))
    return float(below.norm() / above.norm())


def softmax_by_hand(z):
    e = (z - z.amax(dim=1, keepdim=True).detach()).exp()
    return e / e.sum(dim=1, keepdim=True)


def nll_by_hand(p, y):
    return -p.log()[torch.arange(N), y].mean()


def first_output(y):
    return (y > 2).double()[:, None]


def squared_error(p, y):
    return F.mse_loss(p, first_output(y))


def absolute_error(p, y):
    return F.l1_loss(p, first_output(y))


def binary(p, y):
    return F.binary_cross_entropy(p, first_output(y))


def softmax(z):
    return z.softmax(1)


# what is applied to the head's answer, its outputs, its weights' scale, the loss, and the names
STAGES = {
    "logits": (lambda z: z, CLASSES, 1.0, F.cross_entropy, []),
    "softmax twice": (softmax, CLASSES, 1.0, F.cross_entropy, ["softmax"]),
    "softmax of one unit": (softmax, 1, 1.0, squared_error, ["softmax"]),
    "saturated sigmoid": (torch.sigmoid, 1, 3.0, binary, ["sigmoid"]),
    "log by hand": (softmax, CLASSES, 1.0, nll_by_hand, ["softmax"]),
    "in parts": (softmax_by_hand, CLASSES, 1.0, nll_by_hand, ["subtract", "exp", "sum, divide"]),
    "relu": (torch.relu, 1, 1.0, squared_error, ["relu"]),
    "clamp": (lambda z: z.clamp(0.1, 0.9), 1, 1.0, squared_error, ["clamp"]),
    "log_softmax": (lambda z: z.log_softmax(1), CLASSES, 1.0, F.nll_loss, ["log_softmax"]),
    "a scale": (lambda z: z.tanh() * 1e-3, 1, 1.0, absolute_error, ["tanh", "multiply"]),
    "reshaped": (
        lambda z: z.t().contiguous().t()[:, None].sigmoid().squeeze(1),
        1, 1.0, squared_error, ["sigmoid"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STAGES)
def test_the_gain_and_the_operations_are_those_by_hand(case):
    after, outputs, scale, criterion, names = STAGES[case]
    model, (x, y) = Net(after, outputs, scale), data()
    found = seen(model, lambda: criterion(model(x), y))[0]
    expected = norm_ratio(lambda answer: criterion(answer, y), model.z(x), after)
    assert float(found.steps["output_gain"]) == pytest.approx(expected, rel=1e-9)
    before_loss = [
        (name, float(f)) for _, name, f in found.stage.factors if not name.startswith("loss: ")
    ]
    assert [name for name, _ in before_loss] == names
    product = float(torch.tensor([factor for _, factor in before_loss], dtype=torch.float64).prod())
    assert product == pytest.approx(expected, rel=1e-9)


def test_softmax_of_one_unit_passes_nothing_on():
    model, (x, y) = Net(lambda z: z.softmax(1), 1), data()
    found = seen(model, lambda: F.mse_loss(model(x), first_output(y)))[0]
    assert float(found.steps["output_gain"]) == 0


def test_all_factors_multiply_to_the_gradient_of_the_loss():
    model, (x, y) = Net(lambda z: z.softmax(1)), data()
    found = seen(model, lambda: 3 * F.cross_entropy(model(x), y, reduction="sum") / 7)[0]
    z = model.z(x).detach().requires_grad_()
    loss = 3 * F.cross_entropy(z.softmax(1), y, reduction="sum") / 7
    expected = float(torch.autograd.grad(loss, z)[0].norm())
    positions, names, factors = zip(*found.stage.factors, strict=True)
    assert positions == (0, 1, 2, 3)
    assert names == ("softmax", "loss: cross_entropy", "loss: multiply", "loss: divide")
    assert float(torch.stack(factors).prod()) == pytest.approx(expected)
    assert [float(factor) for factor in factors[2:]] == pytest.approx([3, 1 / 7])


def test_an_operation_of_the_loss_that_explodes_is_seen():
    model, (x, y) = Net(), data()
    found = seen(model, lambda: (F.cross_entropy(model(x), y) * 40).exp())[0]
    factors = {name: float(factor) for _, name, factor in found.stage.factors}
    with torch.no_grad():
        expected = float((F.cross_entropy(model(x), y) * 40).exp())
    assert factors["loss: exp"] == pytest.approx(expected)
    assert float(found.steps["output_gain"]) == pytest.approx(1)


def test_scaled_and_accumulated_losses_have_the_same_gain():
    model, (x, y) = Net(lambda z: z.softmax(1)), data()

    def accumulated():
        for part in (slice(0, N // 2), slice(N // 2, N)):
            (F.cross_entropy(model(x[part]), y[part]) * 65536 / 2).backward()

    whole = seen(model, lambda: F.cross_entropy(model(x), y))[0].steps["output_gain"]
    parts = seen(model, accumulated)[0].steps["output_gain"]
    assert float(parts) == pytest.approx(float(whole))


# -- where the last map is -----------------------------------------------------------------------


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor([0.5, -1.0, 0.3, 0.1, 2.0], dtype=torch.float64))

    def forward(self, z):
        return z * self.log_scale.exp()


class ByHand(nn.Module):
    """A map that is no module: x @ (w * mask) + b."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, CLASSES, dtype=torch.float64))
        self.b = nn.Parameter(torch.zeros(CLASSES, dtype=torch.float64))
        self.register_buffer("mask", (torch.rand(6, CLASSES) > 0.3).double())

    def forward(self, x):
        return x @ (self.w * self.mask) + self.b


@pytest.mark.parametrize(
    "head",
    [
        nn.Linear(6, CLASSES, bias=False),
        nn.utils.parametrizations.weight_norm(nn.Linear(6, CLASSES)),
        nn.Sequential(nn.Linear(6, CLASSES), nn.LayerNorm(CLASSES)),
        nn.Sequential(nn.Linear(6, CLASSES), nn.BatchNorm1d(CLASSES)),
        nn.Sequential(nn.Linear(6, CLASSES), Scale()),
        nn.Sequential(nn.Unflatten(1, (6, 1)), nn.Conv1d(6, CLASSES, 1), nn.Flatten()),
        ByHand(),
    ],
    ids=[
        "without bias",
        "weight norm",
        "layer norm",
        "batch norm",
        "scale",
        "convolution",
        "by hand",
    ],
)
def test_the_last_map_is_what_uses_a_parameter(head):
    model, (x, y) = nn.Sequential(head, nn.Softmax(1)).double(), data()
    found = seen(model, lambda: F.cross_entropy(model(x), y))[0]
    with torch.no_grad():
        z = head(x)
    expected = norm_ratio(lambda p: F.cross_entropy(p, y), z, lambda z: z.softmax(1))
    assert float(found.steps["output_gain"]) == pytest.approx(expected)
    assert [name for _, name, _ in found.stage.factors] == ["softmax", "loss: cross_entropy"]


def test_a_frozen_head_is_an_operation():
    model, (x, y) = Net(), data()
    model.head.requires_grad_(False)
    found = seen(model, lambda: F.cross_entropy(model(x), y))[0]
    z = model.hidden(x).detach().requires_grad_()
    answer = model.head(z.tanh())
    below, above = torch.autograd.grad(F.cross_entropy(answer, y), (z, answer))
    assert [name for _, name, _ in found.stage.factors][:2] == ["tanh", "linear"]
    assert float(found.steps["output_gain"]) == pytest.approx(float(below.norm() / above.norm()))


def test_a_skip_connection_around_the_head_ends_at_several_maps():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.lower, self.upper = nn.Linear(6, CLASSES), nn.Linear(CLASSES, CLASSES)

        def forward(self, x):
            lower = self.lower(x)
            return (lower + self.upper(lower)).sigmoid()

    model, (x, y) = Residual().double(), data()
    found = seen(model, lambda: F.cross_entropy(model(x), y))[0]
    lower = model.lower(x)
    upper = model.upper(lower)
    answer = (lower + upper).sigmoid()
    below, above, top = torch.autograd.grad(F.cross_entropy(answer, y), (lower, upper, answer))
    expected = (below.norm() ** 2 + above.norm() ** 2).sqrt() / top.norm()
    assert float(found.steps["output_gain"]) == pytest.approx(float(expected))
    assert [name for _, name, _ in found.stage.factors] == ["add", "sigmoid", "loss: cross_entropy"]


def test_several_heads_are_joined_in_the_gain_and_apart_in_the_operations():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, CLASSES), nn.Linear(6, 1)

        def forward(self, x):
            return self.first(x).softmax(1), self.second(x)

    model, (x, y) = Heads().double(), data()

    def loss(p, z):
        return F.cross_entropy(p, y) + 5 * F.mse_loss(z, first_output(y))

    found = seen(model, lambda: loss(*model(x)))[0]
    z1, z2 = model.first(x), model.second(x)
    p = z1.softmax(1)
    below1, above1, both2 = (g.norm() for g in torch.autograd.grad(loss(p, z2), (z1, p, z2)))
    expected = (below1**2 + both2**2).sqrt() / (above1**2 + both2**2).sqrt()
    assert float(found.steps["output_gain"]) == pytest.approx(float(expected))
    factors = {name.split(": ", 1)[1]: float(f) for _, name, f in found.stage.factors}
    assert factors["softmax"] == pytest.approx(float(below1 / above1))
    assert {name.split(": ", 1)[0] for _, name, _ in found.stage.factors} == {"head 1", "head 2"}


# -- losses of every kind ------------------------------------------------------------------------


def test_a_loss_by_hand_begins_at_what_the_model_answered():
    class Mixture(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean, self.log_std = nn.Linear(6, 1), nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return {"mean": self.mean(x).tanh(), "kept": self.mean(x).detach()}

    model, (x, y) = Mixture().double(), data()
    target = first_output(y)

    def loss(mean):
        return -torch.distributions.Normal(mean, model.log_std.exp()).log_prob(target).mean()

    found = seen(model, lambda: loss(model(x)["mean"]))[0]
    expected = norm_ratio(loss, model.mean(x), torch.tanh)
    assert float(found.steps["output_gain"]) == pytest.approx(expected)
    assert found.stage.factors[0][1] == "tanh"


def test_a_model_may_answer_a_distribution():
    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean, self.log_std = nn.Linear(6, 3), nn.Parameter(torch.zeros(3))

        def forward(self, x):
            return torch.distributions.Normal(self.mean(x).tanh(), self.log_std.clamp(-2, 1).exp())

    model, (x, _) = Policy().double(), data()
    actions = torch.randn(N, 3, dtype=torch.float64)

    def loss(mean):
        return -torch.distributions.Normal(mean, model.log_std.exp()).log_prob(actions).mean()

    found = seen(model, lambda: -model(x).log_prob(actions).mean())[0]
    expected = norm_ratio(loss, model.mean(x), torch.tanh)
    assert float(found.steps["output_gain"]) == pytest.approx(expected)
    assert found.stage.factors[0][1] == "tanh"


def test_a_model_that_returns_a_loss_by_hand_tells_no_gain():
    class Loss(Net):
        def forward(self, x):
            return self.z(x).square().mean()

    model, (x, _) = Loss(), data()
    found = seen(model, lambda: model(x))[0]
    assert "output_gain" not in found.steps
    assert found.stage.factors == []


@pytest.mark.parametrize(
    ("head", "names"), [(nn.Identity, []), (lambda: nn.Softmax(-1), ["softmax"])]
)
def test_a_model_of_transformers_that_returns_its_loss(head, names):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=31, n_positions=8)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.randint(0, 31, (2, 8))
    linear, after, answers = model.lm_head, head(), []

    class Head(nn.Module):
        def forward(self, x):
            z = linear(x)
            answers.extend([z, after(z)])
            for each in answers:
                each.retain_grad()
            return answers[-1]

    model.lm_head = Head()
    found = seen(model, lambda: model(input_ids=tokens, labels=tokens).loss)[0]
    expected = float(answers[0].grad.norm() / answers[1].grad.norm())
    assert float(found.steps["output_gain"]) == pytest.approx(expected, rel=1e-5)
    assert [name for _, name, _ in found.stage.factors] == [*names, "loss: cross_entropy"]
    assert found.steps["criterion_loss"] > 0


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return 2 * z

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class SquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx, answer, target):
        ctx.save_for_backward(answer, target)
        return (answer - target).square().mean()

    @staticmethod
    def backward(ctx, gradient):
        answer, target = ctx.saved_tensors
        return gradient * 2 * (answer - target) / answer.numel(), None


def test_a_function_that_somebody_wrote_is_unknown_by_name_and_measured():
    model, (x, y) = Net(Doubled.apply, 1), data()
    found = seen(model, lambda: SquaredError.apply(model(x), first_output(y)))[0]
    assert float(found.steps["output_gain"]) == pytest.approx(2)
    assert [name for _, name, _ in found.stage.factors] == [
        "unknown (Doubled)",
        "loss: unknown (SquaredError)",
    ]


def test_a_map_that_is_hidden_in_a_checkpoint_is_unknown():
    class Checkpointed(Net):
        def forward(self, x):
            return checkpoint(self.z, x, use_reentrant=True).sigmoid()

    model, (x, y) = Checkpointed(), data()
    x.requires_grad_()
    found = seen(model, lambda: F.cross_entropy(model(x), y))[0]
    assert "output_gain" not in found.steps
    assert [name for _, name, _ in found.stage.factors] == ["unknown", "loss: cross_entropy"]


def test_a_checkpoint_that_runs_again_counts_once():
    class Checkpointed(Net):
        def forward(self, x):
            return checkpoint(self.z, x, use_reentrant=False).sigmoid()

    model, (x, y) = Checkpointed(), data()
    found = seen(model, lambda: F.cross_entropy(model(x), y))[0]
    expected = norm_ratio(lambda p: F.cross_entropy(p, y), model.z(x), torch.sigmoid)
    assert float(found.steps["output_gain"]) == pytest.approx(expected)


def test_backward_to_other_inputs_tells_nothing():
    model, (x, y) = Net(), data()
    x.requires_grad_()

    def to_parameters_of_another():
        other = torch.ones((), dtype=torch.float64, requires_grad=True)
        (F.cross_entropy(model(x), y) * other).backward(inputs=[other])

    assert "output_gain" not in seen(model, to_parameters_of_another)[0].steps


class Token:
    """Something in a node's own dictionary, which lives as long as the node."""


def test_no_graph_is_kept_alive():
    model, (x, y) = Net(lambda z: z.softmax(1)), data()
    side = LossSide(model)
    side.attach(0)
    loss = F.cross_entropy(model(x), y)
    token = Token()
    loss.grad_fn.metadata["token"] = token
    reference = weakref.ref(token)
    del token
    assert reference() is not None
    del loss
    assert reference() is None
    side.detach()


def test_hooks_are_gone_after_backward():
    model, (x, y) = Net(lambda z: z.softmax(1)), data()
    side = LossSide(model)
    side.attach(0)
    loss = F.cross_entropy(model(x), y)
    loss.backward(retain_graph=True)
    first = side.measure()
    side.forget()
    torch.autograd.grad(loss, list(model.parameters()))
    second = side.measure()
    side.detach()
    assert "output_gain" in first.steps
    assert second.steps == {}
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_a_record_holds_the_stage():
    model, data_ = Net(lambda z: z.softmax(1)), data()
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 32, data_)
    stage = run.output_stage
    assert list(stage.iteration.unique()) == [*range(10), 10, 20, 30]
    for number in (0, 9, 30):
        at = stage[stage.iteration == number]
        assert list(at.operation) == ["softmax", "loss: cross_entropy"]
        assert list(at.position) == [0, 1]
        assert at.factor.iloc[0] == pytest.approx(run.steps["output_gain"][number])
