"""NaN born in a derivative, in models of many kinds: the same operation, module and line in all."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from gradlab.adapters.torch import watch  # noqa: E402
from tests.adapters.origins.faults import RootAtZero  # noqa: E402
from tests.adapters.origins.table import place_of  # noqa: E402

STEPS, ROWS = 8, 6
CLASSES = torch.arange(ROWS) % 3


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.fault, self.head = nn.Linear(4, 8), RootAtZero(), nn.Linear(8, 3)

    def forward(self, x, on):
        return self.answer(self.fault(self.body(x), on))

    def answer(self, h):
        return self.head(h).mean(1)


class Reentrant(Net):
    def forward(self, x, on):
        return self.answer(checkpoint(self.fault, self.body(x), on, use_reentrant=True))


class Answers(Net):
    def forward(self, x, on):
        return {"logits": super().forward(x, on), "aux": [x.sum()]}


class Loses(Net):
    def forward(self, x, on):
        return F.cross_entropy(super().forward(x, on), CLASSES)


class Recurrent(Net):
    def __init__(self):
        super().__init__()
        self.body = nn.LSTM(4, 8, batch_first=True)

    def forward(self, x, on):
        return self.answer(self.fault(self.body(x)[0], on))


class Spectral(Net):
    def __init__(self):
        super().__init__()
        self.body = nn.utils.parametrizations.spectral_norm(self.body)


class Dropout(Net):
    def forward(self, x, on):
        return self.answer(F.dropout(self.fault(self.body(x), on), 0.5))


class Encoder(Net):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x, on):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.answer(self.fault(self.encoder(self.body(x), mask=mask), on))


def usual(model, x, on):
    return F.cross_entropy(model(x, on), CLASSES)


def scaled(model, x, on):
    return usual(model, x, on) * 65536.0


def written_over(model, x, on):
    answer = model(x, on)
    return F.cross_entropy(answer.div_(2.0), CLASSES)


def evaluated_before(model, x, on):
    model(x, on * 0)  # with gradients, and no backward pass
    return usual(model, x, on)


def called_twice(model, x, on):
    return usual(model, x, on) + usual(model, x, on * 0)


def of_answers(model, x, on):
    return F.cross_entropy(model(x, on)["logits"], CLASSES)


def returned(model, x, on):
    return model(x, on)


def compiled(model):
    return torch.compile(model, backend="eager")


def compiled_in_place(model):
    model.compile(backend="eager")
    return model


def provenance(made, loss_of=usual, micro=1, wrap=None):
    """Train until the last step breaks; return the record's facts."""
    torch.manual_seed(0)
    model = made()
    called = model if wrap is None else wrap(model)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of reentrant checkpointing
        with watch(called, optimizer, every=5) as recorder:
            for step in range(STEPS):
                optimizer.zero_grad()
                for part in range(micro):
                    on = torch.tensor(float(step == STEPS - 1 and part == 0))
                    loss_of(called, torch.randn(ROWS, 5, 4), on).backward()
                optimizer.step()
    return recorder.run.provenance


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (Net, {}),
        (Reentrant, {}),
        (Answers, {"loss_of": of_answers}),
        (Loses, {"loss_of": returned}),
        (Recurrent, {}),
        (Spectral, {}),
        (Dropout, {}),
        (Encoder, {}),
        (Net, {"micro": 3}),
        (Net, {"loss_of": scaled}),
        (Net, {"loss_of": written_over}),
        (Net, {"loss_of": evaluated_before}),
        (Net, {"loss_of": called_twice}),
        (Net, {"wrap": compiled}),
        (Net, {"wrap": compiled_in_place}),
    ],
)
def test_the_derivative_is_named(made, options):
    origin = provenance(made, **options)["nonfinite_origin"]
    assert (origin["operation"], origin["module"], origin["phase"]) == (
        "aten.sqrt", "fault", "backward",
    )  # fmt: skip
    assert (origin["file"].rpartition("/")[2], origin["line"]) == place_of(RootAtZero)


class WritesWeights(Net):
    def forward(self, x, on):
        with torch.no_grad():
            self.body.weight.clamp_(-1, 1)
        return super().forward(x, on)


class WritesInput(Net):
    def forward(self, x, on):
        return super().forward(x.mul_(1.0), on)


@pytest.mark.parametrize(
    ("made", "what"), [(WritesWeights, "parameter body.weight"), (WritesInput, "input x")]
)
def test_a_model_that_cannot_be_run_again_without_a_trace_is_not(made, what):
    facts = provenance(made)
    assert "nonfinite_origin" not in facts
    assert what in facts["nonfinite_unknown"]
    assert "remarks" not in facts


class LogarithmOfZero(Net):
    """Its answer is NaN where it breaks, and it cannot be run again."""

    def forward(self, x, on):
        with torch.no_grad():
            self.body.weight.clamp_(-1, 1)
        return super().forward(x, on * 0) + torch.log(1 - on) * on * 0


def test_a_loss_is_not_blamed_for_the_nan_that_it_is_given():
    facts = provenance(LogarithmOfZero)
    assert "nonfinite_origin" not in facts
    assert facts["nonfinite_unknown"].endswith("what the model answers is NaN already")


class MaskedByWhere(Net):
    """A row is masked whole, by a number that is written down as a tensor."""

    def forward(self, x, on):
        masked = torch.where(on > 0, torch.tensor(float("-inf")), x.mean(-1))
        weights = torch.softmax(masked, -1)  # <- masked
        return super().forward(x * weights[..., None], on * 0)


def test_a_row_that_is_masked_whole_is_its_own_cause():
    origin = provenance(MaskedByWhere)["nonfinite_origin"]
    assert (origin["operation"], origin["key"]) == ("aten._softmax", "masked row")
    assert origin["code"].endswith("# <- masked")
