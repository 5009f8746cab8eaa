"""Operation, module and line of every planted first NaN or infinity, and no false origin."""

import re

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.origins import elsewhere, healthy, table  # noqa: E402
from tests.adapters.origins.elsewhere import BROKEN  # noqa: E402


def is_sampled(case):
    """Whether a case is one of those tested here: two forms of each fault, masks in turn.

    `python -m benchmarks first_nan` goes through all of them.
    """
    number = sum(map(ord, case.name))
    masks, forms = table.nets.MASKS, list(table.nets.FORMS)
    if case.form == "plain":
        return case.mask == masks[number % len(masks)]
    return case.form not in forms or case.form == forms[1 + number % 3]


CASES = [case for case in table.cases() if is_sampled(case)]


def test_there_are_enough_of_each_kind():
    names = {(case.kind, case.name) for case in table.cases()}
    counts = {kind: sum(each == kind for each, _ in names) for kind, _ in names}
    assert counts == {"forward": 28, "backward": 22, "update": 5, "data": 5}


@pytest.mark.filterwarnings("ignore:std")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_operation_module_and_line_are_named(case):
    run = table.train(case)
    origin = run.provenance["nonfinite_origin"]
    assert table.judge(case, run) == table.Answer(True, True, True), origin


@pytest.mark.parametrize("name", healthy.NETS)
def test_deliberate_infinities_are_no_origin(name):
    run, said = table.healthy(healthy.NETS[name])
    assert said == "every number is finite, forward and backward"
    assert not run.nonfinite.any()
    assert "nonfinite_origin" not in run.provenance


@pytest.mark.parametrize("name", healthy.NETS)
def test_a_mask_is_not_blamed_for_a_bad_target(name):
    assert table.blamed(healthy.NETS[name])["operation"] == "target"


# -- nothing is left of the look -------------------------------------------------------------------


class Careful(nn.Module):
    """All that a second pass could leave a trace in."""

    def __init__(self):
        super().__init__()
        self.body, self.norm = nn.Linear(4, 8), nn.BatchNorm1d(8)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(8, 3)
        self.calls, self.seen = 0, []

    def forward(self, x, on):
        self.calls += 1
        self.seen.append(float(x[0, 0]))
        h = self.drop(self.norm(self.body(x)))
        return self.head(h + torch.sqrt(F.relu(h) * (1 - on) + 1 - on))


def careful_training(context):
    """Train over a break in the backward pass; return all that is left."""
    torch.manual_seed(0)
    model = Careful()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    gradients = []
    model.body.weight.register_hook(lambda gradient: gradients.append(gradient.clone()))
    with context(model, optimizer):
        for step in range(9):
            on = torch.tensor(float(step == BROKEN))
            x, y = torch.randn(6, 4), torch.randint(3, (6,))
            with torch.autocast("cpu", torch.bfloat16, enabled=step % 2 == 0):
                loss = F.cross_entropy(model(x, on), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    left = [*model.state_dict().values(), torch.get_rng_state(), *gradients]
    left += [parameter.grad for parameter in model.parameters()]
    modes = (
        torch.is_anomaly_enabled(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        len(model._forward_hooks),
        len(model.body._forward_pre_hooks),
        len(model.body.weight._backward_hooks),
    )
    return left, modes, (model.calls, model.seen)


def unwatched(model, optimizer):
    return torch.enable_grad()


def test_nothing_is_left_of_the_look_bit_for_bit():
    watched = careful_training(lambda model, optimizer: watch(model, optimizer, every=5))
    bare = careful_training(unwatched)
    assert watched[1:] == bare[1:]
    for mine, theirs in zip(watched[0], bare[0], strict=True):
        assert torch.equal(mine.nan_to_num(nan=7.0), theirs.nan_to_num(nan=7.0))


def test_the_look_found_what_it_looked_for():
    runs = []

    def watching(model, optimizer):
        runs.append(watch(model, optimizer, every=5))
        return runs[0]

    careful_training(watching)
    origin = runs[0].run.provenance["nonfinite_origin"]
    assert (origin["operation"], origin["phase"], origin["iteration"]) == (
        "aten.sqrt", "backward", BROKEN,
    )  # fmt: skip


# -- words -----------------------------------------------------------------------------------------


def verdict_of(name):
    case = next(each for each in table.cases() if each.name == name)
    finding = gradlab.diagnose(table.train(case)).findings[0]
    assert finding.rule == "GL001"
    return finding


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("ExpOverflow", r"float32 overflows at 88\.72", "torch.softmax"),
        ("LogOfZero", r"the logarithm of 0 is -inf", "log_softmax"),
        ("RowMaskedWhole", "a row is masked whole", "leave no row masked whole"),
        ("MaskTimesInfinity", "0 times infinity", "masked_fill"),
        ("HalfOverflow", r"float16, whose largest is 65504", "bfloat16"),
        ("MeanOfNothing", "the mean of no number at all", "clamp_min"),
        ("BranchOfRoot", "the slope of the root", "torch.where"),
        ("ParameterBelowZero", r"parameter std is -0\.04", "softplus"),
        ("HalfPrecisionAdam", "eps=1e-08 is 0 in float16", "eps"),
        ("InfiniteRate", "the learning rate of the step was inf", "scheduler"),
        ("NanInInput", r"argument x of the model is not finite at \[3, 2, 1\]", r"row 3"),
        ("NanInTarget", r"they were in what the loss was given", r"row 2"),
    ],
)
def test_the_verdict_says_why_and_what_to_do(name, message, remedy):
    finding = verdict_of(name)
    assert re.search(message, finding.message), finding.message
    assert remedy in str(finding.remedies[0]) or remedy in str(finding.remedies[-1])


