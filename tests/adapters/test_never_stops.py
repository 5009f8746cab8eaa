"""`watch` never stops a training that would run without it."""

from __future__ import annotations

import copy
import shutil

import pytest

import gradlab
from gradlab.errors import ArgumentError, RunError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.ledger import Ledger  # noqa: E402
from gradlab.adapters.torch.measure.parameters import Parameters  # noqa: E402
from gradlab.adapters.torch.observe.signals import Signals  # noqa: E402
from gradlab.recorder import Recorder  # noqa: E402
from tests.adapters.loops import batch, mlp, train, watched  # noqa: E402


class Bare(torch.optim.Optimizer):
    """Steps by 0.1 whatever its settings say."""

    def __init__(self, parameters, **settings):
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= 0.1 * parameter.grad


# -- optimizers with unusual settings


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr": None},
        {"lr": lambda step: 0.1},
        {"lr": float("inf")},
        {"lr": torch.tensor([0.1, 0.2])},
        {"lr": 0.1, "eps": (None, 1e-3)},
        {"lr": 0.1, "weight_decay": float("inf")},
    ],
    ids=[
        "no rate",
        "None",
        "a function",
        "infinite",
        "several",
        "a pair of epsilons",
        "infinite decay",
    ],
)
def test_settings_that_are_no_numbers_are_left_out_of_the_config(settings):
    model = mlp(6, 8, 3)
    run = watched(model, Bare(model.parameters(), **settings), every=1)
    assert run.iterations == 12
    assert "epsilon" not in run.config
    assert "weight_decay" not in run.config


@pytest.mark.parametrize(
    "kind", ["Adafactor", "SGD", "Adam", "RMSprop", "Adagrad", "NAdam", "Rprop", "ASGD"]
)
def test_every_optimizer_of_pytorch_is_watched(kind):
    model = mlp(6, 8, 3, dtype=torch.float32)
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.01)
    run = watched(model, optimizer, data=batch(dtype=torch.float32))
    assert run.iterations == 12
    assert run.config["learning_rate"] == pytest.approx(0.01)


def test_the_adafactor_of_transformers_computes_its_own_rate():
    optimization = pytest.importorskip("transformers.optimization")
    model = mlp(6, 8, 3, dtype=torch.float32)
    run = watched(
        model, optimization.Adafactor(model.parameters()), data=batch(dtype=torch.float32)
    )
    assert run.iterations == 12
    assert not run.step_recorded("learning_rate").any()


def test_a_rate_that_becomes_nan_is_recorded_as_nan():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 3, recorder)
        optimizer.param_groups[0]["lr"] = float("nan")
        train(model, optimizer, 3, recorder)
    rate = recorder.run.step("learning_rate")[:, 0]
    assert rate[:3].tolist() == [0.1] * 3
    assert rate[3:] != pytest.approx(rate[3:])  # NaN is not itself


# -- unusual models


class Empty(nn.Module):
    """Has layers of no units, and a parameter of no entries."""

    def __init__(self):
        super().__init__()
        with pytest.warns(UserWarning, match="zero-element"):
            self.nothing = nn.Linear(0, 3)
        self.layer, self.none = nn.Linear(6, 3), nn.Parameter(torch.zeros(0))

    def forward(self, x):
        return self.layer(x) + self.nothing(x[:, :0])


