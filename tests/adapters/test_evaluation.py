"""The last batch once more in evaluation mode: as by hand, and without a trace."""

from __future__ import annotations

import contextlib
import copy
import random
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.observe.evaluation import FIRST  # noqa: E402
from gradlab.adapters.torch.observe.loss_side import LossSide  # noqa: E402
from tests.adapters.loops import train, watched  # noqa: E402

N, CLASSES = 16, 5


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def data():
    generator = torch.Generator().manual_seed(1)
    x = 3 + 2 * torch.randn(N, 6, generator=generator)
    return x, torch.randint(0, CLASSES, (N,), generator=generator)


def net(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), *parts, nn.Linear(8, CLASSES))


def once(model, step, iteration=FIRST, side=None):
    """Run one iteration; return its numbers, and why nothing was evaluated."""
    side = LossSide(model) if side is None else side
    side.attach(iteration)
    loss = step()
    if loss is not None:
        loss.backward()
    side.evaluate()
    found = side.measure().steps
    side.detach()
    assert side.trouble is None
    return {name: float(value) for name, value in found.items()}, side.not_evaluated


def by_hand(model, loss_of, before=None) -> float:
    """Return the loss in evaluation mode, with the buffers of a state from before."""
    if before is not None:
        model.load_state_dict(before)
    model.eval()
    with torch.no_grad():
        loss = float(loss_of())
    model.train()
    return loss


