"""`watch`: what it records against plain autograd, and that it leaves nothing behind."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError, NonFiniteError, RunError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.loops import batch, mlp, train, watched  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


# -- the example of the documentation


def test_two_lines_make_a_run_with_names_loss_and_verdict(tmp_path):
    model = mlp(6, 8, 8, 3)
    run = watched(
        model, torch.optim.SGD(model.parameters(), 0.1), steps=30, out=tmp_path / "mine", every=1
    )
    assert run.layers["name"].tolist() == ["0", "2", "4"]
    assert run.layers["kind"].tolist() == ["Linear"] * 3
    assert run.layers["activation"].tolist() == ["tanh", "tanh", "identity"]
    assert (run.iterations, run.replicates) == (30, 1)
    assert run.config["optimizer"] == "sgd"
    assert run.config["batch_size"] == 16
    assert np.isfinite(run.step("loss")).all()
    assert gradlab.diagnose(run).ok
    assert gradlab.load(tmp_path / "mine").iterations == 30
    gradlab.write_report(run, tmp_path / "page.html")


def test_costly_statistics_come_at_iterations_0_to_9_and_every_10th():
    model = mlp(6, 8, 3)
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), steps=35)
    assert run.recorded("grad_norm").all()
    expected = np.array([t < 10 or t % 10 == 0 for t in range(35)])
    for name in ("delta_norm", "update_norm", "weight_norm", "activation_rms", "log_gain_weight"):
        assert (run.recorded(name)[:, 0, 0] == expected).all(), name


# -- nothing of it stays


@pytest.mark.parametrize("every", [1, None])
def test_the_numbers_are_those_of_an_unwatched_training_bit_by_bit(every):
    def make():
        torch.manual_seed(3)
        model = nn.Sequential(
            nn.Linear(6, 8),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.BatchNorm1d(8),
            nn.Linear(8, 3),
        )
        return model, torch.optim.AdamW(model.parameters(), 0.01)

    data = batch(dtype=torch.float32)
    (bare, first), (seen, second) = make(), make()
    torch.manual_seed(4)
    expected = train(bare, first, 25, data=data)
    state = torch.get_rng_state()
    torch.manual_seed(4)
    with watch(seen, second, every=every) as recorder:
        losses = train(seen, second, 25, recorder, data)
    assert losses == expected
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(bare.state_dict().values(), seen.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def hooks_of(model, optimizer) -> int:
    count = len(optimizer._optimizer_step_pre_hooks) + len(optimizer._optimizer_step_post_hooks)
    return count + sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
        for m in model.modules()
    )


@pytest.mark.parametrize("steps", [0, 1, 5, 15])
def test_no_hook_and_no_wrapper_stays_even_after_an_exception(steps):
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    originals = (
        torch.nn.utils.clip_grad._clip_grads_with_norm_,
        torch.nn.utils.clip_grad_value_,
        torch.amp.GradScaler.step,
    )
    recorder = watch(model, optimizer)

    def interrupted():
        with recorder:
            train(model, optimizer, steps, recorder)
            model(batch()[0])
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert hooks_of(model, optimizer) == 0
    assert originals == (
        torch.nn.utils.clip_grad._clip_grads_with_norm_,
        torch.nn.utils.clip_grad_value_,
        torch.amp.GradScaler.step,
    )
    if steps:
        assert recorder.run.matrices.iterations == steps
        assert recorder.run.matrices.provenance["status"] == "interrupted by KeyError"
    train(model, optimizer, 2)


# -- numbers against plain autograd


def test_gradients_updates_and_signals_are_what_plain_autograd_gives():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    x, y = batch()
    h = torch.tanh(model[0](x))
    z = model[2](h)
    deltas = torch.autograd.grad(F.cross_entropy(z, y), [h, z], retain_graph=True)
    single = [
        torch.autograd.grad(
            F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), [model[0].weight, model[2].weight]
        )
        for i in range(len(x))
    ]
    F.cross_entropy(z, y).backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.zero_grad()
    run = watched(model, optimizer, steps=1)
    assert run["grad_norm"][0, 0] == pytest.approx(
        [float(gradients[0].norm()), float(gradients[2].norm())], rel=1e-12
    )
    total = float(torch.stack([g.norm() for g in gradients]).norm())
    assert run.step("grad_norm")[0, 0] == pytest.approx(total, rel=1e-12)
    assert run["update_norm"][0, 0] == pytest.approx(
        [0.1 * float(gradients[0].norm()), 0.1 * float(gradients[2].norm())]
    )
    assert run["weight_norm"][0, 0] == pytest.approx(
        [float(before[0].norm()), float(before[2].norm())], rel=1e-12
    )
    assert run["delta_norm"][0, 0, 1] == pytest.approx(float(deltas[1].norm()), rel=1e-12)
    assert run["delta_norm"][0, 0, 0] == pytest.approx(
        float((deltas[0] * (1 - h**2)).detach().norm()), rel=1e-12
    )
    mean = [np.mean([float(g[k].norm()) for g in single]) for k in range(2)]
    assert run["per_example_grad_norm"][0, 0] == pytest.approx(mean, rel=1e-9)
    assert run["activation_rms"][0, 0] == pytest.approx(
        [float(each.detach().square().mean().sqrt()) for each in (h, z)]
    )
    assert run.step("expected_decrease")[0, 0] == pytest.approx(0.1 * total**2, rel=1e-9)


def test_the_log_gains_add_up_to_the_measured_ratio_in_a_convolutional_net_with_skips():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (
                nn.Conv2d(1, 4, 3, padding=1),
                nn.Conv2d(4, 4, 3, padding=1),
                nn.Linear(4, 3),
            )
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x):
            x = F.relu(self.a(x))
            x = x + F.relu(self.norm(self.b(x)))
            return self.c(x.mean((2, 3)))

    model = Net()
    data = torch.randn(8, 1, 6, 6), torch.randint(0, 3, (8,))
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), steps=3, data=data, every=1)
    assert run.layers["activation"].tolist() == ["relu", "relu", "identity"]
    names = (
        "log_gain_weight",
        "log_gain_alignment",
        "log_gain_slope",
        "log_gain_slope_alignment",
        "log_gain_block",
    )
    total = sum(np.nan_to_num(run[name][:, 0, :-1]) for name in names)
    delta = run["delta_norm"][:, 0]
    assert total == pytest.approx(np.log(delta[:, :-1] / delta[:, 1:]), abs=1e-6)


@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 0, 1), (2, 1, 1), (1, "same", 2)])
def test_the_per_example_norm_of_a_convolution_bounds_the_true_one(stride, padding, groups):
    conv = nn.Conv2d(2, 4, 3, stride=stride, padding=padding, groups=groups, dtype=torch.float64)
    model = nn.Sequential(conv, nn.Flatten(), nn.LazyLinear(3, dtype=torch.float64))
    x, y = torch.randn(5, 2, 7, 7, dtype=torch.float64), torch.randint(0, 3, (5,))
    model(x)
    true = [
        torch.autograd.grad(F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), conv.weight)[
            0
        ].norm()
        for i in range(5)
    ]
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), steps=1, data=(x, y))
    bound, mean = run["per_example_grad_norm"][0, 0, 0], float(torch.stack(true).mean())
    assert mean <= bound < 12 * mean
    assert run.provenance["upper_bounds"] == {"per_example_grad_norm": ["0"]}


def test_the_per_example_norm_of_a_sequence_bounds_the_true_one():
    layer = nn.Linear(4, 3, dtype=torch.float64)

    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return torch.tanh(self.layer(x)).mean(1)

    model = Mean()
    x, y = torch.randn(5, 7, 4, dtype=torch.float64), torch.randint(0, 3, (5,))
    true = [
        torch.autograd.grad(F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), layer.weight)[
            0
        ].norm()
        for i in range(5)
    ]
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), steps=1, data=(x, y))
    bound, mean = run["per_example_grad_norm"][0, 0, 0], float(torch.stack(true).mean())
    assert mean <= bound < 7 * mean


# -- where others go wrong


def test_accumulated_micro_batches_are_recorded_as_one_large_batch():
    x, y = batch(32)
    runs = []
    for parts in (1, 4):
        torch.manual_seed(0)
        model = mlp(6, 8, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watch(model, optimizer, every=1) as recorder:
            for _ in range(3):
                for xs, ys in zip(x.chunk(parts), y.chunk(parts), strict=True):
                    loss = F.cross_entropy(model(xs), ys) / parts
                    loss.backward()
                    recorder.log(loss=loss)
                optimizer.step()
                optimizer.zero_grad()
        runs.append(recorder.run.matrices)
    one, four = runs
    for name in (
        "grad_norm",
        "delta_norm",
        "per_example_grad_norm",
        "activation_std",
        "log_gain_weight",
        "slope_rms",
    ):
        assert four[name] == pytest.approx(one[name], rel=1e-9, nan_ok=True), name
    assert four.step("loss") == pytest.approx(one.step("loss"), rel=1e-12)


@pytest.mark.parametrize("before", [True, False], ids=["logged before the step", "logged after it"])
def test_a_loss_belongs_to_its_own_iteration(before):
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    expected = []
    with watch(model, optimizer) as recorder:
        for step in range(6):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            if before and step % 2 == 0:
                recorder.log(loss=loss)
            optimizer.step()
            optimizer.zero_grad()
            if not before and step % 2 == 0:
                recorder.log(loss=float(loss.detach()))
            expected.append(float(loss.detach()))
    recorded = recorder.run.matrices.step_recorded("loss")[:, 0]
    assert recorded.tolist() == [True, False] * 3
    assert recorder.run.matrices.step("loss")[recorded, 0] == pytest.approx(
        np.array(expected)[::2], rel=1e-6
    )


def test_zero_grad_may_come_before_backward_or_after_the_step():
    def recorded(first: bool):
        torch.manual_seed(0)
        model = mlp(6, 8, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watch(model, optimizer, every=1) as recorder:
            for _ in range(3):
                if first:
                    optimizer.zero_grad(set_to_none=False)
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
                if not first:
                    optimizer.zero_grad()
        return recorder.run.matrices["grad_norm"]

    x, y = batch()
    assert (recorded(True) == recorded(False)).all()


def test_two_optimizers_make_one_iteration_together():
    model = mlp(6, 8, 3)
    first, second = (
        torch.optim.SGD(model[0].parameters(), 0.1),
        torch.optim.Adam(model[2].parameters(), 0.01),
    )
    x, y = batch()
    with watch(model, [first, second], every=1) as recorder:
        for _ in range(4):
            F.cross_entropy(model(x), y).backward()
            first.step()
            second.step()
            model.zero_grad()
    run = recorder.run.matrices
    assert run.iterations == 4
    assert run.recorded("update_norm").all()
    assert run.recorded("second_moment_rms")[:, 0].tolist() == [[False, True]] * 4


def test_an_optimizer_that_steps_less_often_leaves_its_layers_unrecorded():
    model = mlp(6, 8, 3)
    first, second = (
        torch.optim.SGD(model[0].parameters(), 0.1),
        torch.optim.SGD(model[2].parameters(), 0.1),
    )
    x, y = batch()
    with watch(model, [first, second], every=1) as recorder:
        for step in range(4):
            F.cross_entropy(model(x), y).backward()
            first.step()
            if step % 2:
                second.step()
            model.zero_grad()
    run = recorder.run.matrices
    assert run.iterations == 4
    assert run.recorded("update_norm")[:, 0].tolist() == [
        [True, False],
        [True, True],
        [True, False],
        [True, True],
    ]


def test_a_matrix_shared_by_two_modules_has_one_gradient_and_two_signals():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.head = nn.Embedding(11, 6), nn.Linear(6, 11, bias=False)
            self.head.weight = self.wte.weight

        def forward(self, tokens):
            return self.head(torch.tanh(self.wte(tokens)))

    model = Tied()
    tokens = torch.randint(0, 11, (9,))
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), steps=1, data=(tokens, tokens))
    assert run.layers["name"].tolist() == ["wte", "head"]
    assert run.layers["kind"].tolist() == ["embedding", "Linear"]
    assert run["grad_norm"][0, 0, 0] == run["grad_norm"][0, 0, 1]
    assert run.step("grad_norm")[0, 0] == pytest.approx(run["grad_norm"][0, 0, 0])  # counted once
    assert run["delta_norm"][0, 0, 0] != run["delta_norm"][0, 0, 1]
    assert run["per_example_grad_norm"][0, 0, 0] >= run["grad_norm"][0, 0, 0]


def test_a_module_called_twice_adds_up():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.out = (
                nn.Linear(6, 6, dtype=torch.float64),
                nn.Linear(6, 3, dtype=torch.float64),
            )

        def forward(self, x):
            return self.out(torch.tanh(self.inner(torch.tanh(self.inner(x)))))

    model = Twice()
    x, y = batch()
    z1 = model.inner(x)
    z2 = model.inner(torch.tanh(z1))
    d1, d2 = torch.autograd.grad(F.cross_entropy(model.out(torch.tanh(z2)), y), [z1, z2])
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), steps=1)
    assert run["delta_norm"][0, 0, 0] == pytest.approx(
        float((d1.norm() ** 2 + d2.norm() ** 2).sqrt()), rel=1e-12
    )


def test_frozen_parameters_and_modules_that_are_not_called_are_not_recorded():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen, self.used, self.unused = nn.Linear(6, 6), nn.Linear(6, 3), nn.Linear(6, 3)
            self.frozen.requires_grad_(False)

        def forward(self, x):
            return self.used(torch.tanh(self.frozen(x)))

    model = Net()
    run = watched(
        model, torch.optim.SGD(model.parameters(), 0.1), 5, batch(dtype=torch.float32), every=1
    )
    rows = dict(zip(run.layers["name"], range(3), strict=True))
    assert not run.recorded("grad_norm")[..., rows["frozen"]].any()
    assert not run.recorded("grad_norm")[..., rows["unused"]].any()
    assert not run.recorded("delta_norm")[..., rows["unused"]].any()
    assert run.recorded("grad_norm")[..., rows["used"]].all()
    assert "GL101" not in [each.rule for each in gradlab.diagnose(run).findings]


def test_what_runs_under_no_grad_alone_is_told_from_what_is_detached():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.teacher, self.encoder, self.out = nn.Linear(6, 3), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            with torch.no_grad():
                told = self.teacher(x) + self.out(x)
            return self.out(self.encoder(x).detach()) + told

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = watched(model, optimizer, 2, batch(dtype=torch.float32), every=1)
    assert run.provenance["no_grad"] == ["teacher"]
    silent = ["teacher", "encoder", "teacher.bias", "encoder.bias"]
    assert run.provenance["without_gradient"] == silent


@pytest.mark.parametrize(
    "activation", [lambda: nn.ReLU(inplace=True), lambda: nn.ELU(inplace=True), nn.ReLU]
)
def test_activations_in_place_have_slopes_and_deltas_of_z(activation):
    torch.manual_seed(0)
    model = mlp(6, 8, 3, activation=activation)
    x, y = batch()
    z = model[0](x).detach().requires_grad_()
    h = (F.elu if isinstance(model[1], nn.ELU) else F.relu)(z)
    F.cross_entropy(model[2](h), y).backward()
    slope = torch.where(
        z > 0, torch.ones_like(z), h + 1 if isinstance(model[1], nn.ELU) else torch.zeros_like(z)
    )
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), steps=1)
    assert run["delta_norm"][0, 0, 0] == pytest.approx(float(z.grad.norm()), rel=1e-12)
    assert run["slope_rms"][0, 0, 0] == pytest.approx(
        float(slope.detach().square().mean().sqrt()), rel=1e-12
    )


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_is_recorded_once(reentrant):
    from torch.utils.checkpoint import checkpoint

    class Net(nn.Module):
        def __init__(self, checkpointed):
            super().__init__()
            self.inside, self.out = mlp(6, 8, 8), nn.Linear(8, 3, dtype=torch.float64)
            self.checkpointed = checkpointed

        def forward(self, x):
            h = (
                checkpoint(self.inside, x, use_reentrant=reentrant)
                if self.checkpointed
                else self.inside(x)
            )
            return self.out(torch.tanh(h))

    runs = []
    x, y = batch()
    for checkpointed in (False, True):
        torch.manual_seed(0)
        model = Net(checkpointed)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        runs.append(watched(model, optimizer, 3, (x.clone().requires_grad_(reentrant), y), every=1))
    plain, packed = runs
    assert packed.layers["name"].tolist() == plain.layers["name"].tolist()
    for name in ("grad_norm", "delta_norm", "update_norm", "per_example_grad_norm"):
        assert packed[name] == pytest.approx(plain[name], rel=1e-12), name


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf"
)  # the compiler looks at it
@pytest.mark.parametrize("compile_", ["module", "in place", "part"])
def test_a_compiled_model_has_clean_names_and_the_same_record(compile_):
    def make():
        torch.manual_seed(0)
        model = mlp(6, 8, 8, 3)
        return model, torch.optim.SGD(model.parameters(), 0.1)

    plain, optimizer = make()
    expected = watched(plain, optimizer, 25)
    model, optimizer = make()
    if compile_ == "module":
        model = torch.compile(model, backend="eager")
    elif compile_ == "in place":
        model.compile(backend="eager")
    else:
        model[2] = torch.compile(model[2], backend="eager")
    run = watched(model, optimizer, 25)
    assert run.layers["name"].tolist() == ["0", "2", "4"]
    for name in ("grad_norm", "delta_norm", "update_norm", "slope_rms"):
        assert (run.recorded(name) == expected.recorded(name)).all(), name
        assert run[name] == pytest.approx(expected[name], rel=1e-9, nan_ok=True), name
    assert torch._dynamo.eval_frame._stance.stance == "default"


def test_clipping_is_recorded_before_and_after_and_how_often_it_bites():
    from torch.nn.utils import clip_grad_norm_  # imported by name, before anything is watched

    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    before = []
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(5):
            F.cross_entropy(model(x), y).backward()
            before.append(float(clip_grad_norm_(model.parameters(), 0.3)))
            optimizer.step()
            optimizer.zero_grad()
    run = recorder.run.matrices
    assert run.step("grad_norm")[:, 0] == pytest.approx(before, rel=1e-6)
    clipped = np.minimum(before, 0.3)
    assert run.step("clipped_grad_norm")[:, 0] == pytest.approx(clipped, rel=1e-4)
    assert (run.step("clipped_grad_norm") < run.step("grad_norm") * 0.999).any()


def test_half_precision_weights_lose_updates_and_the_rule_says_so():
    torch.manual_seed(0)
    model = mlp(6, 32, 32, 3, dtype=torch.bfloat16)
    data = batch(64, dtype=torch.bfloat16)
    run = watched(model, torch.optim.SGD(model.parameters(), 1e-3), 80, data)
    assert np.nanmedian(run["lost_fraction"][:, 0, 0]) > 0.5
    assert "GL301" in [each.rule for each in gradlab.diagnose(run).findings]


def test_a_skipped_step_of_a_scaler_is_reported_and_is_no_iteration():
    model = mlp(6, 8, 3, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    x, y = batch(dtype=torch.float32)
    plain = mlp(6, 8, 3, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    expected = watched(plain, torch.optim.SGD(plain.parameters(), 0.1), 4, (x, y), every=1)
    with watch(model, optimizer, every=1) as recorder:
        for step in range(6):
            loss = F.cross_entropy(model(x), y)
            scaler.scale(loss * (float("inf") if step in (1, 2) else 1)).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    run = recorder.run.matrices
    assert run.iterations == 4
    assert run.provenance["skipped_steps"] == {"count": 2, "before_iterations": [1, 1]}
    for name in ("grad_norm", "delta_norm", "per_example_grad_norm"):
        assert run[name] == pytest.approx(expected[name], rel=1e-4), name  # not the scaled ones
    assert not run.nonfinite.any()


def test_autocast_is_recorded():
    model = mlp(6, 8, 3, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch(dtype=torch.float32)
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(3):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    run = recorder.run.matrices
    assert run.layers["activation"].tolist() == ["tanh", "identity"]
    assert np.isfinite(run["log_gain_weight"][:, 0, 0]).all()


def test_rows_of_a_sparse_embedding_that_no_batch_touched_are_not_vanished():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.out = nn.Embedding(1000, 8, sparse=True), nn.Linear(8, 3)

        def forward(self, tokens):
            return self.out(torch.tanh(self.embedding(tokens)))

    model = Net()
    first, second = (
        torch.optim.SparseAdam(model.embedding.parameters(), 0.01),
        torch.optim.Adam(model.out.parameters(), 0.01),
    )
    tokens, y = torch.randint(0, 20, (16,)), torch.randint(0, 3, (16,))
    with watch(model, [first, second], baseline_loss=np.log(3)) as recorder:
        for _ in range(80):
            loss = F.cross_entropy(model(tokens), y)
            loss.backward()
            first.step()
            second.step()
            model.zero_grad()
            recorder.log(loss=loss)
    run = recorder.run.matrices
    assert run["grad_norm"][0, 0, 0] > 0
    assert gradlab.diagnose(run).ok


def test_a_float32_delta_of_1e_30_is_measured_not_lost():
    model = mlp(6, 8, 3, dtype=torch.float32)
    run = watched(
        model, torch.optim.SGD(model.parameters(), 0.1), 1, batch(dtype=torch.float32),
        loss=lambda z, y: F.cross_entropy(z, y) * 1e-30,
    )  # fmt: skip
    assert 1e-33 < run["delta_norm"][0, 0, 1] < 1e-29
    assert run["grad_norm"][0, 0, 0] > 1e-33


def test_recurrent_and_attention_layers_have_a_row_a_matrix():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.attention = (
                nn.LSTM(6, 8, batch_first=True),
                nn.MultiheadAttention(8, 2, batch_first=True),
            )
            self.out = nn.Linear(8, 3)

        def forward(self, x):
            h, _ = self.lstm(x)
            h, _ = self.attention(h, h, h, need_weights=False)
            return self.out(h[:, -1])

    model = Net()
    data = torch.randn(5, 7, 6), torch.randint(0, 3, (5,))
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 3, data, every=1)
    assert run.layers["name"].tolist() == [
        "lstm.weight_ih_l0",
        "lstm.weight_hh_l0",
        "attention.in_proj_weight",
        "attention.out_proj",
        "out",
    ]
    assert run.recorded("grad_norm").all()
    assert run.recorded("delta_norm").all()
    names = (
        "log_gain_weight",
        "log_gain_alignment",
        "log_gain_slope",
        "log_gain_slope_alignment",
        "log_gain_block",
    )
    total = sum(np.nan_to_num(run[name][0, 0, :-1]) for name in names)
    delta = run["delta_norm"][0, 0]
    assert total == pytest.approx(np.log(delta[:-1] / delta[1:]), abs=1e-5)


def test_weights_are_followed_before_every_measured_update_and_after_the_last():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    first = copy.deepcopy(model.state_dict())
    run = watched(model, optimizer, 3, weights=1000)
    frame = run.weights
    start = frame[frame["iteration"] == 0]
    assert len(start) == 6 * 8 + 8 * 3
    for row in start.itertuples():
        weight = first["0.weight" if row.layer == 1 else "2.weight"]
        assert row.value == float(
            weight[row.column, row.row]
        )  # W (fan_in, fan_out), as the course writes it
    end = frame[(frame["iteration"] == 3) & (frame["layer"] == 2)]
    assert end["value"].to_numpy() == pytest.approx(model[2].weight.detach().T.numpy().ravel())


def test_a_closure_is_measured_after_it_ran():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    norms = []

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        norms.append(float(torch.stack([p.grad.norm() for p in model.parameters()]).norm()))
        return loss

    with watch(model, optimizer, every=1) as recorder:
        for _ in range(3):
            optimizer.step(closure)
    assert recorder.run.matrices.step("grad_norm")[:, 0] == pytest.approx(norms, rel=1e-9)
    assert recorder.run.matrices.recorded("delta_norm").all()


# -- the overnight NaN


class Log(nn.Module):
    """A net that takes a logarithm of something that may become negative."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(6, 8), nn.Linear(8, 3)
        self.shift = 0.0

    def forward(self, x):
        return self.head(torch.log(F.relu(self.body(x)) + 1e-3 - self.shift))


