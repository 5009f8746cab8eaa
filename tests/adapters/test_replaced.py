"""Parameters that are made anew while a net is trained, and whether an optimizer is told."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gradlab.adapters.torch.measure.replaced import Replaced  # noqa: E402
from gradlab.adapters.torch.rows import find_rows  # noqa: E402


def watched():
    """Return a net of two layers, its optimizer, and what follows its parameters."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    followed = Replaced(model, [optimizer])
    followed.begin(find_rows(model))
    return model, optimizer, followed


def a_layer(model, _optimizer):
    """Put another layer in the place of the last."""
    model[1] = nn.Linear(4, 2)


def a_state(model, _optimizer):
    """Load a state by putting its tensors in the places of the parameters."""
    state = {f"1.{name}": each.clone() for name, each in model[1].state_dict().items()}
    model.load_state_dict(state, strict=False, assign=True)


def with_a_group(model, optimizer):
    """Put another layer in the place of the last, and give it to the optimizer."""
    a_layer(model, optimizer)
    optimizer.add_param_group({"params": model[1].parameters()})


def frozen(model, _optimizer):
    """Put a layer there that is not meant to learn."""
    model[1] = nn.Linear(4, 2).requires_grad_(False)


def copied(model, _optimizer):
    """Write other values into the parameters."""
    model[1].load_state_dict(nn.Linear(4, 2).state_dict())


@pytest.mark.parametrize("replace", [a_layer, a_state])
def test_what_is_replaced_is_told_by_the_record_s_names(replace):
    model, optimizer, followed = watched()
    assert followed.facts() == {}
    replace(model, optimizer)
    assert followed.facts() == {"replaced": ["1", "1.bias"]}


@pytest.mark.parametrize("replace", [with_a_group, frozen, copied])
def test_what_an_optimizer_holds_or_nobody_trains_is_not(replace):
    model, optimizer, followed = watched()
    replace(model, optimizer)
    assert followed.facts() == {}


def test_nor_is_what_another_loop_moves():
    model, optimizer, followed = watched()
    a_layer(model, optimizer)
    followed.facts()
    with torch.no_grad():
        model[1].weight.add_(1)
    assert followed.facts() == {"replaced": ["1.bias"]}
