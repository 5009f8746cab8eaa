"""One net by hand, compiled, checkpointed, by Lightning, by the Trainer: the same numbers.

Several processes are held against one in `test_distributed.py`.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest

import gradlab

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.run import BLOCK_GAIN, BLOCK_STATISTICS, LOG_GAINS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of few workers, no logger, a short epoch
STEPS, RATE, WIDTH = 12, 0.05, 6
STATISTICS = (
    "grad_norm",
    "delta_norm",
    "activation_rms",
    "weight_norm",
    "update_norm",
)
STEP_COLUMNS = ("loss", "grad_norm", "output_gain", "criterion_loss", "learning_rate", "examples")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = (
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, 9),
            nn.Linear(9, WIDTH),
        )

    def forward(self, x):
        return x + self.down(torch.tanh(self.up(self.norm(x))))


class Net(nn.Module):
    def __init__(self, checkpointed=False):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = nn.Linear(4, WIDTH), nn.Linear(WIDTH, 3)
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.checkpointed = checkpointed
        self.double()

    def forward(self, x):
        h = self.stem(x)
        for block in self.blocks:
            h = checkpoint(block, h, use_reentrant=False) if self.checkpointed else block(h)
        return self.head(h)


@functools.cache
def batches():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(STEPS, 8, 4, dtype=torch.float64, generator=generator)
    return x, torch.randint(0, 3, (STEPS, 8), generator=generator)


def by_hand(model):
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    with watch(model, optimizer) as recorder:
        for x, y in zip(*batches(), strict=True):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
    return recorder.run


def compiled():
    return by_hand(torch.compile(Net(), backend="eager"))


def compiled_in_place():
    model = Net()
    model.compile(backend="eager")
    return by_hand(model)


def checkpointed():
    return by_hand(Net(checkpointed=True))


def by_lightning():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pl = pytest.importorskip("lightning.pytorch")
        from gradlab.adapters.lightning import GradlabCallback

    class Module(pl.LightningModule, Net):
        def __init__(self):
            pl.LightningModule.__init__(self)
            plain = Net()
            self.stem, self.head, self.blocks = plain.stem, plain.head, plain.blocks
            self.checkpointed = False

        def training_step(self, batch, index):
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=RATE)

    callback = GradlabCallback()
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[callback],
    )  # fmt: skip
    data = list(zip(*batches(), strict=True))
    trainer.fit(Module(), torch.utils.data.DataLoader(data, batch_size=None))
    return callback.run


def by_the_trainer(folder):
    transformers = pytest.importorskip("transformers")
    from gradlab.adapters.transformers import GradlabCallback

    class WithLoss(Net):
        def forward(self, x, labels=None):
            logits = super().forward(x)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    x, y = batches()
    rows = [{"x": a, "labels": b} for a, b in zip(x.flatten(0, 1), y.flatten(), strict=True)]
    model, callback = WithLoss(), GradlabCallback()
    arguments = transformers.TrainingArguments(
        folder, max_steps=STEPS, per_device_train_batch_size=8, report_to=[], use_cpu=True,
        save_strategy="no", disable_tqdm=True, max_grad_norm=0, logging_steps=1,
    )  # fmt: skip

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *_, **__):
            return torch.utils.data.SequentialSampler(rows)

    sgd = torch.optim.SGD(model.parameters(), RATE)
    constant = torch.optim.lr_scheduler.ConstantLR(sgd, 1.0)
    InOrder(
        model, arguments, train_dataset=rows, callbacks=[callback], optimizers=(sgd, constant)
    ).train()
    return callback.run


@pytest.fixture(scope="module")
def plain():
    return by_hand(Net())


def steps_back(run: gradlab.Run) -> np.ndarray:
    """Each step from layer to layer: checkpointing packs away what its terms are made of."""
    terms = [np.where(run.recorded(name), run[name], 0.0) for name in (*LOG_GAINS, BLOCK_GAIN)]
    return np.sum(terms, axis=0)


def assert_alike(run: gradlab.Run, plain: gradlab.Run, *, steps=STEP_COLUMNS):
    where = ["name", "path", "block", "role", "kind", "owner", "fan_in", "fan_out", "activation"]
    assert run.layers[where].equals(plain.layers[where])
    assert run.blocks.equals(plain.blocks)
    for name in BLOCK_STATISTICS:
        np.testing.assert_allclose(
            run.block_statistic(name), plain.block_statistic(name), rtol=1e-9, err_msg=name
        )
    for name in STATISTICS:
        np.testing.assert_array_equal(run.recorded(name), plain.recorded(name), err_msg=name)
        np.testing.assert_allclose(run[name], plain[name], rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(steps_back(run), steps_back(plain), rtol=1e-7, atol=1e-12)
    for name in steps:
        np.testing.assert_allclose(run.step(name), plain.step(name), rtol=1e-6, err_msg=name)


def test_the_net_by_itself_has_blocks_a_stream_vectors_and_an_output_stage(plain):
    assert plain.blocks["block"].tolist() == [
        *(f"blocks.{n}" for n in range(3)), *(f"blocks.{n}.up-down" for n in range(3)),
    ]  # fmt: skip
    assert np.isfinite(plain.block_statistic("stream_grad_norm")[0]).all()
    assert plain.vectors["grad_norm"][0].min() > 0
    assert np.isfinite(plain.step("output_gain")[0]).all()


def test_a_slope_that_checkpointing_packs_away_is_no_slope_of_1():
    run = by_hand(Net(checkpointed=True))
    up = run.layers["name"].tolist().index("blocks.1.up")
    assert run.layers["activation"][up] == "tanh"
    assert not run.recorded("slope_rms")[:, 0, up].any()


def test_a_module_compiled_in_place_is_itself_again_after_the_watch():
    model = Net()
    model.compile(backend="eager")
    compiled = model._compiled_call_impl
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    x, _ = batches()
    with watch(model, optimizer):
        assert model._compiled_call_impl is not compiled
        model(x[0]).sum().backward()
        optimizer.step()
    assert model._compiled_call_impl is compiled


@pytest.mark.parametrize("made", [compiled, compiled_in_place, checkpointed, by_lightning])
def test_a_wrapper_changes_nothing(made, plain):
    assert_alike(made(), plain)


def test_the_trainer_changes_nothing(plain, tmp_path):
    assert_alike(by_the_trainer(tmp_path), plain)
