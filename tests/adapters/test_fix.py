"""`gradlab.adapters.torch.fix`: trials differ by the change alone, and changes do what they say."""

import random
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from gradlab.adapters.torch import fix  # noqa: E402
from gradlab.adapters.torch.cures import TorchBench  # noqa: E402
from gradlab.adapters.torch.cures.actions import ACTIONS, options_for  # noqa: E402
from gradlab.adapters.torch.cures.around import with_answer  # noqa: E402
from gradlab.errors import ArgumentError  # noqa: E402
from gradlab.fixes.trial import Change  # noqa: E402
from gradlab.report.fix_page import fix_article  # noqa: E402
from gradlab.rules import Remedy  # noqa: E402
from tests import bitwise  # noqa: E402

STEPS = 30


class Nobody:
    """Stands where the recorder stands."""

    def log(self, **_values):
        """Do nothing."""


def table():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(200, 8, generator=generator)
    return x, (x[:, :2].sum(1) > 0).long()


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(8, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(16, 16),
        nn.ReLU(),
        nn.Linear(16, 2),
    )


class Loop:
    """A training that draws from every kind of generator, and keeps what it saw and left."""

    def __init__(self, lr=0.1, optimizer=torch.optim.SGD, epochs=3, **options):
        self.epochs = epochs
        self.own = torch.Generator().manual_seed(1)
        self.loader = DataLoader(
            TensorDataset(*table()), batch_size=20, shuffle=True, generator=self.own
        )
        self.numpy = np.random.default_rng(2)
        self.python = random.Random(3)
        self.batches = []
        self.left = []
        self.lr, self.optimizer, self.options = lr, optimizer, options

    def make(self):
        model = net()
        return model, self.optimizer(model.parameters(), lr=self.lr, **self.options)

    def train(self, model, optimizer, recorder):
        seen = []
        for _ in range(self.epochs):
            for x, y in self.loader:
                noise = float(self.numpy.normal()) + self.python.random() + random.random()
                x = x + 0.01 * (noise + float(np.random.normal()))  # noqa: NPY002
                seen.append(x.numpy().tobytes())
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                recorder.log(loss=loss)
        self.batches.append(seen)
        self.left.append(bitwise.state_of(model, [optimizer]))


def bench_of(loop):
    return TorchBench(loop.make, loop.train, None, None, {})


def carried_out(bench, action, run, **parameters):
    """Train with the change that carries out an action, and return its trial."""
    remedy = Remedy(action, action, parameters)
    words, line, apply = options_for(remedy, run)[0]
    return bench.train((Change(words, remedy, line, apply),), 1.0)


def test_two_trials_of_the_same_are_the_same_bit_for_bit():
    loop = Loop()
    bench = bench_of(loop)
    bench.train((), 1.0)
    torch.rand(5)
    np.random.rand(5)  # noqa: NPY002
    random.random()
    loop.numpy.normal(size=3)
    loop.python.random()
    bench.train((), 1.0)
    assert loop.batches[0] == loop.batches[1]
    assert bitwise.different(*loop.left) == []


def test_a_trial_of_nothing_is_the_training_without_gradlab_bit_for_bit():
    watched, alone = Loop(), Loop()
    bitwise.seed(7)
    bench_of(watched).train((), 1.0)
    bitwise.seed(7)
    alone.train(*alone.make(), Nobody())
    assert watched.batches == alone.batches
    assert bitwise.different(watched.left[0], alone.left[0]) == []


def test_a_change_that_draws_weights_leaves_the_order_of_the_data_alone():
    loop = Loop()
    bench = bench_of(loop)
    before = bench.train((), 1.0)
    trial = carried_out(bench, "initialize", before.run, scheme="he_normal", layers=[1, 2])
    assert trial.problem == ""
    assert loop.batches[1] == loop.batches[0]
    assert not np.array_equal(trial.run["weight_norm"][0], before.run["weight_norm"][0])