class Drop(nn.Module):
    """Stochastic depth, as many libraries write it."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(len(x), 1) > self.drop_prob
        return x * kept / (1 - self.drop_prob)


@pytest.mark.parametrize(
    "part",
    [
        nn.BatchNorm1d(8),
        nn.Dropout(0.5),
        Drop(0.5),
        nn.Sequential(
            nn.Unflatten(1, (2, 4)), nn.InstanceNorm1d(2, track_running_stats=True), nn.Flatten()
        ),
    ],
    ids=["batch norm", "dropout", "stochastic depth", "instance norm"],
)  # fmt: skip
def test_the_loss_in_evaluation_mode_is_that_by_hand(part):
    model, (x, y) = net(part), data()
    before = copy.deepcopy(model.state_dict()) if isinstance(part, nn.BatchNorm1d) else None
    found, _ = once(model, lambda: F.cross_entropy(model(x), y))
    expected = by_hand(model, lambda: F.cross_entropy(model(x), y), before)
    assert found["evaluation_loss"] == pytest.approx(expected, rel=1e-6)
    assert found["evaluation_train_loss"] == pytest.approx(found["criterion_loss"])
    assert found["evaluation_loss"] != pytest.approx(found["criterion_loss"], rel=1e-3)


class ByHand(nn.Module):
    """Dropout that someone wrote out, and forgot to divide by the share that is kept."""

    def forward(self, x):
        return x * (torch.arange(x.shape[1]) % 2) if self.training else x


def test_a_module_that_looks_at_its_mode_is_run_in_both():
    model, (x, y) = net(ByHand()), data()
    found, _ = once(model, lambda: F.cross_entropy(model(x), y))
    expected = by_hand(model, lambda: F.cross_entropy(model(x), y))
    assert found["evaluation_loss"] == pytest.approx(expected, rel=1e-6)
    assert found["evaluation_loss"] != pytest.approx(found["criterion_loss"], rel=1e-3)


@pytest.mark.parametrize(
    "part",
    [
        nn.LayerNorm(8),
        nn.Dropout(0.0),
        nn.BatchNorm1d(8, track_running_stats=False),
        nn.BatchNorm1d(8).eval(),
        Drop(0.0),
    ],
)
def test_a_model_that_is_the_same_in_both_modes_is_not_run_again(part):
    model, (x, y) = net(part), data()
    calls = []
    model.forward = lambda x: calls.append(1) or nn.Sequential.forward(model, x)
    found, reason = once(model, lambda: F.cross_entropy(model(x), y))
    assert "evaluation_loss" not in found
    assert (calls, reason) == ([1], None)


@pytest.mark.parametrize(
    ("reduction", "settings"),
    [("sum", {}), ("none", {}), ("mean", {"label_smoothing": 0.1, "weight": torch.rand(CLASSES)})],
)
def test_the_value_is_that_of_the_mean(reduction, settings):
    model, (x, y) = net(nn.BatchNorm1d(8)), data()
    before = copy.deepcopy(model.state_dict())
    found, _ = once(
        model, lambda: F.cross_entropy(model(x), y, reduction=reduction, **settings).sum()
    )
    expected = by_hand(model, lambda: F.cross_entropy(model(x), y, **settings), before)
    assert found["evaluation_loss"] == pytest.approx(expected, rel=1e-6)


VIEWS = {
    "transposed": (lambda z: z.view(4, 4, CLASSES).transpose(1, 2), lambda y: y.view(4, 4)),
    "a slice": (lambda z: z[3:9], lambda y: y[3:9]),
    "a view": (lambda z: z.view(4, 4, CLASSES).view(-1, CLASSES), lambda y: y),
}


@pytest.mark.parametrize("case", VIEWS)
def test_the_criterion_may_be_given_a_view_of_the_answer(case):
    view, targets = VIEWS[case]
    model, (x, y) = net(nn.Dropout(0.5)), data()
    found, _ = once(model, lambda: F.cross_entropy(view(model(x)), targets(y)))
    expected = by_hand(model, lambda: F.cross_entropy(view(model(x)), targets(y)))
    assert found["evaluation_loss"] == pytest.approx(expected, rel=1e-6)


def test_what_the_user_computes_of_the_answer_is_not_guessed():
    model, (x, y) = net(nn.Dropout(0.5)), data()
    found, _ = once(model, lambda: F.cross_entropy(model(x) * 2, y))
    assert "evaluation_loss" not in found


@dataclass
class Output:
    logits: torch.Tensor
    hidden: torch.Tensor


def test_answers_may_be_tuples_dicts_and_dataclasses():
    for wrap, unwrap in (
        (lambda z: (z.detach(), z), lambda output: output[1]),
        (lambda z: {"hidden": z.detach(), "logits": z}, lambda output: output["logits"]),
        (lambda z: Output(z, z.detach()), lambda output: output.logits),
    ):
        model, (x, y) = net(nn.BatchNorm1d(8)), data()
        model.forward = lambda x, wrap=wrap, model=model: wrap(nn.Sequential.forward(model, x))

        def loss(model=model, x=x, y=y, unwrap=unwrap):
            return F.cross_entropy(unwrap(model(x)), y)

        before = copy.deepcopy(model.state_dict())
        found, _ = once(model, loss)
        assert found["evaluation_loss"] == pytest.approx(by_hand(model, loss, before), rel=1e-6)


def test_the_batch_is_the_last_of_those_that_were_accumulated():
    model, (x, y) = net(nn.Dropout(0.5)), data()

    def accumulated():
        for part in (slice(0, 8), slice(8, N)):
            F.cross_entropy(model(x[part]), y[part]).backward()

    found, _ = once(model, accumulated)
    expected = by_hand(model, lambda: F.cross_entropy(model(x[8:]), y[8:]))
    assert found["evaluation_loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("momentum", [0.1, 1.0])
def test_batch_norms_averages_are_those_from_before_the_iterations_first_pass(momentum):
    model, (x, y) = net(nn.BatchNorm1d(8, momentum=momentum)), data()
    with torch.no_grad():
        model(x * 3 - 1)  # another batch
    before = copy.deepcopy(model.state_dict())

    def accumulated():
        for part in (slice(0, 8), slice(8, N)):
            F.cross_entropy(model(x[part]), y[part]).backward()

    found, _ = once(model, accumulated)
    after = copy.deepcopy(model.state_dict())
    assert not torch.equal(after["1.running_mean"], before["1.running_mean"])
    fresh = by_hand(model, lambda: F.cross_entropy(model(x[8:]), y[8:]), before)
    stale = by_hand(model, lambda: F.cross_entropy(model(x[8:]), y[8:]), after)
    assert found["evaluation_loss"] == pytest.approx(fresh, rel=1e-6)
    assert found["evaluation_loss"] != pytest.approx(stale, rel=1e-3)


def test_a_model_of_transformers_is_evaluated_by_the_criterion_inside():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=31, n_positions=8)
    model = transformers.GPT2LMHeadModel(config).train()
    tokens = torch.randint(0, 31, (2, 8))
    found, reason = once(model, lambda: model(input_ids=tokens, labels=tokens).loss)
    expected = by_hand(model, lambda: model(input_ids=tokens, labels=tokens).loss)
    assert reason is None
    assert found["evaluation_loss"] == pytest.approx(expected, rel=1e-6)


def test_a_loss_by_hand_that_the_model_returns_is_its_own():
    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net(nn.BatchNorm1d(8))

        def forward(self, x, y):
            z = self.net(x)
            return {"loss": -z.log_softmax(1)[torch.arange(N), y].mean(), "logits": z}

    model, (x, y) = WithLoss(), data()
    before = copy.deepcopy(model.state_dict())
    found, _ = once(model, lambda: model(x, y=y)["loss"] / 4)
    expected = by_hand(model, lambda: model(x, y)["loss"], before)
    assert found["evaluation_loss"] == pytest.approx(expected, rel=1e-6)
    assert found["evaluation_train_loss"] != pytest.approx(expected, rel=1e-3)


def test_a_loss_by_hand_outside_the_model_is_not_guessed():
    model, (x, y) = net(nn.BatchNorm1d(8)), data()
    found, _ = once(model, lambda: -model(x).log_softmax(1)[torch.arange(N), y].mean())
    assert "evaluation_loss" not in found


def test_precision_is_that_of_the_training():
    model, (x, y) = net(nn.BatchNorm1d(8)), data()

    def loss():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return F.cross_entropy(model(x), y)

    before = copy.deepcopy(model.state_dict())
    found, _ = once(model, loss)
    assert found["evaluation_loss"] == by_hand(model, loss, before)
    assert found["evaluation_loss"] != by_hand(model, lambda: F.cross_entropy(model(x), y), before)


# -- without a trace -----------------------------------------------------------------------------


class Noisy(nn.Module):
    """Draws from every generator, in evaluation mode too, and writes into a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(8))
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        self.count += 1
        self.mean = self.mean * 0.9 + x.detach().mean(dim=0)
        noise = random.random() + np.random.rand() + torch.rand(())  # noqa: NPY002
        return self.drop(x) * float(noise)