def run_into_nan(tmp_path=None, **options):
    model = Log()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x, y = batch(dtype=torch.float32)
    recorder = watch(model, optimizer, out=tmp_path, **options)
    with recorder:
        for step in range(30):
            model.shift = 2.0 if step == 13 else 0.0
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    return recorder


def test_the_first_nan_is_named_by_iteration_operation_and_module(tmp_path):
    run = run_into_nan(tmp_path / "run").run
    origin = run.provenance["nonfinite_origin"]
    assert (origin["iteration"], origin["operation"], origin["phase"]) == (
        13,
        "aten.log",
        "forward",
    )
    finding = gradlab.diagnose(run).findings[0]
    assert finding.rule == "GL001"
    assert finding.iterations[0] == 13
    assert "aten.log" in finding.message


def test_an_option_stops_before_the_nan_reaches_the_weights(tmp_path):
    model = Log()
    with pytest.raises(NonFiniteError, match="GL001") as caught:
        run_into_nan(tmp_path / "run", on_nonfinite="stop")
    assert "iteration 13" in str(caught.value)
    assert "aten.log" in str(caught.value)
    run = gradlab.load(tmp_path / "run")
    assert run.iterations == 14
    assert run.provenance["status"].startswith("stopped")
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_nan_that_is_born_in_the_backward_pass_is_told_from_one_in_the_forward_pass():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.b(torch.sqrt(F.relu(self.a(x)) * 0))  # sqrt'(0) = inf, times 0

    model = Root()
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 2, batch(dtype=torch.float32))
    assert run.steps["nonfinite_phase"].iloc[0] == "backward"
    assert gradlab.diagnose(run).findings[0].layers == (1,)