def test_a_short_trial_takes_the_first_steps_of_the_whole_one():
    loop = Loop()
    bench = bench_of(loop)
    before = bench.train((), 1.0)
    nothing = Change("nothing", Remedy("", ""), "", lambda _stage: None)
    trial = bench.train((nothing,), 0.7)
    assert trial.iterations == 21
    assert trial.run.step("loss")[:20].tolist() == before.run.step("loss")[:20].tolist()


ADAM = torch.optim.Adam
SAME_AS = {  # action -> its parameters, the options as they were, the options that it stands for
    "lower learning rate": ({"factor": 10.0}, {"lr": 0.1}, {"lr": 0.01}),
    "raise learning rate": ({"factor": 10.0}, {"lr": 0.01}, {"lr": 0.1}),
    "set epsilon": ({}, {"lr": 0.01, "optimizer": ADAM, "eps": 1.0}, {"eps": 1e-8}),
    "lower weight decay": ({"weight_decay": 0.5}, {"weight_decay": 50.0}, {"weight_decay": 0.5}),
}


@pytest.mark.parametrize("action", SAME_AS)
def test_an_option_changed_from_outside_is_the_option_given(action):
    parameters, start, given = SAME_AS[action]
    loop, wanted = Loop(epochs=1, **start), Loop(epochs=1, **(start | given))
    bitwise.seed(0)
    bench = bench_of(loop)
    before = bench.train((), 1.0)
    carried_out(bench, action, before.run, **parameters)
    bitwise.seed(0)
    bench_of(wanted).train((), 1.0)
    ours, theirs = loop.left[1], wanted.left[0]
    names = [name for name in ours if name.startswith("model ") and "weight" in name]
    assert len(names) == 4
    for name in names:
        values = [np.frombuffer(each[name][2], np.float32) for each in (ours, theirs)]
        np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-7, err_msg=name)


def linear(make_data, loss, *, lr=0.05, outputs=1):
    """Return make and train of one linear layer, whose parameters after training are in `left`."""
    x, y = make_data()
    left = []

    def make():
        torch.manual_seed(0)
        model = nn.Linear(x.shape[1], outputs)
        return model, torch.optim.SGD(model.parameters(), lr=lr)

    def train(model, optimizer, recorder):
        for _ in range(STEPS):
            optimizer.zero_grad()
            value = loss(model, x, y)
            value.backward()
            optimizer.step()
            recorder.log(loss=value)
        left.append({name: each.detach().clone() for name, each in model.named_parameters()})

    return make, train, left


def after_change(make_data, loss, action, *, lr=0.05, outputs=1, **parameters):
    """Return the parameters that a training has left with a change, and its record before."""
    make, train, left = linear(make_data, loss, lr=lr, outputs=outputs)
    bench = TorchBench(make, train, None, None, {})
    before = bench.train((), 1.0)
    trial = carried_out(bench, action, before.run, **parameters)
    assert trial.problem == ""
    return left[1], before.run


def by_hand(make_data, loss, *, lr=0.05, outputs=1):
    """Return the parameters that a training leaves, written as the change says."""
    make, train, left = linear(make_data, loss, lr=lr, outputs=outputs)
    train(*make(), Nobody())
    return left[0]


def same(ours, theirs, **tolerance):
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, **tolerance)


def prices():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 3, generator=generator)
    return x, 500 + 40 * x.sum(1, keepdim=True)


def squared(model, x, y):
    return functional.mse_loss(model(x), y)


def absolute(model, x, y):
    return functional.l1_loss(model(x), y)


@pytest.mark.parametrize("loss", [squared, absolute])
def test_standardized_targets_are_the_training_on_standardized_targets(loss):
    ours, run = after_change(prices, loss, "standardize target")
    mean, rms = (float(run.step(name)[0, 0]) for name in ("target_mean", "target_rms"))

    def data():
        x, y = prices()
        return x, (y - mean) / (rms**2 - mean**2) ** 0.5

    same(ours, by_hand(data, loss), rtol=1e-3, atol=1e-4)


Pair = namedtuple("Pair", "answer state")


@dataclass
class Output:
    loss: torch.Tensor
    logits: torch.Tensor


