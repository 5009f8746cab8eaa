"""A Lightning training against the same plain PyTorch loop, which computes its own norms."""

import warnings

import numpy as np
import pytest

import gradlab

torch = pytest.importorskip("torch")
with warnings.catch_warnings():  # those of its own imports
    warnings.simplefilter("ignore")
    pl = pytest.importorskip("lightning.pytorch")

from torch import nn  # noqa: E402

from gradlab.adapters.lightning import GradlabCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # Lightning warns of few workers, no logger, a short epoch
CLIP, MICRO, RATE = 0.3, 2, 0.1


def batches():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 6, dtype=torch.float64, generator=generator)
    return list(zip(x.split(8), torch.randint(3, (64,), generator=generator).split(8), strict=True))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3)).double()


class Module(pl.LightningModule):
    def __init__(self, *, whole=True, poison=None):
        super().__init__()
        self.net, self.whole, self.poison = net(), whole, poison

    def forward(self, x):
        return self.net(x)

    def loss(self, batch):
        x, y = batch
        return nn.functional.cross_entropy(self(x) if self.whole else self.net(x), y)

    def training_step(self, batch, index):
        if index == self.poison:
            batch = batch[0] * float("nan"), batch[1]
        return self.loss(batch)

    def validation_step(self, batch, index):
        self.log("val_loss", self.loss(batch))
        self.log("val_acc", 0.25)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=RATE, momentum=0.9)


class Manual(Module):
    def __init__(self, **options):
        super().__init__(**options)
        self.automatic_optimization = False

    def training_step(self, batch, index):
        optimizer = self.optimizers()
        self.manual_backward(self.loss(batch) / MICRO)
        if index % MICRO == MICRO - 1:
            self.clip_gradients(optimizer, gradient_clip_val=CLIP, gradient_clip_algorithm="norm")
            optimizer.step()
            optimizer.zero_grad()


def fit(module, callback, **options):
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
        **options,
    )
    loader = torch.utils.data.DataLoader(batches(), batch_size=None)
    trainer.fit(module, loader, loader)
    return callback.run and callback.run.matrices


def expected(clip):
    """What a plain loop finds: losses, gradient norms around clipping, the first updates."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    found = {name: [] for name in ("loss", "grad_norm", "clipped", "update", "validation_loss")}
    for _ in range(2):
        every = batches()
        for start in range(0, len(every), MICRO):
            optimizer.zero_grad()
            losses = [
                nn.functional.cross_entropy(model(x), y) / MICRO
                for x, y in every[start : start + MICRO]
            ]
            sum(losses).backward()
            flat = torch.cat([p.grad.reshape(-1) for p in model.parameters()])
            norm = flat.square().sum().sqrt()
            factor = min(1.0, clip / (float(norm) + 1e-6)) if clip else 1.0
            for p in model.parameters():
                p.grad *= factor
            before = model[0].weight.detach().clone()
            optimizer.step()
            found["update"].append(float((model[0].weight - before).detach().square().sum().sqrt()))
            found["loss"].append(float(sum(losses).detach()))
            found["grad_norm"].append(float(norm))
            found["clipped"].append(float(norm) * factor)
        with torch.no_grad():
            found["validation_loss"].append(
                float(np.mean([nn.functional.cross_entropy(model(x), y) for x, y in every]))
            )
    return found


@pytest.mark.parametrize("clip", [CLIP, None])
@pytest.mark.parametrize("whole", [True, False], ids=["forward", "training_step alone"])
def test_automatic_optimization_is_recorded_as_it_happens(tmp_path, clip, whole):
    callback = GradlabCallback(tmp_path / "run", every=1)
    run = fit(Module(whole=whole), callback, accumulate_grad_batches=MICRO, gradient_clip_val=clip)
    check(run, expected(clip), clip)
    assert gradlab.load(tmp_path / "run").iterations == 8


def test_manual_optimization_is_recorded_as_it_happens():
    check(fit(Manual(), GradlabCallback(every=1)), expected(CLIP), CLIP)


def check(run, found, clip):
    steps = run.steps
    assert run.iterations == 8
    np.testing.assert_allclose(steps["grad_norm"], found["grad_norm"], rtol=1e-9)
    np.testing.assert_allclose(steps["loss"], found["loss"], rtol=1e-9)
    np.testing.assert_allclose(run["update_norm"][:, 0, 0], found["update"], rtol=1e-9)
    np.testing.assert_allclose(
        steps["validation_loss"].dropna(), found["validation_loss"], rtol=1e-9
    )
    assert steps["validation_loss"].dropna().index.tolist() == [3, 7]
    np.testing.assert_allclose(steps["validation_accuracy"].dropna(), 0.25, rtol=1e-6)
    if clip:
        np.testing.assert_allclose(steps["clipped_grad_norm"], found["clipped"], rtol=1e-9)
        assert (steps["clipped_grad_norm"] < steps["grad_norm"]).sum() >= 4
    else:
        assert "clipped_grad_norm" not in steps or steps["clipped_grad_norm"].isna().all()
    assert run.recorded("delta_norm").all()
    assert run.layers["name"].tolist() == ["net.0", "net.2"]
    assert run.layers["activation"].tolist() == ["tanh", "identity"]
    assert run.provenance["status"] == "complete"


def test_watching_leaves_the_training_as_it_was():
    watched, alone = Module(), Module()
    fit(watched, GradlabCallback(every=1), accumulate_grad_batches=MICRO, gradient_clip_val=CLIP)
    unwatched = pl.Callback()
    unwatched.run = None
    fit(alone, unwatched, accumulate_grad_batches=MICRO, gradient_clip_val=CLIP)
    for ours, theirs in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert not ours._backward_hooks
    assert not any(module._forward_pre_hooks for module in watched.modules())


def test_a_nan_stops_the_training_before_it_reaches_the_weights(tmp_path):
    module = Module(poison=4)
    with pytest.raises(gradlab.errors.NonFiniteError, match="stopped at iteration 2"):
        fit(
            module,
            GradlabCallback(tmp_path / "run", on_nonfinite="stop"),
            accumulate_grad_batches=MICRO,
        )
    assert all(torch.isfinite(parameter).all() for parameter in module.parameters())
    run = gradlab.load(tmp_path / "run")
    assert run.provenance["nonfinite_origin"]["operation"] == "input"
    assert run.steps["nonfinite_phase"].dropna().to_dict() == {2: "forward"}


def test_an_exception_leaves_what_was_recorded(tmp_path):
    class Broken(Module):
        def training_step(self, batch, index):
            if index == 5:
                raise OSError("no such file")
            return super().training_step(batch, index)

    with pytest.raises(OSError, match="no such file"):
        fit(Broken(), GradlabCallback(tmp_path / "run"))
    run = gradlab.load(tmp_path / "run")
    assert (run.iterations, run.provenance["status"]) == (5, "interrupted by OSError")


def test_before_the_training_there_is_no_run():
    with pytest.raises(
        gradlab.errors.RunError, match=r"call Trainer\.fit with this callback first"
    ):
        GradlabCallback().run  # noqa: B018