def test_the_verdict_names_the_line():
    finding = verdict_of("ExpOverflow")
    file, line = table.place_of(table.faults.ExpOverflow)
    assert f"{file}:{line} (weight = torch.exp(scores)" in finding.message


def test_a_weight_that_is_written_over_is_no_work_of_the_step():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(model, optimizer) as recorder:
        for _ in range(4):
            model(torch.randn(6, 4)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            model.weight[1, 2] = float("nan")
        model(torch.randn(6, 4)).square().mean().backward()
        optimizer.step()
    origin = recorder.run.provenance["nonfinite_origin"]
    assert (origin["parameter"], origin["index"]) == ("weight", [1, 2])
    (finding,) = [each for each in gradlab.diagnose(recorder.run).findings if each.rule == "GL001"]
    assert ": parameter weight is not finite: no number of its last step makes NaN" in (
        finding.message
    )
    assert finding.remedies[0].action == "check writes"


def test_an_update_that_breaks_at_the_first_step_is_not_there_before_it():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), float("inf"))
    with watch(model, optimizer) as recorder:
        for _ in range(3):
            model(torch.randn(6, 4)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    message = gradlab.diagnose(recorder.run).findings[0].message
    assert "first at iteration 0 in " in message
    assert message.endswith("the learning rate of the step was inf.")


# -- where the line of a loss is not known ---------------------------------------------------------


def test_a_loss_that_never_came_by_before_is_told_so():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(model, optimizer) as recorder:
        for step in range(4):
            answer = model(torch.randn(6, 4))
            loss = answer.square().mean()
            if step == 3:
                loss = (answer * 0).sum().sqrt() + loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    provenance = recorder.run.provenance
    assert provenance["nonfinite_origin"]["operation"] == "aten.sqrt"
    assert "line" not in provenance["nonfinite_origin"]
    assert "recorder.trace" in provenance["nonfinite_unknown"]
    message = gradlab.diagnose(recorder.run).findings[0].message
    assert f"what runs outside the model ({provenance['nonfinite_unknown']}), given" in message


def test_trace_names_the_line_of_a_loss():
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(model, optimizer) as recorder:
        model(torch.randn(6, 4)).sum().backward()
        optimizer.step()
        said = recorder.trace(lambda: (model(torch.zeros(6, 4)) * 0).sum().sqrt())
    assert "aten.sqrt outside the model (the loss), in the backward pass" in said
    assert "test_origins.py" in said


def test_the_loss_of_another_model_is_left_alone(tmp_path):
    """Where it is not finite, that is not this model's first, and costs it no lines."""
    model, other = nn.Linear(3, 1), nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, anomaly = torch.ones(4, 3), []
    with watch(model, optimizer, every=1000, out=tmp_path / "run") as recorder:
        for step in range(4):
            (other(inputs).mean() / 0).backward()
            outputs = model(inputs)
            anomaly.append(torch.is_anomaly_enabled())
            loss = (outputs.square() - 1e9 * (step == 3)).log().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss)
    run = recorder.close()
    assert run.provenance["nonfinite_origin"]["operation"] == "aten.log"
    assert run.steps.iteration[run.nonfinite.any(axis=1)].tolist() == [3]
    assert anomaly == [True, False, False, False]


def test_a_healthy_step_costs_no_replay(monkeypatch):
    from gradlab.adapters.torch.origin import trace

    monkeypatch.setattr(trace, "of_pass", None)
    made = elsewhere.Training()
    with watch(made.model, made.optimizer) as recorder:
        for step in range(12):
            recorder.log(loss=made.step(step))
    assert recorder.iterations == 12