def test_parameters_without_entries_are_no_layers():
    model = Empty()
    run = watched(
        model, torch.optim.Adam(model.parameters(), 0.01), data=batch(dtype=torch.float32), every=1
    )
    assert run.layers["name"].tolist() == ["layer"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("whole", [True, False])
def test_script_modules_are_watched_without_hooks(whole):
    part = nn.Sequential(nn.Linear(6, 8), nn.Tanh())
    model = nn.Sequential(part, nn.Linear(8, 3))
    scripted = torch.jit.script(model) if whole else nn.Sequential(torch.jit.script(part), model[1])
    optimizer = torch.optim.SGD(scripted.parameters(), 0.1)
    run = watched(scripted, optimizer, data=batch(dtype=torch.float32), every=1)
    assert run.recorded("update_norm").all()
    assert run.recorded("delta_norm").any() == (not whole)


# -- trouble with the record


def trained_through(trouble, steps=40, **options):
    """Train watched, with trouble from the 20th step on, and unwatched; both give weights."""
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    bare = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    recorder = watch(model, optimizer, **options)

    def session():
        with recorder:
            train(model, optimizer, 20, recorder)
            trouble(recorder)
            train(model, optimizer, steps - 20, recorder)

    with pytest.warns(RuntimeWarning, match="the training went on") as caught:
        session()
    assert len(caught) == 1
    train(bare, torch.optim.SGD(bare.parameters(), 0.1), steps)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), bare.parameters(), strict=True)
    )
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    return recorder


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (Parameters, "before"),
        (Parameters, "after"),
        (Parameters, "gradients"),
        (Signals, "measure"),
        (Signals, "_answered"),
        (Signals, "_got_both"),
        (Signals, "begin_pass"),
        (Ledger, "put_at"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_fault_of_the_recording_ends_the_record_and_not_the_training(owner, method, monkeypatch):
    def broken(*arguments, **keywords):
        raise KeyError("a fault")

    recorder = trained_through(lambda _: monkeypatch.setattr(owner, method, broken))
    run = recorder.run
    # The hooks of an iteration hang from the end of the one before.
    assert 19 <= run.iterations <= 31
    (remark,) = run.provenance["remarks"]
    assert "a fault" in remark
    assert run.provenance["status"] == "ended early"


def test_a_full_disk_ends_the_record_and_not_the_training(monkeypatch, tmp_path):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    recorder = trained_through(
        lambda _: monkeypatch.setattr(Recorder, "flush", full), steps=200, out=tmp_path / "run"
    )
    assert "No space left" in recorder.recorder.provenance["remarks"][0]


def test_a_folder_that_vanishes_is_no_exception_at_the_end(tmp_path):
    trained_through(lambda _: shutil.rmtree(tmp_path / "run"), out=tmp_path / "run")


def test_a_fault_while_stopping_does_not_hide_the_nan(monkeypatch):
    from gradlab.errors import NonFiniteError

    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    with watch(model, optimizer, on_nonfinite="stop") as recorder:
        train(model, optimizer, 3, recorder)
        monkeypatch.setattr(Recorder, "close", full)
        model[0].weight.data[0, 0] = float("nan")
        with (
            pytest.warns(RuntimeWarning, match="No space left"),
            pytest.raises(NonFiniteError, match="iteration 3"),
        ):
            train(model, optimizer, 3, recorder)


# -- the user's own mistakes come before the first step


def test_a_folder_that_is_taken_is_refused_before_the_first_step(tmp_path):
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    watched(model, optimizer, out=tmp_path / "run")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RunError, match="already holds a run"):
        watch(model, optimizer, out=tmp_path / "run")
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True)
    )
    assert gradlab.load(tmp_path / "run").iterations == 12
    assert watched(model, optimizer, steps=3, out=tmp_path / "run", overwrite=True).iterations == 3


def test_a_config_that_cannot_be_stored_is_refused_before_the_first_step():
    model = mlp(6, 8, 3)
    with pytest.raises(ArgumentError, match="config cannot be stored"):
        watch(model, torch.optim.SGD(model.parameters(), 0.1), config={"rate": float("nan")})


def test_an_optimizer_that_never_stepped_is_one_warning_at_the_end():
    model = mlp(6, 8, 3)
    recorder = watch(model, torch.optim.SGD(model.parameters(), 0.1))
    with pytest.warns(RuntimeWarning, match="never stepped"), recorder:
        model(batch()[0])
    with pytest.raises(RunError, match="nothing was recorded"):
        recorder.run  # noqa: B018