LOSS, LOGITS, NUMBERS = torch.tensor(3.0), torch.ones(2), torch.arange(2)


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        (LOGITS, lambda given: given),
        ((NUMBERS, LOGITS), lambda given: given[1]),
        ([LOGITS, LOSS], lambda given: given[0]),
        (Pair(LOGITS, LOSS), lambda given: given.answer),
        ({"loss": LOSS, "logits": LOGITS}, lambda given: given["logits"]),
        (OrderedDict(loss=LOSS, sample=LOGITS), lambda given: given["sample"]),
        (Output(LOSS, LOGITS), lambda given: given.logits),
    ],
    ids=lambda given: type(given).__name__,
)
def test_the_answer_is_found_in_what_a_model_returns(output, answer):
    changed = with_answer(output, lambda given: given + 5)
    assert type(changed) is type(output)
    assert answer(changed).tolist() == [6.0, 6.0]
    assert answer(output) is LOGITS


@pytest.mark.parametrize("output", [NUMBERS, None, "text", (NUMBERS,), {"loss": LOSS}])
def test_where_there_is_no_answer_nothing_is_changed(output):
    assert with_answer(output, lambda given: given + 5) is output


def test_standardized_inputs_are_those_of_the_first_batch():
    def raw():
        x, y = prices()
        return x * torch.tensor([1.0, 100.0, 1e4]) + 7, y / 500

    def standardized():
        x, y = raw()
        return (x - x.mean(0)) / x.std(0, correction=0), y

    ours, _ = after_change(raw, squared, "standardize inputs")
    same(ours, by_hand(standardized, squared), rtol=1e-3, atol=1e-4)


def classes():
    x, _ = prices()
    return x, (x[:, 0] > 0).long()


def test_without_the_softmax_the_loss_is_that_of_logits():
    def twice(model, x, y):
        return functional.cross_entropy(model(x).softmax(1), y)

    def once(model, x, y):
        return functional.cross_entropy(model(x), y)

    action = "remove output operation"
    ours, _ = after_change(classes, twice, action, outputs=2, operation="softmax")
    same(ours, by_hand(classes, once, outputs=2), rtol=1e-4, atol=1e-6)


def test_without_the_sigmoid_the_loss_is_that_of_logits():
    def data():
        x, y = classes()
        return x, y[:, None].float()

    def twice(model, x, y):
        return functional.binary_cross_entropy_with_logits(model(x).sigmoid(), y)

    def once(model, x, y):
        return functional.binary_cross_entropy_with_logits(model(x), y)

    ours, _ = after_change(data, twice, "remove output operation", operation="sigmoid")
    same(ours, by_hand(data, once), rtol=1e-4, atol=1e-5)


def training_behind(*last):
    """Return make and train of one linear layer and what stands behind it, and what it leaves."""
    x, y = prices()
    left = []

    def make():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 1), *last, nn.Flatten(0))
        return model, torch.optim.SGD(model.parameters(), lr=0.05)

    def train(model, optimizer, recorder):
        for _ in range(STEPS):
            optimizer.zero_grad()
            value = functional.mse_loss(model(x), (500 - y).flatten() / 40)
            value.backward()
            optimizer.step()
            recorder.log(loss=value)
        left.append(model[0].weight.detach().clone())

    return make, train, left


@pytest.mark.parametrize(
    ("module", "operation"),
    [
        (nn.ReLU(), "relu"),
        (nn.ReLU(inplace=True), "relu"),
        (nn.LeakyReLU(0.01), "leaky_relu"),
        (nn.Sigmoid(), "sigmoid"),
    ],
)
def test_the_last_operation_of_a_model_is_passed_by(module, operation):
    make, train, left = training_behind(module)
    bench = TorchBench(make, train, None, None, {})
    run = bench.train((), 1.0).run
    remedy = Remedy("remove output operation", "", {"operation": operation}, "")
    words, line, apply = list(options_for(remedy, run))[-1]
    bench.train((Change(words, remedy, line, apply),), 1.0)
    make, train, without = training_behind()
    train(*make(), Nobody())
    torch.testing.assert_close(left[1], without[0], rtol=0, atol=0)
    assert not torch.equal(left[0], without[0])


