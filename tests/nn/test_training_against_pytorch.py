"""A hundred steps of `gradlab.train` and of PyTorch: the same weights and batches."""

import numpy as np
import pytest

import gradlab
from gradlab.datasets import Data
from tests.helpers import batches

torch = pytest.importorskip("torch")

SIZES, EXAMPLES, BATCH, STEPS = [6, 8, 8, 8, 3], 40, 10, 100
TOLERANCE = {"float64": 1e-10, "float32": 1e-6}

# Ours -> PyTorch's, its settings, and a learning rate: PyTorch's own for those that divide by the
# gradient's size.
OPTIMIZERS = {
    "sgd": ("SGD", {}, 0.03),
    "momentum": ("SGD", {"momentum": 0.9}, 0.02),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}, 0.02),
    "adagrad": ("Adagrad", {}, 0.01),
    "rmsprop": ("RMSprop", {}, 0.001),
    "adam": ("Adam", {}, 0.001),
    "adamw:weight_decay=0.1": ("AdamW", {"weight_decay": 0.1}, 0.001),
}
SCHEDULES = {
    "step:every=30:factor=0.5": ("StepLR", {"step_size": 30, "gamma": 0.5}),
    "exponential:factor=0.98": ("ExponentialLR", {"gamma": 0.98}),
    "cosine:end=0.1": ("CosineAnnealingLR", {"T_max": STEPS, "eta_min": 0.1 * 0.02}),
    "constant:warmup=20": ("LinearLR", {"start_factor": 1 / 20, "total_iters": 19}),
}
CLIPS = {"norm:most=0.3": "clip_grad_norm_", "value:most=0.05": "clip_grad_value_"}
BLOCKS = [
    {},
    {"norm": "batch"},
    {"norm": "layer"},
    {"residual": 0.5},
    {"norm": "layer", "residual": 0.5},
]
LOSSES = {
    "cross_entropy": "cross_entropy",
    "squared_error": "mse_loss",
    "mean_absolute_error": "l1_loss",
    "huber": "huber_loss",
}


def problem(regression=False):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(EXAMPLES + 10, SIZES[0]))
    y = rng.normal(size=(len(x), SIZES[-1])) if regression else rng.integers(0, SIZES[-1], len(x))
    return Data("made", x[:EXAMPLES], y[:EXAMPLES], x[EXAMPLES:], y[EXAMPLES:])


class Twin(torch.nn.Module):
    """The net of PyTorch's own layers, with the weights of ours."""

    def __init__(self, model):
        super().__init__()
        nn, self.dtype, self.modifiers = torch.nn, getattr(torch, model.dtype.name), model.modifiers
        self.linears = nn.ModuleList(nn.Linear(*w.shape, dtype=self.dtype) for w in model.weights)
        kind = {
            "batch": nn.BatchNorm1d,
            "layer": nn.LayerNorm,
            None: lambda n, dtype: nn.Identity(),
        }[model.modifiers.norm]
        self.norms = nn.ModuleList(kind(n, dtype=self.dtype) for n in SIZES[1:-1])
        with torch.no_grad():
            for linear, weight in zip(self.linears, model.weights, strict=True):
                linear.weight.copy_(torch.tensor(weight.T.copy()))
                linear.bias.zero_()

    def forward(self, x):
        h = stream = torch.tensor(x, dtype=self.dtype)
        for k, norm in enumerate(self.norms):
            z = self.linears[k](h)
            stream = stream + self.modifiers.branch * z if self.modifiers.residual and k else z
            h = torch.tanh(norm(stream))
        return self.linears[-1](h)

    def updater(self, optimizer, l2):
        """PyTorch's optimizer; the penalty is on weights alone, as ours."""
        name, options, rate = OPTIMIZERS[optimizer]
        weights = [linear.weight for linear in self.linears]
        others = [
            each for each in self.parameters() if all(each is not weight for weight in weights)
        ]
        decayed = {"params": weights, **({"weight_decay": l2} if l2 else {})}
        return getattr(torch.optim, name)([decayed, {"params": others}], lr=rate, **options)

    def fit(self, data, *, optimizer, schedule, clip, l2, loss):
        """Train; return the norm of every step's gradient before and after clipping."""
        updater = self.updater(optimizer, l2)
        planner = None
        if schedule in SCHEDULES:
            name, settings = SCHEDULES[schedule]
            planner = getattr(torch.optim.lr_scheduler, name)(updater, **settings)
        criterion, norms = getattr(torch.nn.functional, LOSSES[loss]), []
        for chosen in batches(3, EXAMPLES, BATCH, STEPS):
            updater.zero_grad()
            y = torch.tensor(data.y_train[chosen])
            criterion(
                self(data.x_train[chosen]), y if loss == "cross_entropy" else y.to(self.dtype)
            ).backward()
            norms.append([self.norm()])
            if clip:
                getattr(torch.nn.utils, CLIPS[clip])(
                    self.parameters(), float(clip.partition("=")[2])
                )
            norms[-1].append(self.norm())
            updater.step()
            if planner:
                planner.step()
        return np.array(norms).T

    def norm(self):
        return torch.linalg.vector_norm(
            torch.cat([each.grad.flatten() for each in self.parameters()])
        ).item()


def check(
    dtype,
    *,
    block=None,
    optimizer="sgd",
    schedule="constant",
    clip=None,
    l2=0.0,
    loss="cross_entropy",
):
    """Train both nets, compare all that is learned; return our Run and their norms."""
    data = problem(regression=loss != "cross_entropy")
    model = gradlab.MLP(SIZES, "tanh", seed=3, dtype=dtype, **(block or {}))
    twin, start = Twin(model), model.parameters.copy()
    options = {"optimizer": optimizer, "schedule": schedule, "clip": clip, "l2": l2, "loss": loss}
    norms = twin.fit(data, **options)
    rate = OPTIMIZERS[optimizer][2]
    run = gradlab.train(
        model, data, learning_rate=rate, batch_size=BATCH, iterations=STEPS, **options
    )
    theirs = [linear.weight.T for linear in twin.linears] + [linear.bias for linear in twin.linears]
    if model.modifiers.norm:
        theirs += [norm.weight for norm in twin.norms] + [norm.bias for norm in twin.norms]
    flat = np.concatenate([each.detach().numpy().ravel() for each in theirs])
    assert np.abs(model.parameters - start).max() > 0.03  # it did train
    np.testing.assert_allclose(model.parameters, flat, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    answers = twin.eval()(data.x_test).detach().numpy()
    # An answer adds up some hundred parameters and their deviations.
    np.testing.assert_allclose(
        model.predict(data.x_test), answers, rtol=0, atol=100 * TOLERANCE[dtype]
    )
    return run, norms


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer, dtype):
    check(dtype, optimizer=optimizer)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(schedule, dtype):
    check(dtype, schedule=schedule, optimizer="momentum")


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("clip", CLIPS)
def test_clipping_and_the_norms_before_and_after_it(clip, dtype):
    run, (before, after) = check(dtype, clip=clip, optimizer="momentum")
    tolerance = 100 * TOLERANCE[dtype]
    np.testing.assert_allclose(run.steps["grad_norm"], before, rtol=tolerance)
    np.testing.assert_allclose(run.steps["clipped_grad_norm"], after, rtol=tolerance)
    # It bites, so that something is compared.
    assert 0.1 < (after < before * (1 - 1e-5)).mean() <= 1


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_norms_and_skip_connections(block, dtype):
    check(dtype, block=block)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss, dtype):
    check(dtype, loss=loss)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_penalty_of_l2(dtype):
    check(dtype, l2=0.1)
