"""Loops that people write, and that a record must neither break nor misread."""

from __future__ import annotations

import copy
import io
import math

import numpy as np
import pytest

import gradlab
from gradlab.errors import ArgumentError, NonFiniteError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.loops import batch, mlp, train, watched  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def codes(run) -> list[str]:
    return [finding.rule for finding in gradlab.diagnose(run).findings]


def ratio(run) -> float:
    """||G|| over the mean norm of single gradients: at most 1 by the triangle inequality."""
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(run["grad_norm"] / run["per_example_grad_norm"]))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_first_batch_that_is_broken_breaks_nothing_else(value):
    model = mlp(6, 8, 3)
    x, y = batch()
    x[2, 3] = value
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 2, (x, y))
    finding = gradlab.diagnose(run).findings[0]
    assert (finding.rule, finding.iterations, finding.layers) == ("GL001", (0, 0), (1,))
    assert finding.remedies[0].action == "inspect batch"
    model = mlp(6, 8, 3)
    with pytest.raises(NonFiniteError, match="GL001"):
        watched(model, torch.optim.SGD(model.parameters(), 0.1), 2, (x, y), on_nonfinite="stop")


def test_two_forward_passes_before_one_backward_are_both_recorded():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    (x, y), z = batch(), batch()[0] + 1
    whole = torch.cat([x, z]), torch.cat([y, y])
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(4):
            loss = (F.cross_entropy(model(x), y) + F.cross_entropy(model(z), y)) / 2
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    expected = watched(model, torch.optim.SGD(model.parameters(), 0.1), 4, whole, every=1)
    for name in ("grad_norm", "delta_norm", "per_example_grad_norm", "activation_std"):
        assert recorder.run.matrices[name] == pytest.approx(
            expected[name], rel=1e-9, nan_ok=True
        ), name


def test_examples_one_at_a_time_are_a_batch():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(4):
            losses = [F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]) for i in range(len(x))]
            torch.stack(losses).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert ratio(recorder.run.matrices) <= 1 + 1e-9
    assert "GL104" not in codes(recorder.run.matrices)


@pytest.mark.parametrize("width", [8, 2000], ids=["small signals", "large ones"])
def test_two_backward_passes_through_one_graph_are_no_stale_gradient(width):
    model = mlp(6, width, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    x, y = batch()
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(4):
            z = model(x)
            F.cross_entropy(z, y).backward(retain_graph=True)
            (0.1 * z.square().mean()).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert "GL104" not in codes(recorder.run.matrices)
    known = recorder.run.matrices.recorded("per_example_grad_norm")
    assert not known.any() or ratio(recorder.run.matrices) <= 1 + 1e-9


def test_a_gradient_penalty_is_no_stale_gradient():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    x, y = batch()
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(20):
            inputs = x.clone().requires_grad_()
            loss = F.cross_entropy(model(inputs), y)
            (slope,) = torch.autograd.grad(model(inputs).sum(), inputs, create_graph=True)
            (loss + 10 * slope.square().sum(1).mean()).backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    assert "GL104" not in codes(recorder.run.matrices)


def test_a_mask_that_is_written_into_the_answer_is_no_nan():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 4)

        def forward(self, x):
            z = self.b(torch.relu(self.a(x)))
            z[:, 3] = -math.inf
            return z

    model = Masked()
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 12, batch(dtype=torch.float32))
    assert not run.nonfinite.any()
    assert codes(run) == []


def test_a_sum_of_a_bag_has_no_bound_that_is_none():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            self.bag, self.out = nn.EmbeddingBag(20, 8, mode="sum"), nn.Linear(8, 3)

        def forward(self, x):
            return self.out(torch.tanh(self.bag(x)))

    model = Bag()
    data = torch.randint(0, 20, (16, 30)), torch.randint(0, 3, (16,))
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 12, data)
    assert not run.recorded("per_example_grad_norm")[..., 0].any()
    assert "GL104" not in codes(run)


