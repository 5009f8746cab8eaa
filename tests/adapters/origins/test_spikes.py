"""Spikes on a GPU, whose norms arrive some steps later, stood in for by a device with a lag."""

import functools
import math
import sys
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import outfit, watch  # noqa: E402
from gradlab.adapters.torch.origin import lookout, spikes  # noqa: E402
from gradlab.adapters.torch.origin.batch import Batches  # noqa: E402

SPIKE, STEPS = 24, 36


class Device:
    """A device that is so many steps behind."""

    def __init__(self, behind: int):
        self.step, self.behind, self.waited = 0, behind, 0

    def mark(self, device: torch.device) -> "Mark":
        return Mark(self, self.step + self.behind)


class Mark:
    def __init__(self, device: Device, passed_at: int):
        self.device, self.passed_at = device, passed_at

    def query(self) -> bool:
        return self.device.step >= self.passed_at

    def synchronize(self) -> None:
        self.device.waited += not self.query()


def batch(step: int, spike: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(6, 4, generator=generator)
    return x * (spike if step == SPIKE else 1.0), torch.randint(3, (6,), generator=generator)


def on_gpu(model, ranks, mode, on_cpu, guard, keep):
    return lookout.Lookout(model, ranks, mode, False, guard, keep)


@pytest.fixture
def train(monkeypatch):
    """Return what trains as on a GPU that is so many steps behind."""
    monkeypatch.setattr(outfit, "Lookout", on_gpu)
    return functools.partial(trained, monkeypatch)


def trained(monkeypatch, *, behind, spike=1e4, afterwards=id, **options):
    """Train; return the watch, the batches alive after 20 steps, and how often it waited in one."""
    device = Device(behind)
    monkeypatch.setattr(spikes, "mark", device.mark)
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    given, alive = [], []
    with watch(model, optimizer, **options) as recorder:
        for device.step in range(STEPS):
            x, y = batch(device.step, spike)
            given.append(weakref.ref(x))
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
            afterwards(x)
            alive.append([step for step, each in enumerate(given) if each() is not None])
        waited = device.waited
    return recorder, alive[20], waited


@pytest.mark.parametrize("behind", [0, 1, spikes.HELD])
def test_a_batch_is_held_until_its_norm_has_arrived(train, behind):
    recorder, alive, waited = train(behind=behind)
    assert alive == list(range(21 - max(behind, 1), 21))
    (kept,) = recorder.batches
    assert (kept.iteration, kept.why) == (SPIKE, "spike")
    assert torch.equal(kept.calls[0].arguments[0], batch(SPIKE, 1e4)[0])
    assert waited == 0


def test_a_batch_whose_norm_comes_too_late_is_let_go(train):
    recorder, alive, waited = train(behind=spikes.HELD + 1)
    assert alive == list(range(21 - spikes.HELD, 21))
    assert recorder.batches == []
    assert waited == 0


def test_the_bytes_that_are_held_are_bounded(train, monkeypatch):
    size = (6 * 4 + 6 * 3) * 4  # of a batch, and of the gradient at its answer
    monkeypatch.setattr(spikes, "HELD_BYTES", 3 * size)
    assert train(behind=4)[1] == [18, 19, 20]
    monkeypatch.setattr(spikes, "HELD_BYTES", 3 * size - 1)
    assert train(behind=4)[1] == [19, 20]


def test_the_last_batches_are_looked_at_when_the_watch_ends(train, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SPIKE", STEPS - 2)
    recorder, _, waited = train(behind=spikes.HELD)
    assert [each.iteration for each in recorder.batches] == [STEPS - 2]
    assert waited == 0


def test_the_batch_that_broke_is_kept_with_its_rows_and_none_after_it(train):
    recorder, _, _ = train(behind=2, spike=math.nan)
    (kept,) = recorder.batches
    assert (kept.iteration, kept.why, kept.rows) == (SPIKE, "non-finite", (0, 1, 2, 3, 4, 5))
    assert recorder.skip_batches == [SPIKE - 1, SPIKE]
    assert recorder.run.steps["nonfinite_phase"].notna().idxmax() == SPIKE


def test_a_batch_that_was_written_over_is_not_kept(train):
    assert train(behind=2, afterwards=lambda x: x.zero_())[0].batches == []


def test_it_is_written_beside_the_record_where_that_is_asked_for(train, tmp_path):
    train(behind=3, out=tmp_path / "run", keep_batch=True)
    with np.load(tmp_path / "run" / f"batch-{SPIKE}.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["input"], batch(SPIKE, 1e4)[0].numpy())


@pytest.mark.parametrize("options", [{"keep_batch": False}, {"on_nonfinite": "record"}])
def test_nothing_is_held_where_that_is_not_wanted(train, options):
    recorder, alive, _ = train(behind=5, **options)
    assert alive == [20]
    assert recorder.batches == []


def test_each_optimizer_has_a_mean_of_its_own():
    """The generator's gradient is a thousandth of the discriminator's, at every step."""
    batches = Batches(keep=True)
    kept = spikes.Spikes(batches, late=False)
    for step in range(STEPS):
        assert not kept.take(step, 0, [], [np.array([1.0])])
        assert not kept.take(step, 1, [], [np.array([1e-3])])