def rates_of(words, action, length, **parameters):
    """Return the rates at which a change steps, where a schedule warms up over `length` steps."""
    taken = []

    def make():
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        return model, torch.optim.SGD(model.parameters(), lr=0.05)

    def train(model, optimizer, recorder):
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / length)
        optimizer.register_step_pre_hook(lambda each, *_: taken.append(each.param_groups[0]["lr"]))
        x, y = prices()
        for _ in range(STEPS):
            optimizer.zero_grad()
            value = functional.mse_loss(model(x), y / 500)
            value.backward()
            optimizer.step()
            schedule.step()
            recorder.log(loss=value)

    bench = TorchBench(make, train, None, None, {})
    run = bench.train((), 1.0).run
    remedy = Remedy(action, "", parameters, "")
    options = {each[0]: each for each in options_for(remedy, run)}
    taken.clear()
    bench.train((Change(words, remedy, options[words][1], options[words][2]),), 1.0)
    return np.array(taken)


def test_a_warm_up_that_is_too_long_leaves_the_rate_of_the_optimizer():
    taken = rates_of("lr of the optimizer held", "shorten warm-up", 10_000)
    np.testing.assert_allclose(taken, 0.05)


@pytest.mark.parametrize("times", [10, 1000, 10_000, 100_000])
def test_a_rate_that_begins_at_0_is_raised_by_each_factor(times):
    taken = rates_of(f"lr {0.05 * times:.3g}", "raise learning rate", 10_000, factor=1000.0)
    np.testing.assert_allclose(taken, 0.05 * times * np.arange(STEPS) / 10_000)


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_targets_take_the_shape_of_the_answers():
    def flat():
        x, y = prices()
        return x, y[:, 0] / 500

    def upright():
        x, y = flat()
        return x, y[:, None]

    ours, _ = after_change(flat, squared, "match shapes")
    same(ours, by_hand(upright, squared), rtol=0, atol=0)


def small_prices():
    x, y = prices()
    return x, y / 500


def test_the_sign_is_flipped():
    def upwards(model, x, y):
        return -squared(model, x, y)

    ours, _ = after_change(small_prices, upwards, "flip the sign")
    same(ours, by_hand(small_prices, squared), rtol=0, atol=0)


def test_gradients_that_nobody_empties_are_emptied():
    x, y = small_prices()
    left = []

    def make():
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        return model, torch.optim.SGD(model.parameters(), lr=0.01)

    def forgets(model, optimizer, recorder):
        for _ in range(10):
            loss = squared(model, x, y)
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
        left.append(model.weight.detach().clone())

    def remembers(model, optimizer):
        for _ in range(10):
            optimizer.zero_grad()
            squared(model, x, y).backward()
            optimizer.step()
        left.append(model.weight.detach().clone())

    bench = TorchBench(make, forgets, None, None, {})
    before = bench.train((), 1.0)
    carried_out(bench, "empty gradients", before.run)
    remembers(*make())
    assert torch.equal(left[1], left[2])
    assert not torch.equal(left[0], left[2])


def test_what_no_optimizer_holds_is_added_and_what_is_frozen_moves():
    x, y = small_prices()
    moved = []

    def make():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
        model[0].requires_grad_(False)
        return model, torch.optim.SGD(model[1].parameters(), lr=0.01)

    def train(model, optimizer, recorder):
        start = model[0].weight.detach().clone()
        for _ in range(5):
            optimizer.zero_grad()
            loss = squared(model, x, y)
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
        moved.append(not torch.equal(start, model[0].weight))

    bench = TorchBench(make, train, None, None, {})
    before = bench.train((), 1.0)
    carried_out(bench, "unfreeze", before.run, layers=[1])
    assert moved == [False, True]


def test_everything_is_put_back_after_a_trial(short):
    bench, run = short
    originals = {name: getattr(functional, name) for name in ("cross_entropy", "mse_loss")}
    clip = torch.nn.utils.clip_grad._clip_grads_with_norm_
    for action in ("remove output operation", "match shapes", "raise clip norm"):
        carried_out(bench, action, run, operation="softmax", max_norm=1.0)
    assert {name: getattr(functional, name) for name in originals} == originals
    assert torch.nn.utils.clip_grad._clip_grads_with_norm_ is clip


