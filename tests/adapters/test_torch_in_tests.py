"""A watched PyTorch training in a project's tests, as for the built-in engine."""

import pytest

from gradlab import testing

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402

pytest_plugins = ["pytester"]

LAYERS = 12


def make(activation, seed=0):
    torch.manual_seed(seed)
    parts = [nn.Linear(8, 16), activation()]
    for _ in range(LAYERS - 1):
        parts += [nn.Linear(16, 16), activation()]
    model = nn.Sequential(*parts, nn.Linear(16, 3))
    if activation is nn.ReLU:
        for part in model:
            if isinstance(part, nn.Linear):
                nn.init.kaiming_normal_(part.weight)
                nn.init.zeros_(part.bias)
    return model


def train(model, look=lambda watched: None, iterations=40):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
    with watch(model, optimizer) as watched:
        for _ in range(iterations):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            watched.log(loss=loss)
            look(watched)


def test_the_example_of_the_guide_passes(pytester):
    from tests.test_pytest_plugin import EXPECTED, FILES, PLUGIN

    pytester.path.joinpath("test_torch.py").write_text(FILES["test_torch.py"], encoding="utf-8")
    result = pytester.runpytest_subprocess(*PLUGIN, "test_torch.py")
    result.assert_outcomes(passed=int(EXPECTED["test_torch.py"].split()[0]))


def test_the_fixture_records_what_is_watched(gradients):
    train(make(nn.ReLU))
    assert gradients.run.iterations == 40
    gradients.assert_gradient_bounds(minimum=1e-4, maximum=100)
    gradients.assert_ratio(first_to_last=1e-3)


def test_a_deep_sigmoid_model_fails_with_layer_and_cause(gradients):
    train(make(nn.Sigmoid))
    with pytest.raises(testing.GradientError) as raised:
        gradients.assert_no_vanishing()
    message = " ".join(str(raised.value).split())
    assert "GL101 vanishing-gradient (error), worst in layer 1 (0)" in message
    assert "the slope of the activation does it" in message
    assert "model[0].weight" in message


def test_a_watched_model_is_judged_while_it_trains():
    seen = []

    def look(watched):
        testing.assert_gradient_bounds(watched, minimum=1e-4)
        testing.assert_ratio(watched, first_to_last=1e-3)
        testing.assert_no_exploding(watched)
        testing.assert_healthy(watched, select=["GL001"])
        seen.append(watched)

    train(make(nn.ReLU), look, iterations=12)
    assert len(seen) == 12