def test_buffers_modes_and_generators_are_put_back_bit_for_bit():
    model, (x, y) = net(nn.BatchNorm1d(8), Noisy(), nn.Dropout(0.5)), data()
    model[2].drop.eval()
    side = LossSide(model)
    side.attach(FIRST)
    F.cross_entropy(model(x), y).backward()

    def state():
        return {
            "buffers": {name: (id(b), b.clone()) for name, b in model.named_buffers()},
            "gradients": [p.grad.clone() for p in model.parameters()],
            "modes": [module.training for module in model.modules()],
            "hooks": [list(module._forward_hooks) for module in model.modules()],
            "torch": torch.get_rng_state(),
            "numpy": list(np.random.get_state()[1]),  # noqa: NPY002
            "python": random.getstate()[1],
            "weights": [p._version for p in model.parameters()],
        }

    before = state()
    side.evaluate()
    after = state()
    assert "evaluation_loss" in side.measure().steps
    side.detach()
    assert side.not_evaluated is None
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_a_training_that_is_evaluated_is_the_same_bit_for_bit():
    def trained(watched):
        torch.manual_seed(3)
        model = net(nn.BatchNorm1d(8), nn.Dropout(0.3))
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        side, evaluated = LossSide(model), 0
        x, y = data()
        for iteration in range(40):
            if watched:
                side.attach(iteration)
            optimizer.zero_grad()
            F.cross_entropy(model(x + torch.randn_like(x)), y).backward()
            side.evaluate()
            evaluated += "evaluation_loss" in side.measure().steps
            optimizer.step()
        side.detach()
        return evaluated, [*model.state_dict().values(), torch.get_rng_state()]

    (evaluated, mine), (_, plain) = trained(True), trained(False)
    assert evaluated == 3
    assert all(torch.equal(a, b) for a, b in zip(mine, plain, strict=True))