@pytest.fixture(scope="module")
def short():
    """A bench whose training has one epoch, and its record."""
    bench = bench_of(Loop(epochs=1))
    return bench, bench.train((), 1.0).run


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"standardize target"}))
def test_every_action_yields_a_line_to_type_and_can_be_carried_out(action, short):
    bench, run = short
    parameters = {
        "factor": 10.0, "layers": [1], "max_norm": 1.0, "operation": "softmax", "momentum": 0.2,
        "activation": "elu", "weight_decay": 0.1,
    }  # fmt: skip
    words, line, _ = options_for(Remedy(action, action, parameters), run)[0]
    assert words
    assert line
    assert carried_out(bench, action, run, **parameters).problem == ""


def dead_net():
    model = net()
    nn.init.constant_(model[4].bias, -50.0)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def accuracy(model):
    x, y = table()
    model.eval()
    return float((model(x).argmax(1) == y).float().mean())


@pytest.fixture(scope="module")
def cured():
    return fix(dead_net, Loop().train, score=accuracy, learned=0.8)


def test_a_dead_layer_is_cured_by_its_biases(cured):
    assert cured.cured
    assert cured.winner.changes[0].remedy.action == "zero biases"
    assert cured.lines == ("nn.init.zeros_(model[4].bias)",)
    assert str(cured).splitlines()[-1] == "change: nn.init.zeros_(model[4].bias)"


def test_the_page_draws_the_matrices_and_says_that_nothing_passes_a_dead_layer(cured):
    profile = fix_article(cured).sections[2]
    matrices = range(1, len(cured.before.run.matrices.layers) + 1)
    assert [list(curve.x) for curve in profile.figure.data] == [list(matrices)] * 2
    assert ": nothing as it was, 0." in profile.text


def test_the_line_to_change_is_the_cure(cured):
    model, optimizer = dead_net()
    exec(cured.lines[0], {"nn": nn, "model": model})
    bitwise.seed(0)
    Loop().train(model, optimizer, Nobody())
    assert accuracy(model) >= 0.8


def test_a_fault_of_the_users_own_code_is_shown_and_not_called_cured():
    def detached(model, optimizer, recorder):
        x, y = table()
        for _ in range(STEPS):
            optimizer.zero_grad()
            hidden = model[:-1](x).detach()
            loss = functional.cross_entropy(model[-1](0 * hidden), y)
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)

    result = fix(Loop().make, detached, score=accuracy, learned=0.9, budget=2)
    assert not result.cured
    assert "reconnect" in [remedy.action for remedy in result.shown]
    assert "nothing" in result.headline


def test_without_a_score_the_loss_decides():
    result = fix(dead_net, Loop(epochs=8).train, budget=1)
    assert result.cured
    assert result.winner.score.words.startswith("loss ")


@pytest.mark.parametrize("made", [net, lambda: (net(), None), lambda: (None, None)])
def test_make_that_returns_something_else_is_refused(made):
    with pytest.raises(ArgumentError, match=r"make\(\) must return"):
        fix(made, Loop().train)


def test_the_same_model_twice_is_refused():
    model, _ = dead_net()

    def make():
        return model, torch.optim.SGD(model.parameters(), lr=0.1)

    with pytest.raises(ArgumentError, match="same model twice"):
        fix(make, Loop().train)


def test_another_model_each_time_is_refused():
    count = iter(range(100))

    def make():
        model, optimizer = dead_net()
        nn.init.constant_(model[0].bias, float(next(count)))
        return model, optimizer

    with pytest.raises(ArgumentError, match=r"0\.bias differs"):
        fix(make, Loop().train)


@pytest.mark.parametrize("name", ["budget", "seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), "1"])
def test_bounds_are_above_0(name, value):
    with pytest.raises(ArgumentError, match=name):
        fix(dead_net, Loop().train, **{name: value})


def test_an_option_that_watch_does_not_have_is_named():
    with pytest.raises(ArgumentError, match="objectiv"):
        fix(dead_net, Loop().train, objectiv="maximize")
