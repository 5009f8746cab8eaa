"""The criterion seen in a training: its value, and what the best constant answer costs.

The oracle minimizes the criterion itself over a constant answer.
"""

from __future__ import annotations

import inspect
import pickle
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch._dynamo.testing import CompileCounterWithBackend  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.nn.functional import mse_loss as mse_by_name  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.adapters.torch.observe import functions, targets  # noqa: E402
from gradlab.adapters.torch.observe.constant import ROWS_KEPT  # noqa: E402
from gradlab.adapters.torch.observe.loss_side import LossSide  # noqa: E402
from tests.adapters.loops import watched  # noqa: E402
from tests.adapters.loss_side import last  # noqa: E402

N, CLASSES, OUTPUTS = 24, 4, 3

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # of kl_div


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def answers(*shape: int) -> nn.Module:
    """Return a model that answers a parameter: what it is given does not matter here."""

    class Answer(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.randn(shape, dtype=torch.float64))

        def forward(self, transform=lambda value: value):
            return transform(self.value * 1.0)

    return Answer()


def smallest(loss_of_constant, outputs: int) -> float:
    """Minimize over a constant answer (outputs,), numerically."""
    constant = torch.zeros(outputs, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [constant], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = loss_of_constant(constant)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(closure().detach())


def classes(seed=0, ignored=0, n=N):
    generator = torch.Generator().manual_seed(seed)
    target = torch.multinomial(torch.tensor([0.5, 0.3, 0.15, 0.05]), n, True, generator=generator)
    target[:ignored] = -100
    return target


def shares(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(N, CLASSES, generator=generator, dtype=torch.float64).softmax(dim=1)


def numbers(seed=0, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or (N, OUTPUTS), generator=generator, dtype=torch.float64).exp() + 3


def bits(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(N, OUTPUTS, generator=generator, dtype=torch.float64) > 0.7).double()


WEIGHT = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
ROW_WEIGHT = torch.linspace(0.1, 2, N, dtype=torch.float64)[:, None]
SMOOTHED = {"label_smoothing": 0.2}
POSITIVE = torch.tensor([1.0, 4.0, 0.5], dtype=torch.float64)
BITS_WEIGHTED = {"weight": ROW_WEIGHT, "pos_weight": POSITIVE}


def log_softmax(value):
    return value.log_softmax(dim=-1)


def same(value):
    return value


# criterion, its settings, what makes its input of an answer, targets by seed
CASES = {
    "classes": (F.cross_entropy, {}, same, classes),
    "class weights": (F.cross_entropy, {"weight": WEIGHT}, same, classes),
    "smoothed": (F.cross_entropy, SMOOTHED, same, classes),
    "smoothed and weighted": (F.cross_entropy, SMOOTHED | {"weight": WEIGHT}, same, classes),
    "ignored": (F.cross_entropy, SMOOTHED, same, lambda s: classes(s, ignored=9)),
    "another index ignored": (F.cross_entropy, {"ignore_index": 1}, same, classes),
    "soft": (F.cross_entropy, {}, same, shares),
    "soft and weighted": (F.cross_entropy, SMOOTHED | {"weight": WEIGHT}, same, shares),
    "log probabilities": (F.nll_loss, {"weight": WEIGHT}, log_softmax, classes),
    "bits": (F.binary_cross_entropy_with_logits, {}, same, bits),
    "bits, weighted": (F.binary_cross_entropy_with_logits, BITS_WEIGHTED, same, bits),
    "probabilities": (F.binary_cross_entropy, {}, torch.sigmoid, bits),
    "rows weighted": (F.binary_cross_entropy, {"weight": ROW_WEIGHT}, torch.sigmoid, bits),
    "divergence": (F.kl_div, {}, log_softmax, shares),
    "log divergence": (F.kl_div, {"log_target": True}, log_softmax, lambda s: shares(s).log()),
    "squares": (F.mse_loss, {}, same, numbers),
    "absolute": (F.l1_loss, {}, same, numbers),
    "smooth": (F.smooth_l1_loss, {"beta": 0.3}, same, numbers),
    "huber": (F.huber_loss, {"delta": 0.7}, same, numbers),
    "counts": (F.poisson_nll_loss, {}, same, lambda s: numbers(s).round()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_baseline_is_the_smallest_loss_of_a_constant_answer(case):
    criterion, settings, transform, targets = CASES[case]
    outputs = CLASSES if targets(0).ndim == 1 or targets(0).shape[1] == CLASSES else OUTPUTS
    model = answers(N, outputs)
    steps = [
        lambda seed=seed: criterion(model(transform), targets(seed), **settings)
        for seed in range(3)
    ]
    found = last(model, *steps)
    every = torch.cat([targets(seed) for seed in range(3)])
    for_all = {k: torch.cat([v] * 3) if v is ROW_WEIGHT else v for k, v in settings.items()}
    expected = smallest(
        lambda c: criterion(transform(c.expand(len(every), -1)), every, **for_all), outputs
    )
    assert found["criterion_baseline"] == pytest.approx(expected, rel=1e-6)
    with torch.no_grad():
        assert found["criterion_loss"] == pytest.approx(float(steps[-1]()), rel=1e-12)


@pytest.mark.parametrize("full", [False, True])
def test_the_best_normal_distribution(full):
    model = answers(N, 2 * OUTPUTS)
    target = numbers(0)

    def of(value):
        return F.gaussian_nll_loss(
            value[..., :OUTPUTS], target, value[..., OUTPUTS:].exp(), full=full
        )

    found = last(model, lambda: of(model()))
    expected = smallest(lambda c: of(c.expand(N, -1)), 2 * OUTPUTS)
    assert found["criterion_baseline"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("case", CASES)
def test_the_value_is_that_of_the_mean_whatever_the_reduction(case, reduction):
    criterion, settings, transform, targets = CASES[case]
    outputs = CLASSES if targets(0).ndim == 1 or targets(0).shape[1] == CLASSES else OUTPUTS
    model = answers(N, outputs)
    found = last(
        model,
        lambda: criterion(model(transform), targets(0), reduction=reduction, **settings).sum(),
    )
    with torch.no_grad():
        expected = float(criterion(model(transform), targets(0), **settings))
    assert found["criterion_loss"] == pytest.approx(expected, rel=1e-12)


def test_a_divergence_by_batches_is_brought_to_the_mean():
    model = answers(N, CLASSES)
    found = last(model, lambda: F.kl_div(model(log_softmax), shares(), reduction="batchmean"))
    with torch.no_grad():
        expected = float(F.kl_div(model(log_softmax), shares(), reduction="batchmean")) / CLASSES
    assert found["criterion_loss"] == pytest.approx(expected)


def test_pixels_and_positions_are_examples_of_classes():
    model = answers(2, CLASSES, 3, 5)
    target = classes(n=30).reshape(2, 3, 5)
    found = last(model, lambda: F.cross_entropy(model(), target))
    share = torch.bincount(target.flatten()).double() / 30
    assert found["criterion_baseline"] == pytest.approx(float(-torch.xlogy(share, share).sum()))


def test_a_loss_that_sees_no_target_is_what_pytorch_says():
    model = answers(N, CLASSES)
    ignored = torch.full((N,), -100)
    assert np.isnan(last(model, lambda: F.cross_entropy(model(), ignored))["criterion_loss"])


def test_large_prices_lose_no_digits():
    prices = numbers(0, N, 1) * 1e-3 + 350_000
    model = answers(N, 1)
    found = last(model, *[lambda: F.mse_loss(model(), prices)] * 5)
    assert found["criterion_baseline"] == pytest.approx(float(prices.var(correction=0)), rel=1e-6)
    assert found["target_rms"] == pytest.approx(float(prices.square().mean().sqrt()))
    assert found["target_mean"] == pytest.approx(float(prices.mean()))


def test_a_criterion_of_signs_says_how_large_its_targets_are():
    model = answers(4, 1)
    labels = torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    found = last(model, lambda: F.soft_margin_loss(model(), labels))
    assert found["target_rms"] == pytest.approx(0.75**0.5)
    assert found["target_mean"] == pytest.approx(0.75)


@pytest.mark.parametrize("criterion", [F.mse_loss, F.huber_loss, F.l1_loss])
def test_targets_of_changing_length_share_one_constant(criterion):
    model = answers(4, 9)
    targets = [numbers(length, 4, length) for length in (5, 7, 6)]
    found = last(model, *[lambda t=t: criterion(model()[:, : t.shape[1]], t) for t in targets])
    every = torch.cat([target.flatten() for target in targets])
    expected = smallest(lambda constant: criterion(constant.expand(len(every)), every), 1)
    assert found["criterion_baseline"] == pytest.approx(expected, rel=1e-6)


def test_a_median_of_many_targets_is_that_of_a_sample():
    model = answers(1000, 1)
    every = [numbers(seed, 1000, 1) for seed in range(20)]
    state = torch.get_rng_state()
    found = last(model, *[lambda t=t: F.l1_loss(model(), t) for t in every])
    assert torch.equal(state, torch.get_rng_state())
    whole = torch.cat(every)
    assert len(whole) > 4 * ROWS_KEPT
    exact = float((whole - whole.median()).abs().mean())
    assert found["criterion_baseline"] == pytest.approx(exact, rel=0.05)
    assert found["criterion_baseline"] != exact


def test_answers_that_are_broadcast_against_targets_are_seen():
    model, side = nn.Linear(6, 1), None
    x, y = torch.randn(N, 6), torch.randn(N)
    side = LossSide(model)
    side.attach(0)
    with pytest.warns(UserWarning, match="broadcasting"):
        F.mse_loss(model(x), y).backward()
    found = side.measure().steps
    side.detach()
    assert side.describe() == {
        "name": "mse_loss", "answer_shape": [N, 1], "target_shape": [N], "reduction": "mean",
    }  # fmt: skip
    assert float(found["criterion_baseline"]) == pytest.approx(float(y.var(correction=0)))


def test_answers_and_targets_may_change_places():
    model, target = answers(N, OUTPUTS), numbers()
    assert last(model, lambda: F.mse_loss(target, model())) == last(
        model, lambda: F.mse_loss(model(), target)
    )


# -- which calls count ---------------------------------------------------------------------------


def test_accumulated_batches_are_one():
    model = answers(N, CLASSES)

    def accumulated():
        for part in range(2):
            rows = slice(part * N // 2, (part + 1) * N // 2)
            (F.cross_entropy(model()[rows], classes()[rows]) / 2).backward()

    whole = last(model, lambda: F.cross_entropy(model(), classes()))
    parts = last(model, accumulated)
    assert parts["criterion_loss"] == pytest.approx(whole["criterion_loss"])
    assert parts["criterion_baseline"] == pytest.approx(whole["criterion_baseline"])


def test_a_loss_that_is_shifted_divided_and_changed_in_place_is_seen_by_itself():
    model = answers(N, CLASSES)

    def shifted():
        loss = F.cross_entropy(model(), classes())
        loss /= 8
        return loss - 5

    plain = last(model, lambda: F.cross_entropy(model(), classes()))
    found = last(model, shifted)
    assert found["criterion_loss"] == pytest.approx(plain["criterion_loss"])
    assert found["output_gain"] == pytest.approx(1.0)


def test_what_backward_does_not_go_through_does_not_count():
    model = answers(N, CLASSES)

    def with_others():
        with torch.no_grad():
            F.cross_entropy(model(), classes(5))
        F.mse_loss(model(), shares()).item()
        return F.cross_entropy(model(), classes())

    assert last(model, with_others) == last(model, lambda: F.cross_entropy(model(), classes()))


def test_several_tasks_claim_no_baseline_but_the_scale_of_the_largest_targets():
    model = nn.ModuleList([answers(N, CLASSES), answers(N, OUTPUTS), answers(N, OUTPUTS)])
    side = LossSide(model)
    side.attach(0)
    small, large = numbers(0), 300 * numbers(1)
    loss = F.cross_entropy(model[0](), classes()) + F.mse_loss(model[1](), large)
    (loss + F.l1_loss(model[2](), small)).backward()
    found = side.measure().steps
    side.detach()
    assert set(found) == {"output_gain", "target_rms", "target_mean"}
    assert float(found["target_rms"]) == pytest.approx(float(large.square().mean().sqrt()))
    assert float(found["target_mean"]) == pytest.approx(float(large.mean()))
    assert side.describe()["tasks"] == ["cross_entropy", "mse_loss", "l1_loss"]


@pytest.mark.parametrize(
    ("arrange", "expected"),
    [
        (lambda answer: answer.view(N, CLASSES, 6), [N, 6, CLASSES]),
        (lambda answer: answer.reshape(N, CLASSES, 6).log_softmax(1), [N, 6, CLASSES]),
        (lambda answer: answer.transpose(1, 2), None),
        (lambda answer: answer.transpose(1, 2).contiguous().view(N, CLASSES, 6), None),
        (lambda answer: answer.transpose(1, 2).reshape(N, CLASSES, 2, 3), None),
        (lambda answer: answer.flatten(1).view(N, 6, CLASSES).view(N, CLASSES, 6), None),
    ],
)
def test_a_view_that_cuts_positions_and_classes_anew_is_seen(arrange, expected):
    model = answers(N, 6, CLASSES)
    side = LossSide(model)
    side.attach(0)
    answer = arrange(model())
    F.cross_entropy(answer, torch.zeros(N, *answer.shape[2:], dtype=torch.long)).backward()
    side.measure()
    side.detach()
    assert side.describe().get("misread_shape") == expected


def test_heads_that_are_called_in_a_loop_are_kept_apart():
    model = nn.ModuleList([nn.Linear(6, CLASSES), nn.Linear(6, CLASSES)])
    x = torch.randn(N, 6)
    found = last(model, lambda: sum(F.cross_entropy(head(x), classes()) for head in model))
    assert set(found) == {"output_gain"}


def test_a_discriminator_claims_no_baseline():
    model = nn.Linear(6, 1)

    def judged(real):
        return F.binary_cross_entropy_with_logits(
            model(torch.randn(N, 6)), torch.full((N, 1), real)
        )

    def both():
        judged(1.0).backward()
        judged(0.0).backward()

    assert np.isnan(last(model, both)["criterion_baseline"])


def test_the_criterion_of_another_model_does_not_count():
    model, other = nn.Linear(6, CLASSES), nn.Linear(6, CLASSES)
    x = torch.randn(N, 6)
    assert last(model, lambda: F.cross_entropy(other(x), classes())) == {}
    assert (
        last(model, lambda: F.cross_entropy(other(model(x)[:, :1].expand(-1, 6)), classes())) != {}
    )


def test_a_loss_by_hand_has_no_criterion():
    model = nn.Linear(6, 1)
    x, y = torch.randn(N, 6), torch.randn(N, 1)
    found = last(model, lambda: (model(x) - y).square().mean())
    assert set(found) == {"output_gain"}


# -- PyTorch's functions -------------------------------------------------------------------------


@pytest.fixture
def side():
    made = LossSide(answers(N, OUTPUTS))
    made.attach(0)
    yield made
    made.detach()
    assert made.trouble is None


def test_functions_get_their_code_back():
    before = {name: (getattr(F, name), getattr(F, name).__code__) for name in functions.CRITERIA}
    backward = torch.autograd.backward.__code__
    sides = [LossSide(answers(N, OUTPUTS)) for _ in range(2)]
    for each in sides:
        each.attach(0)
        each.attach(1)
    assert F.mse_loss.__code__ is not before["mse_loss"][1]
    sides[0].detach()
    assert F.mse_loss.__code__ is not before["mse_loss"][1]
    sides[1].detach()
    sides[1].detach()
    after = {name: (getattr(F, name), getattr(F, name).__code__) for name in functions.CRITERIA}
    assert all(before[name][0] is after[name][0] for name in before)
    assert all(before[name][1] is after[name][1] for name in before)
    assert torch.autograd.backward.__code__ is backward
    assert not hasattr(F.mse_loss, "__wrapped__")


def test_functions_that_are_held_by_another_name_are_seen():
    model = answers(N, OUTPUTS)
    criteria = [mse_by_name, nn.MSELoss(), F.mse_loss, pickle.loads(pickle.dumps(mse_by_name))]
    found = [last(model, lambda c=c: c(model(), numbers())) for c in criteria]
    assert found == [found[0]] * 4
    assert found[0]["criterion_loss"] > 0


def test_a_function_keeps_its_identity_its_signature_and_its_errors(side):
    assert pickle.loads(pickle.dumps(F.mse_loss)) is F.mse_loss
    assert list(inspect.signature(F.mse_loss).parameters)[:2] == ["input", "target"]
    with pytest.raises(ValueError, match="batch_size"):
        F.cross_entropy(torch.randn(4, 3), torch.tensor([0, 1]))
    with pytest.raises(TypeError, match="target"):
        F.mse_loss(torch.randn(4, 3))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_criterion_can_be_scripted_meanwhile(side):
    scripted = torch.jit.script(nn.MSELoss())
    x, y = torch.randn(4, 3), torch.randn(4, 3)
    assert torch.equal(scripted(x, y), (x - y).square().mean())


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_criterion_computes_the_same_and_is_compiled_once_more_at_most(side, backend):
    torch._dynamo.reset()
    counter = CompileCounterWithBackend(backend)
    compiled = torch.compile(lambda a, b: F.mse_loss(a.tanh(), b), backend=counter, fullgraph=True)
    x, y = torch.randn(N, OUTPUTS, requires_grad=True), numbers().float()
    expected = F.mse_loss(x.tanh(), y)
    for _ in range(3):
        assert torch.equal(compiled(x, y), expected)
        side.detach()
        assert torch.equal(compiled(x, y), expected)
        side.attach(1)
    assert counter.frame_count <= 2
    torch._dynamo.reset()


def test_other_threads_are_not_listened_to_and_not_disturbed(side):
    model, results = answers(N, OUTPUTS), []

    def work():
        for seed in range(50):
            loss = F.mse_loss(model(), numbers(seed))
            loss.backward()
            results.append(float(loss.detach()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        side.attach(0)
        side.detach()
    side.attach(0)
    for thread in threads:
        thread.join()
    assert len(results) == 150
    assert side.measure().steps == {}


def test_values_and_gradients_are_those_of_an_unwatched_training():
    def trained(watched):
        torch.manual_seed(1)
        model = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, CLASSES)
        )
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
        side, losses = LossSide(model), []
        for iteration in range(30):
            if watched:
                side.attach(iteration)
            loss = F.cross_entropy(model(torch.randn(N, 6)), classes(iteration))
            optimizer.zero_grad()
            loss.backward()
            side.evaluate()
            optimizer.step()
            side.measure()
            losses.append(loss.detach())
        side.detach()
        return [*losses, *model.state_dict().values(), torch.get_rng_state()]

    assert all(torch.equal(a, b) for a, b in zip(trained(True), trained(False), strict=True))


# -- in a record ---------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, None])
def test_a_watched_training_records_it_at_costly_iterations(every):
    torch.manual_seed(2)
    model = nn.Linear(6, CLASSES)
    x, y = torch.randn(N, 6), classes()
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), 25, (x, y), every=every)
    costly = [every == 1 or n < 10 or n % 10 == 0 for n in range(25)]
    losses = run.steps["criterion_loss"]
    assert list(losses.notna()) == costly
    assert list(losses[costly]) == pytest.approx(list(run.steps["loss"][costly]))
    share = torch.bincount(y).double() / N
    expected = float(-torch.xlogy(share, share).sum())
    assert list(run.steps["criterion_baseline"][costly]) == pytest.approx([expected] * sum(costly))
    assert run.config["criterion"] == {
        "name": "cross_entropy", "answer_shape": [N, CLASSES], "target_shape": [N],
        "reduction": "mean",
    }  # fmt: skip


def test_a_baseline_that_is_not_known_is_not_recorded():
    model = nn.Linear(6, 1)
    data = torch.randn(N, 6), torch.ones(N, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = watched(model, optimizer, 3, data, F.binary_cross_entropy_with_logits)
    assert run.steps["criterion_loss"].notna().all()
    assert run.steps["criterion_baseline"].isna().all()
    assert not run.nonfinite.any()


def test_micro_batches_and_the_iterations_after_are_recorded_apart():
    model = nn.Linear(6, CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = torch.randn(N, 6), classes()
    with watch(model, optimizer, every=1) as recorder:
        for _ in range(4):
            for part in (slice(0, N // 2), slice(N // 2, N)):
                loss = F.cross_entropy(model(x[part]), y[part]) / 2
                loss.backward()
                recorder.log(loss=loss)
            optimizer.step()
            optimizer.zero_grad()
    steps = recorder.run.steps
    assert list(steps["criterion_loss"]) == pytest.approx(list(steps["loss"]))
    assert list(steps["output_gain"]) == pytest.approx([1.0] * 4)


def test_trouble_with_the_loss_ends_no_record(monkeypatch):
    monkeypatch.setattr(targets, "read", lambda *_, **__: 1 / 0)
    model = nn.Linear(6, CLASSES)
    run = watched(
        model, torch.optim.SGD(model.parameters(), 0.1), 12, (torch.randn(N, 6), classes())
    )
    assert run.steps["criterion_loss"].isna().all()
    assert run.steps["grad_norm"].notna().all()
    assert run.provenance["loss_not_seen"] == "ZeroDivisionError: division by zero"


def described(transform, criterion, target, *shape):
    """Return what is said of a criterion that one call showed, its answers transformed."""
    model = answers(*shape)
    side = LossSide(model)
    side.attach(0)
    criterion(model(transform), target).backward()
    side.measure()
    side.detach()
    return side.describe()


def normed(value):
    return value.exp() / value.exp().sum(1, keepdim=True)


def of_images(*_):
    return torch.randint(CLASSES, (N, 5, 6))


LENGTHS = torch.full((N,), 7), torch.full((N,), 2)


def in_two_halves(value):
    """Over the time of a sequence whose times and examples were then made one axis."""
    return value.unflatten(0, (2, -1)).log_softmax(1).flatten(0, 1)


def by_time(value, target):
    return F.ctc_loss(value, target, *LENGTHS)


@pytest.mark.parametrize(
    ("transform", "criterion", "target", "shape", "expected"),
    [
        (lambda v: v.softmax(1), F.nll_loss, classes(), (N, CLASSES), "probabilities"),
        (lambda v: v.log_softmax(1), F.nll_loss, classes(), (N, CLASSES), None),
        (normed, F.cross_entropy, classes(), (N, CLASSES), "probabilities"),
        (lambda v: v, F.cross_entropy, classes(), (N, CLASSES), None),
        (lambda v: v.sigmoid(), F.cross_entropy, classes(), (N, CLASSES), None),
        (normed, F.cross_entropy, of_images(), (N, CLASSES, 5, 6), "probabilities"),
        (lambda v: v.softmax(2), F.cross_entropy, of_images(), (N, CLASSES, 5, 6), None),
        (lambda v: v.half().softmax(1), F.nll_loss, classes(), (N, CLASSES), "probabilities"),
        (lambda v: v.bfloat16().softmax(1), F.nll_loss, classes(), (N, 40), "probabilities"),
        (lambda v: v.softmax(0), F.nll_loss, classes()[0], (CLASSES,), "probabilities"),
        (lambda v: v.softmax(1), F.kl_div, shares(), (N, CLASSES), "probabilities"),
        (lambda v: v.log_softmax(1), F.kl_div, shares(), (N, CLASSES), None),
        (lambda v: v.softmax(2), by_time, torch.ones(N, 2).long(), (7, N, 4), "probabilities"),
        (lambda v: v.log_softmax(2), by_time, torch.ones(N, 2).long(), (7, N, 4), None),
        (lambda v: v.softmax(1), F.mse_loss, shares(), (N, CLASSES), None),
        (lambda v: v.softmax(1), F.cross_entropy, classes() * 0, (N, 1), None),
    ],
)
def test_probabilities_are_told_from_logits_and_logarithms(
    transform, criterion, target, shape, expected
):
    assert described(transform, criterion, target, *shape).get("answers") == expected


@pytest.mark.parametrize(
    ("transform", "criterion", "target", "shape", "expected"),
    [
        (lambda v: v.log_softmax(0), F.nll_loss, classes(), (N, CLASSES), True),
        (lambda v: (v.softmax(0) + 1e-8).log(), F.nll_loss, classes(), (N, CLASSES), True),
        (in_two_halves, F.nll_loss, classes(), (N, CLASSES), True),
        (lambda v: v.log_softmax(1), F.nll_loss, classes(), (N, CLASSES), False),
        (lambda v: v, F.nll_loss, classes(), (N, CLASSES), False),
        (lambda v: v.log_softmax(0), F.cross_entropy, classes(), (N, CLASSES), False),
        (lambda v: v.log_softmax(2), F.nll_loss, of_images(), (N, CLASSES, 5, 6), True),
        (lambda v: v.log_softmax(0), by_time, torch.ones(N, 2).long(), (7, N, 4), True),
        (lambda v: v.log_softmax(2), by_time, torch.ones(N, 2).long(), (7, N, 4), False),
    ],
)
def test_logarithms_of_probabilities_over_another_axis_are_told(
    transform, criterion, target, shape, expected
):
    told = described(transform, criterion, target, *shape).get("answers")
    assert (told == "probabilities of another axis") == expected


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_best_constant_of_an_nll_loss_of_probabilities_is_the_most_frequent_class(reduction):
    model, target = answers(N, CLASSES), classes()

    def step():
        return F.nll_loss(model(lambda v: v.softmax(1)), target, reduction=reduction)

    most = torch.bincount(target).max() / N
    assert last(model, step, step)["criterion_baseline"] == pytest.approx(-float(most))
