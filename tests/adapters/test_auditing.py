"""`gradlab.adapters.torch.audit`: a model judged by one forward and backward pass."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import audit  # noqa: E402
from gradlab.errors import ArgumentError  # noqa: E402

CRITERION = nn.CrossEntropyLoss()


def mlp(activation=nn.ReLU, depth=10, width=64, seed=0):
    torch.manual_seed(seed)
    hidden = []
    for number in range(depth):
        layer = nn.Linear(32 if number == 0 else width, width)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        hidden += [layer, activation()]
    return nn.Sequential(*hidden, nn.Linear(width, 10))


def batch(scale=1.0, seed=1):
    torch.manual_seed(seed)
    return scale * torch.randn(64, 32), torch.randint(10, (64,))


class Transformer(nn.Module):
    """Two encoder layers of PyTorch's own, and a head on the first token."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.encoder(x)[:, 0])


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.stem(x))).mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "shape"),
    [(mlp(), (32,)), (Transformer(), (7, 32)), (Convolutional(), (3, 8, 8))],
    ids=["MLP", "transformer", "convolutions"],
)
def test_a_sound_model_is_healthy(model, shape):
    torch.manual_seed(1)
    found = audit(model, (torch.randn(64, *shape), torch.randint(10, (64,))), CRITERION)
    assert found.ok
    assert found.findings == ()


def scaled(model, factor):
    with torch.no_grad():
        for layer in model[:-1:2]:
            layer.weight.mul_(factor)
    return model


@pytest.mark.parametrize(
    ("model", "given", "rule", "severity"),
    [
        (mlp(nn.Sigmoid, depth=20), batch(), "GL101", "error"),
        (scaled(mlp(), 2.5), batch(), "GL102", "error"),
        (mlp(), batch(scale=100.0), "GL404", "warning"),
        (nn.Sequential(mlp(depth=2), nn.Softmax(1)), batch(), "GL106", "error"),
    ],
    ids=["sigmoid", "weights", "inputs", "softmax twice"],
)
def test_what_will_not_learn_is_said_before_anyone_trains(model, given, rule, severity):
    finding = audit(model, given, CRITERION).findings[0]
    assert (finding.rule, finding.severity) == (rule, severity)


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(32, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.second(self.first(x).detach())


def test_a_part_that_gets_no_gradient_is_named():
    finding = audit(Detached(), batch(), CRITERION).findings[0]
    assert finding.rule == "GL105"
    assert finding.layers[0] == 1


def test_a_weight_that_is_not_finite_is_an_error():
    model = mlp()
    model[4].weight.data[0, 0] = float("nan")
    finding = audit(model, batch(), CRITERION).findings[0]
    assert (finding.rule, finding.severity) == ("GL001", "error")


def test_model_gradients_buffers_and_generators_stay_as_they_are():
    model = nn.Sequential(Convolutional(), nn.Dropout(0.5))
    given = torch.randn(16, 3, 8, 8), torch.randint(10, (16,))
    CRITERION(model(given[0]), given[1]).backward()
    kept = copy.deepcopy(model.state_dict())
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    generator = torch.get_rng_state()
    audit(model, given, CRITERION)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)


class WithLoss(nn.Module):
    """Gives its loss itself, as transformers' models do."""

    def __init__(self):
        super().__init__()
        self.net = mlp(depth=2)

    def forward(self, x, labels):
        self.loss = CRITERION(self.net(x), labels)
        return self


def test_a_model_that_gives_its_own_loss_needs_no_criterion():
    x, labels = batch()
    assert audit(WithLoss(), {"x": x, "labels": labels}).ok


def test_without_gradients_enabled_it_enables_them():
    with torch.no_grad():
        assert audit(mlp(), batch(), CRITERION).ok


@pytest.mark.parametrize(
    ("model", "given", "criterion", "words"),
    [
        ("net", batch(), CRITERION, "model is a str"),
        (mlp(), batch(), "mse", "criterion is a str"),
        (mlp(), batch()[0], CRITERION, "batch is a Tensor"),
        (mlp(), batch()[0], None, r"the loss is of shape \(64, 10\)"),
        (mlp(), batch(), nn.CrossEntropyLoss(reduction="none"), r"the loss is of shape \(64,\)"),
        (mlp().requires_grad_(False), batch(), CRITERION, "no parameter of Sequential"),
        (mlp(), batch(), lambda answer, _: answer.sum().detach(), "does not depend"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(model, given, criterion, words):
    with pytest.raises(ArgumentError, match=words):
        audit(model, given, criterion)


def test_a_model_that_cannot_be_copied_says_why():
    model = mlp()
    model.cache = model(batch()[0])
    with pytest.raises(ArgumentError, match="cannot be copied"):
        audit(model, batch(), CRITERION)