def test_a_loss_before_the_step_is_in_its_place_where_the_model_is_not_called_as_a_whole():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.decode = nn.Linear(6, 8), nn.Linear(8, 3)

    model = Parts()
    optimizer = torch.optim.SGD(model.parameters(), 0.3)
    x, y = batch(dtype=torch.float32)
    losses = []
    with watch(model, optimizer) as recorder:
        for _ in range(5):
            loss = F.cross_entropy(model.decode(torch.tanh(model.encode(x))), y)
            loss.backward()
            recorder.log(loss=loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
    assert recorder.run.matrices.step("loss")[:, 0] == pytest.approx(losses, rel=1e-6)


def test_a_step_that_the_user_leaves_out_leaves_nothing_behind():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    norms = []
    with watch(model, optimizer, every=1) as recorder:
        for step in range(5):
            loss = F.cross_entropy(model(x), y) * (math.nan if step == 2 else 1)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.2)
            if norm.isfinite():
                optimizer.step()
                norms.append(float(norm))
            optimizer.zero_grad()
    assert recorder.run.matrices.step("grad_norm")[:, 0] == pytest.approx(norms, rel=1e-6)


def test_a_fused_optimizer_under_a_scaler_is_recorded_unscaled_and_its_skips_too():
    def run(fused):
        torch.manual_seed(0)
        model = mlp(6, 8, 3, dtype=torch.float32)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        x, y = batch(dtype=torch.float32)
        with watch(model, optimizer, every=1) as recorder:
            for step in range(6):
                loss = F.cross_entropy(model(x), y)
                scaler.scale(loss * (math.inf if step in (0, 3) else 1)).backward()
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
        return recorder.run.matrices

    plain, fused = run(False), run(True)
    assert fused.iterations == plain.iterations == 4
    assert fused.provenance["skipped_steps"] == plain.provenance["skipped_steps"] == {
        "count": 2, "before_iterations": [0, 2],
    }  # fmt: skip
    for name in ("grad_norm", "grad_max", "delta_norm", "update_norm"):
        assert fused[name] == pytest.approx(plain[name], rel=1e-4), name
    assert fused.step("expected_decrease") == pytest.approx(
        plain.step("expected_decrease"), rel=1e-4
    )


@pytest.mark.parametrize("moment", ["between steps", "before a step"])
def test_a_copy_of_the_model_and_what_is_saved_of_it_carry_no_hooks(moment):
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 2, recorder)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if moment == "between steps":
            optimizer.step()
        best = copy.deepcopy(model) if moment == "between steps" else None
        buffer = io.BytesIO()
        torch.save(model, buffer)
        optimizer.step()
    buffer.seek(0)
    for other in (best, torch.load(buffer, weights_only=False)):
        if other is not None:
            assert torch.isfinite(other(x)).all()
            torch.save(other, io.BytesIO())


def test_transforms_and_experts_without_work_pass_through():
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts, self.out = (
                nn.ModuleList(nn.Linear(6, 8) for _ in range(3)),
                nn.Linear(8, 3),
            )

        def forward(self, x):
            parts = [
                F.relu(expert(part))
                for expert, part in zip(self.experts, (x[:9], x[9:], x[:0]), strict=True)
            ]
            return self.out(torch.cat(parts))

    model = Experts()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch(dtype=torch.float32)
    with watch(model, optimizer) as recorder:
        train(model, optimizer, 3, recorder, (x, y))
        torch.func.jacrev(model.out)(torch.randn(8))
        train(model, optimizer, 3, recorder, (x, y))
    assert recorder.run.matrices.iterations == 6


