"""Parameters that join a training on its way: unfrozen, or added to the optimizer."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402

STEPS, JOINS = 8, 4


def net():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    model[0].requires_grad_(False)
    return model


def of_head(model):
    return torch.optim.Adam(model[2].parameters(), 0.1)


def of_all(model):
    return torch.optim.Adam(model.parameters(), 0.1)


def add(model, optimizer):
    model[0].requires_grad_(True)
    optimizer.add_param_group({"params": list(model[0].parameters())})


def unfreeze(model, _optimizer):
    model[0].requires_grad_(True)


def unfreeze_without_optimizer(model, _optimizer):
    model[0].requires_grad_(True)


def unfreeze_for_another_optimizer(model, _optimizer):
    """Hand the thawed layer to an optimizer that is not watched, and that steps with the other."""
    model[0].requires_grad_(True)
    beside = torch.optim.SGD(model[0].parameters(), 0.1)
    _optimizer.register_step_post_hook(lambda *_: beside.step())


def unfreeze_and_freeze_again(model, optimizer):
    """Let gradients through for one step."""
    model[0].requires_grad_(True)
    optimizer.register_step_post_hook(lambda *_: model[0].requires_grad_(False))


def trained(make, join, steps=STEPS, joins=JOINS, **options):
    """Train; return the record, and of the first layer's weights at each step norm and step."""
    model = net()
    optimizer = make(model)
    x, y = torch.randn(16, 5), torch.randint(3, (16,))
    measured = []
    with watch(model, optimizer, **options) as recorder:
        for step in range(steps):
            if step == joins:
                join(model, optimizer)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            before, slope = model[0].weight.detach().clone(), model[0].weight.grad
            optimizer.step()
            change = model[0].weight.detach() - before
            lengths = (torch.nan if slope is None else slope.norm(), change.norm(), before.norm())
            measured.append([float(each) for each in lengths])
    return recorder.run, np.array(measured)


@pytest.mark.parametrize(("make", "join"), [(of_head, add), (of_all, unfreeze)])
def test_what_joins_is_measured_from_then_on(make, join):
    run, (gradient, step, weight) = (lambda found: (found[0], found[1].T))(trained(make, join))
    row = list(run.layer("path")).index("0")
    for name, expected in (("grad_norm", gradient), ("update_norm", step), ("weight_norm", weight)):
        assert not run.recorded(name)[:JOINS, 0, row].any()
        found = run[name][JOINS:, 0, row]
        assert found == pytest.approx(expected[JOINS:], rel=1e-4)


def test_all_gradients_count_once_they_have_joined():
    run, _ = trained(of_head, add)
    squares = np.nansum(np.where(run.recorded("grad_norm"), run["grad_norm"], 0) ** 2, axis=2)
    assert run.step("grad_norm") == pytest.approx(np.sqrt(squares), rel=1e-6)


def test_what_no_optimizer_holds_does_not_join():
    run, _ = trained(of_head, unfreeze_without_optimizer)
    row = list(run.layer("path")).index("0")
    assert not run.recorded("update_norm")[..., row].any()
    assert not run.recorded("grad_norm")[..., row].any()


@pytest.mark.parametrize(
    ("make", "join", "expected"),
    [
        (of_head, unfreeze_without_optimizer, ["0", "0.bias"]),
        (of_head, add, None),
        (of_all, unfreeze, None),
        (of_head, unfreeze_for_another_optimizer, None),
        (of_head, unfreeze_and_freeze_again, None),
        (of_head, lambda *_: None, None),  # frozen for good
    ],
)
def test_what_thaws_and_is_moved_by_nobody_is_noted(make, join, expected):
    run, _ = trained(make, join)
    assert run.provenance.get("thawed") == expected


def test_the_record_counts_what_is_trained_from_the_start():
    run, _ = trained(of_head, add)
    assert run.config["parameters"]["trainable"] == 6 * 3 + 3
    assert run.config["parameters"]["frozen"] == 5 * 6 + 6


def test_the_step_that_joins_is_measured_at_any_cadence():
    run, (_, step, _) = (lambda found: (found[0], found[1].T))(
        trained(of_head, add, every=100, steps=15, joins=13)
    )
    row = list(run.layer("path")).index("0")
    assert np.flatnonzero(run.recorded("update_norm")[:, 0, row]).tolist() == [13]
    assert run["update_norm"][13, 0, row] == pytest.approx(step[13], rel=1e-4)
    assert not run.recorded("outside_update_norm")[13].any()
