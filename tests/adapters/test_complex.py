"""Nets with complex parameters, as Fourier neural operators have them."""

import pytest

torch = pytest.importorskip("torch")

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.errors import ArgumentError  # noqa: E402


class Spectral(torch.nn.Module):
    """Scales the waves of a signal, and adds a layer of the usual kind."""

    def __init__(self):
        super().__init__()
        self.scales = torch.nn.Parameter(torch.randn(9, dtype=torch.cfloat))
        self.mixed = torch.nn.Linear(16, 16)

    def forward(self, x):
        return torch.fft.irfft(torch.fft.rfft(x) * self.scales) + self.mixed(x)


def steps(model, count=30):
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(count):
        x = torch.randn(8, 16, generator=generator)
        loss = torch.nn.functional.mse_loss(model(x), x.roll(1, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield optimizer, loss


def made():
    torch.manual_seed(0)
    return Spectral()


def test_complex_parameters_are_left_out_and_named():
    model = made()
    training = steps(model)
    optimizer, _ = next(training)
    with watch(model, optimizer) as recorder:
        for _, loss in training:
            recorder.log(loss=loss)
    assert list(recorder.run.layers["name"]) == ["mixed", "mixed.bias"]
    said = gradlab.diagnose(recorder.run).remarks
    assert "scales holds complex numbers, which are not measured." in said


def test_a_watched_training_is_bitwise_the_one_unwatched():
    bare, watched = made(), made()
    for _ in steps(bare):
        pass
    training = steps(watched)
    optimizer, _ = next(training)
    with watch(watched, optimizer):
        for _ in training:
            pass
    for one, other in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_model_of_complex_parameters_alone_is_refused():
    model = torch.nn.Module()
    model.scales = torch.nn.Parameter(torch.ones(3, dtype=torch.cfloat))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ArgumentError, match="complex"), watch(model, optimizer):
        pass