def test_evaluations_become_rarer():
    model, (x, y) = net(nn.BatchNorm1d(8)), data()
    side, done = LossSide(model), []
    for iteration in range(0, 1000, 10):
        found, _ = once(model, lambda: F.cross_entropy(model(x), y), iteration, side)
        done += [iteration] * ("evaluation_loss" in found)
    assert done == [10, 20, 30, 50, 80, 120, 180, 270, 410, 620, 930]


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls, self.seen, self.by_name = 0, [], {}

    def forward(self, x):
        self.calls += 1
        self.seen.append(float(x.detach().mean()))
        self.by_name[self.calls] = True
        return x


def test_a_module_with_a_state_of_its_own_is_put_back_and_not_run_again():
    model, (x, y) = net(nn.Dropout(0.5), Counting()), data()
    side = LossSide(model)
    for iteration in range(FIRST, FIRST + 30):
        found, reason = once(model, lambda: F.cross_entropy(model(x), y), iteration, side)
        assert "evaluation_loss" not in found
    assert reason == "Counting keeps a state of its own"
    assert model[2].calls == len(model[2].seen) == len(model[2].by_name) == 30


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)
        self.noise = np.random.default_rng(0)

    def forward(self, x):
        return x + torch.randn(x.shape, generator=self.generator)


class DrawsAlways(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x):
        return x + torch.randn(x.shape, generator=self.generator)


