"""Weights that a forward pass uses and that are no parameters: told by two looks at the graph."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.func import functional_call  # noqa: E402

from gradlab.adapters.torch.observe.evaluation import tensors_in  # noqa: E402
from gradlab.adapters.torch.observe.unheld import Unheld  # noqa: E402


class Net(nn.Module):
    """A net whose middle is given: a module, or a list of them that nobody registers."""

    def __init__(self, hidden):
        super().__init__()
        self.first, self.last, self.hidden = nn.Linear(3, 4), nn.Linear(4, 2), hidden

    def forward(self, x):
        x = self.first(x)
        for layer in self.hidden:
            x = layer(x)
        return self.last(x)


class MadeAnew(nn.Module):
    """A net that makes a layer in each pass, and keeps it or not."""

    def __init__(self, *, kept):
        super().__init__()
        self.first, self.kept = nn.Linear(3, 4), kept
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        last = nn.Linear(4, 2)
        self.last = last if self.kept else self.last
        return last(self.first(x))


class Bare(nn.Module):
    """A net whose weights are a tensor, not a parameter."""

    def __init__(self):
        super().__init__()
        self.first, self.weight = nn.Linear(3, 4), torch.ones(4, 2, requires_grad=True)

    def forward(self, x):
        return self.first(x) @ self.weight


def passed(model, call=None, given=None, between=lambda: None):
    """Return what two passes, each with its backward pass, show."""
    looks = Unheld(model)
    for iteration in range(2):
        x = torch.ones(5, 3) if given is None else given()
        looks.before(tensors_in(x))
        handle = model.register_forward_hook(
            lambda module, arguments, y, at=iteration: looks.returned(at, tensors_in(y))
        )
        (call or model)(x).sum().backward()
        handle.remove()
        between()
    return looks.facts()


def layers(count=2):
    """Return linear layers of 20 numbers each in a list."""
    return [nn.Linear(4, 4) for _ in range(count)]


def test_layers_in_a_list_are_told_with_their_places():
    found = passed(Net(layers()))
    assert (found["tensors"], found["numbers"], found["anew"]) == (4, 40, False)
    assert set(found["names"]) == {f"hidden[{n}].{p}" for n in (0, 1) for p in ("weight", "bias")}


@pytest.mark.parametrize("kept", [True, False])
def test_a_layer_that_forward_makes_is_told(kept):
    found = passed(MadeAnew(kept=kept))
    assert (found["tensors"], found["numbers"], found["anew"]) == (2, 10, True)


def test_a_tensor_that_is_no_parameter_is_told():
    found = passed(Bare())
    assert (found["names"], found["shapes"], found["plain"]) == (["weight"], [[4, 2]], True)


def test_registered_layers_are_not():
    assert passed(Net(nn.ModuleList(layers()))) is None


def test_nor_are_layers_that_an_optimizer_moves():
    hidden = layers()
    others = [parameter for layer in hidden for parameter in layer.parameters()]
    assert passed(Net(hidden), between=torch.optim.SGD(others, 0.1).step) is None


def test_nor_are_inputs_and_the_net_that_makes_them():
    given = nn.Linear(3, 3)
    assert passed(Net([]), given=lambda: torch.ones(5, 3, requires_grad=True)) is None
    assert passed(Net([]), given=lambda: given(torch.ones(5, 3))) is None


def test_nor_are_the_weights_of_a_functional_call():
    model = Net([])

    def call(x) -> Tensor:
        copies = {name: nn.Parameter(each.clone()) for name, each in model.named_parameters()}
        return functional_call(model, copies, (x,))

    assert passed(model, call) is None


def test_nor_are_layers_that_get_no_gradient():
    hidden = layers()
    for layer in hidden:
        layer.requires_grad_(False)
    assert passed(Net(hidden)) is None