def test_trace_names_the_operation_on_demand():
    model = mlp(6, 8, 3, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch(dtype=torch.float32)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 2, recorder, (x, y))
        gradients = [p.grad for p in model.parameters()]
        assert (
            recorder.trace(lambda: F.cross_entropy(model(x), y))
            == "every number is finite, forward and backward"
        )
        text = recorder.trace(lambda: torch.log(-model(x).abs().sum()))
        assert "aten.log" in text
        assert "the loss" in text
        assert [p.grad for p in model.parameters()] == gradients


def test_the_folder_is_readable_while_the_training_lives(tmp_path):
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer, out=tmp_path / "run") as recorder:
        train(model, optimizer, 300, recorder)  # a block holds 256 at most
        live = gradlab.load(tmp_path / "run")
        assert live.iterations > 0
        assert live.provenance["status"] == "unfinished"
        assert recorder.snapshot().iterations == 300


# -- wrong arguments


def test_wrong_arguments_get_one_clear_sentence():
    model, other = mlp(6, 8, 3), mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for call, words in (
        (lambda: watch(nn.ReLU(), optimizer), "no parameters"),
        (lambda: watch(other, optimizer), "holds none of the parameters"),
        (lambda: watch(model, []), "give a torch.optim.Optimizer"),
        (lambda: watch(model, "sgd"), "give a torch.optim.Optimizer"),
        (lambda: watch("model", optimizer), "give the torch.nn.Module"),
        (lambda: watch(model, optimizer, every=0), "every=0"),
        (lambda: watch(model, optimizer, on_nonfinite="explode"), "on_nonfinite"),
        (
            lambda: watch(nn.LazyLinear(3), torch.optim.SGD(model.parameters(), 0.1)),
            "has no shape yet",
        ),
    ):
        with pytest.raises(ArgumentError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_watching_twice_is_refused_and_the_first_watch_goes_on():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as recorder:
        with pytest.raises(ArgumentError, match="watched already"), watch(model, optimizer):
            pass
        train(model, optimizer, 2, recorder)
    assert recorder.run.matrices.iterations == 2


def test_a_loss_must_be_a_single_number():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 1, recorder)
        with pytest.raises(ArgumentError, match=r"loss has shape \(16,\)"):
            recorder.log(loss=torch.ones(16))
        with pytest.raises(ArgumentError, match="loss='high'"):
            recorder.log(loss="high")


def test_before_the_first_step_there_is_no_run():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as recorder:
        with pytest.raises(RunError, match="nothing was recorded yet"):
            _ = recorder.run.matrices
        train(model, optimizer, 1, recorder)