class DrawsInTraining(nn.Module):
    """Looks at its mode in another method than forward, and draws from a generator of its own."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x):
        return x * self.kept(x)

    def kept(self, x):
        return (torch.rand(x.shape, generator=self.generator) < 0.5) if self.training else 1.0


def test_a_mode_that_another_method_looks_at_is_evaluated_and_no_generator_moves():
    model, (x, y) = net(DrawsInTraining()), data()
    found, reason = once(model, lambda: F.cross_entropy(model(x), y), FIRST)
    assert reason is None
    drawn = model[1].generator.get_state()
    expected = by_hand(model, lambda: F.cross_entropy(model(x), y))
    assert found["evaluation_loss"] == pytest.approx(expected)
    assert torch.equal(model[1].generator.get_state(), drawn)


class WritesIntoData(nn.Module):
    def forward(self, x):
        return x if self.training else x.mul_(2)


class WritesIntoWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        if not self.training:
            self.scale.data.mul_(2)
        return x * self.scale


class HiddenModules(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = [nn.BatchNorm1d(6)]

    def forward(self, x):
        return self.parts[0](x)


class Fails(nn.Module):
    def forward(self, x):
        if not self.training:
            raise RuntimeError("not in evaluation mode")
        return x


def hooked():
    module = nn.Identity()
    module.register_forward_hook(lambda *_: None)
    return module


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Generator, "Generator"),
        (DrawsAlways, "acts outside the model"),
        (WritesIntoData, "writes into weights or data"),
        (WritesIntoWeights, "writes into weights or data"),
        (HiddenModules, "BatchNorm1d is kept where its mode cannot be set"),
        (Fails, "RuntimeError: not in evaluation mode"),
        (hooked, "has a hook of its own"),
    ],
)
def test_what_would_leave_a_trace_is_refused(make, reason):
    torch.manual_seed(5)
    model, (x, y) = nn.Sequential(make(), nn.Dropout(0.5), nn.Linear(6, CLASSES)), data()
    kept = x.clone()
    side = LossSide(model)
    side.attach(FIRST)
    F.cross_entropy(model(x), y).backward()
    before = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    side.evaluate()
    assert "evaluation_loss" not in side.measure().steps
    side.detach()
    assert reason in side.not_evaluated
    assert torch.equal(x, kept)
    torch.testing.assert_close((model.state_dict(), torch.get_rng_state()), before, rtol=0, atol=0)
    assert all(module.training for module in model.modules())


def test_weights_or_data_that_were_written_to_since_are_not_evaluated():
    model, (x, y) = net(nn.Dropout(0.5)), data()

    def and_then(write):
        F.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            write()

    assert "evaluation_loss" in once(model, lambda: and_then(lambda: None))[0]
    assert "evaluation_loss" not in once(model, lambda: and_then(lambda: model[0].bias.mul_(2)))[0]
    assert "evaluation_loss" not in once(model, lambda: and_then(lambda: x.add_(1)))[0]


def test_an_embedding_that_scales_its_weights_as_it_reads_them_is_not_run_again():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.drop = nn.Embedding(7, CLASSES, max_norm=0.1), nn.Dropout(0.5)

        def forward(self, tokens):
            return self.drop(self.words(tokens))

    model, tokens = Words(), torch.arange(7) % CLASSES
    assert "evaluation_loss" not in once(model, lambda: F.cross_entropy(model(tokens), tokens))[0]


def test_a_record_holds_the_loss_in_both_modes():
    def trained(watching):
        torch.manual_seed(3)
        model = net(nn.BatchNorm1d(8), nn.Dropout(0.3))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with watching(model, optimizer) as recorder:
            train(model, optimizer, 45, recorder, data())
        return recorder, [*model.state_dict().values(), torch.get_rng_state()]

    recorder, mine = trained(watch)
    _, plain = trained(lambda *_: contextlib.nullcontext())
    assert all(torch.equal(a, b) for a, b in zip(mine, plain, strict=True))
    steps = recorder.run.steps
    both = steps["evaluation_loss"].notna()
    assert list(steps.index[both]) == [9, 20, 30]
    assert list(steps["evaluation_train_loss"][both]) == pytest.approx(list(steps["loss"][both]))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (nn.Sequential(nn.BatchNorm1d(8), nn.BatchNorm1d(8, momentum=0.99)), 0.99),
        (nn.BatchNorm1d(8, momentum=None), 0.0),  # of all batches alike
        (nn.BatchNorm1d(8, track_running_stats=False, momentum=0.99), None),
        (nn.LayerNorm(8), None),
    ],
    ids=["the largest", "cumulative", "no averages", "layer norm"],
)
def test_a_record_holds_the_momentum_of_batch_norms(part, expected):
    model = net(part)
    run = watched(model, torch.optim.SGD(model.parameters(), 0.01), 3, data())
    assert run.config.get("norm_momentum") == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (nn.Sequential(nn.Dropout(0.1), nn.Dropout1d(0.9)), 0.9),
        (nn.Dropout(0.0), None),
        (nn.Identity(), None),
    ],
)
def test_a_record_holds_the_largest_dropout(part, expected):
    model = net(part)
    run = watched(model, torch.optim.SGD(model.parameters(), 0.01), 3, data())
    assert run.config.get("dropout") == expected


def test_a_record_says_why_a_model_is_not_evaluated():
    model = net(nn.Dropout(0.5), Counting())
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 25, data())
    assert run.provenance["not_evaluated"] == "Counting keeps a state of its own"
    assert model[2].calls == 25
