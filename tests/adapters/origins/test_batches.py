"""The batch that broke: kept, named by row, run again, written where that is asked for."""

import contextlib
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.errors import ArgumentError, NonFiniteError, RunError  # noqa: E402

BREAK = 25


class Root(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = (self.body(x) ** 2).sum(-1, keepdim=True).sqrt()  # of a row of zeros, it is 0
        return self.head(h.expand(-1, 8))


def batch(step, broken=BREAK, spike=None):
    generator = torch.Generator().manual_seed(step)
    x = torch.rand(6, 4, generator=generator) + 0.5
    y = torch.randint(3, (6,), generator=generator)
    if step == broken:
        x[4] = 0
    return x * (1e4 if step == spike else 1.0), y


def trained(model=None, steps=BREAK + 1, spike=None, **options):
    """Train until it breaks; return the watch, and the model with its weights still whole."""
    torch.manual_seed(0)
    model = model or Root()
    with torch.no_grad():
        model.body.weight.abs_()
        model.body.bias.zero_()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    recorder = watch(model, optimizer, on_nonfinite="stop", **options)
    try:
        with recorder:
            for step in range(steps):
                x, y = batch(step, spike=spike)
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                model.body.bias.grad.zero_()  # stays 0, so that a row of zeros has a root of 0
                optimizer.step()
    except NonFiniteError:
        pass
    return recorder, model


def test_the_batch_that_broke_is_kept_and_its_row_named():
    recorder, _ = trained()
    (kept,) = recorder.batches
    assert (kept.iteration, kept.why, kept.rows) == (BREAK, "non-finite", (4,))
    assert torch.equal(kept.calls[0].arguments[0], batch(BREAK)[0])
    assert recorder.skip_batches == [BREAK - 1, BREAK]


def test_a_spike_is_kept():
    recorder, _ = trained(spike=22, steps=24)
    assert [(each.iteration, each.why) for each in recorder.batches] == [(22, "spike")]


def test_replay_runs_the_model_alone_and_names_the_rows():
    recorder, _ = trained()
    again = recorder.replay()
    assert again.origin is not None
    assert again.origin.operation == "aten.sqrt"
    assert again.loss is None
    assert again.worst_rows[0] == 4
    assert not math.isfinite(again.example_grad_norms[4])
    assert all(math.isfinite(norm) for n, norm in enumerate(again.example_grad_norms) if n != 4)


def test_replay_with_a_loss_agrees_with_autograd_row_by_row():
    recorder, model = trained(spike=22, steps=24)
    x, y = batch(22, spike=22)
    again = recorder.replay(lambda answer: F.cross_entropy(answer, y))
    assert again.origin is None
    assert again.loss == pytest.approx(F.cross_entropy(model(x), y).item())
    for row in range(6):
        loss = F.cross_entropy(model(x[row : row + 1]), y[row : row + 1]) / 6
        found = torch.autograd.grad(loss, list(model.parameters()))
        norm = math.sqrt(sum(float(each.double().square().sum()) for each in found))
        assert again.example_grad_norms[row] == pytest.approx(norm, rel=1e-4)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 3)

    def forward(self, x):
        return self.body(x)


def test_with_a_loss_the_batch_is_named_as_without_it():
    torch.manual_seed(0)
    model = Plain()
    x, y = torch.randn(6, 4), torch.zeros(6, dtype=torch.long)
    x[4, 1] = float("inf")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    recorder = watch(model, optimizer, on_nonfinite="stop")
    with contextlib.suppress(NonFiniteError), recorder:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert recorder.replay().origin.argument == "x"
    assert recorder.replay(lambda answer: F.cross_entropy(answer, y)).origin.argument == "x"
    assert "argument x of the model is not finite at [4, 1]" in recorder.trace(
        lambda: F.cross_entropy(model(x), y)
    )


def test_replay_changes_nothing():
    recorder, model = trained()
    before = [each.clone() for each in model.state_dict().values()]
    gradients = [each.grad for each in model.parameters()]
    state = torch.get_rng_state()
    recorder.replay()
    assert all(map(torch.equal, before, model.state_dict().values()))
    assert all(a is b.grad for a, b in zip(gradients, model.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())


class Averaged(Root):
    """Its norm reads the batch, which is finite: the averages stay so, too."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4, momentum=0.5)

    def forward(self, x):
        self.norm(x)
        return super().forward(x)


def test_a_pass_that_is_run_again_leaves_the_averages_of_a_norm_as_they_were():
    """PyTorch's kernels write them without counting it."""
    model = Averaged()
    norm = nn.BatchNorm1d(4, momentum=0.5)
    for step in range(BREAK + 1):
        norm(batch(step)[0])
    recorder, _ = trained(model)
    assert torch.equal(model.norm.running_mean, norm.running_mean)
    recorder.replay()
    for name, buffer in model.norm.named_buffers():
        assert torch.equal(buffer, norm.get_buffer(name)), name


def test_it_is_written_only_where_that_is_asked_for(tmp_path):
    trained(out=tmp_path / "memory")
    trained(out=tmp_path / "disk", keep_batch=True)
    assert not list((tmp_path / "memory").glob("*.npz"))
    with np.load(tmp_path / "disk" / f"batch-{BREAK}.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["x"], batch(BREAK)[0].numpy())
    assert gradlab.load(tmp_path / "disk").iterations == BREAK + 1


def test_no_batch_is_kept_where_that_is_forbidden(tmp_path):
    recorder, _ = trained(out=tmp_path / "run", keep_batch=False)
    assert recorder.batches == []
    assert recorder.run.provenance["nonfinite_origin"]["operation"] == "aten.sqrt"
    assert not list((tmp_path / "run").glob("*.npz"))
    with pytest.raises(RunError, match="keep_batch=False"):
        recorder.replay()


def test_too_large_a_batch_is_not_kept(monkeypatch):
    from gradlab.adapters.torch.origin import batch as batches

    size = (6 * 4 + 6 * 3) * 4  # of the batch, and of the gradient at the answer
    monkeypatch.setattr(batches, "KEPT_BYTES", size - 1)
    assert trained()[0].batches == []
    monkeypatch.setattr(batches, "KEPT_BYTES", size)
    assert len(trained()[0].batches) == 1


def test_wrong_arguments_are_told():
    recorder, _ = trained()
    with pytest.raises(ArgumentError, match="loss_fn must return the loss"):
        recorder.replay(lambda answer: answer)
    with pytest.raises(RunError, match=f"no batch of iteration 3 is kept \\(kept: {BREAK}\\)"):
        recorder.replay(iteration=3)
    with pytest.raises(ArgumentError, match="keep_batch='yes'"):
        trained(keep_batch="yes")


def test_the_frames_lead_from_the_last_measured_iterations_to_the_break():
    frames = trained()[0].run.provenance["nonfinite_frames"]
    assert [each["iteration"] for each in frames] == [9, 10, 20, BREAK]
    last = {row["module"]: row for row in frames[-1]["rows"]}
    x = batch(BREAK)[0]
    assert last["body"]["input"] == [0.0, pytest.approx(float(x.max()))]
    assert list(last) == ["body", "head"]
    earlier = {row["module"]: row for row in frames[1]["rows"]}
    assert earlier["body"]["output"][0] > 0