def test_layers_frozen_on_purpose_are_not_reported_and_layers_left_out_are():
    x, y = batch(dtype=torch.float32)
    model = mlp(6, 8, 8, 3, dtype=torch.float32)
    model[0].requires_grad_(False)
    assert "GL105" not in codes(
        watched(model, torch.optim.Adam(model.parameters(), 0.01), 60, (x, y))
    )
    model = mlp(6, 8, 8, 3, dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    model[4] = nn.Linear(8, 3)
    run = watched(model, optimizer, 60, (x, y))
    finding = next(each for each in gradlab.diagnose(run).findings if each.rule == "GL105")
    assert 3 in finding.layers
    assert "optimizer" in finding.message


def test_an_optimizer_that_never_sees_a_gradient_is_no_healthy_training():
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    with watch(model, optimizer) as recorder:
        for _ in range(30):
            F.cross_entropy(model(x), y).backward()
            optimizer.zero_grad()
            optimizer.step()
    diagnosis = gradlab.diagnose(recorder.run.matrices)
    assert [(each.rule, each.severity) for each in diagnosis.findings] == [("GL105", "error")]
    assert not diagnosis.ok


def test_a_new_run_in_an_old_folder_leaves_the_users_files_alone(tmp_path):
    model = mlp(6, 8, 3)
    for _ in range(2):
        watched(
            model, torch.optim.SGD(model.parameters(), 0.1), 3, out=tmp_path / "run", overwrite=True
        )
        (tmp_path / "run" / "best.pt").write_text("mine")
    assert (tmp_path / "run" / "best.pt").read_text() == "mine"
    assert gradlab.load(tmp_path / "run").iterations == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": "10"}, "every='10'"),
        ({"every": 1.5}, "every=1.5"),
        ({"seed": "a"}, "seed='a'"),
        ({"weights": -1}, "weights=-1"),
        ({"out": 5}, "out=5"),
        ({"out": ""}, "out=''"),
        ({"baseline_loss": "x"}, "baseline_loss='x'"),
        ({"baseline_loss": math.nan}, "baseline_loss=nan"),
    ],
)
def test_silly_options_get_one_clear_sentence(options, words):
    model = mlp(6, 8, 3)
    with pytest.raises(ArgumentError, match=words):
        watch(model, torch.optim.SGD(model.parameters(), 0.1), **options)


def guarded(takes, *, accumulates=False):
    """Watch a loop that logs every batch's loss, and steps only where `takes` says so."""
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = batch()
    with watch(model, optimizer, every=1) as recorder:
        for take in takes:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            recorder.log(loss=loss)
            if take:
                optimizer.step()
            if take or not accumulates:
                optimizer.zero_grad()
    return recorder.run


def test_steps_that_a_guard_skips_are_counted():
    run = guarded([True, False, False, True, False])
    assert run.iterations == 2
    assert run.step("skipped_steps")[1, 0] == 2
    assert run.provenance["skipped_steps"]["thrown_away"] == 2


def test_the_loss_of_a_step_that_a_guard_skipped_is_not_added_up():
    run = guarded([True, False, False, True])
    assert run.step("loss")[1, 0] < 1.5


def test_gradients_that_add_up_are_no_skipped_steps():
    run = guarded([False, False, True, False, True], accumulates=True)
    assert run.iterations == 2
    assert "skipped_steps" not in run.provenance


def test_adagrads_own_decay_is_part_of_its_rate():
    torch.manual_seed(0)
    model = mlp(6, 8, 3)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1, lr_decay=0.5)
    run = watched(model, optimizer, 3, batch())
    assert run.step("learning_rate")[:, 0] == pytest.approx([0.1, 0.1 / 1.5, 0.1 / 2])


class Drawn(torch.nn.Module):
    """A map whose weights are drawn anew in each pass."""

    def __init__(self, fan_in, fan_out):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.randn(fan_out, fan_in, dtype=torch.float64))

    def forward(self, x):
        return F.linear(x, self.mean + 0.1 * torch.randn_like(self.mean))


def test_a_model_whose_weights_are_all_drawn_anew_is_recorded():
    torch.manual_seed(0)
    model = torch.nn.Sequential(Drawn(6, 8), torch.nn.Tanh(), Drawn(8, 3))
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 3, batch())
    assert [layer["kind"] for layer in run.layers.to_dict("records")] == ["Drawn", "Drawn"]
