"""`watch(on_finding=...)`: a line, an exception of the user's own, or nothing at all."""

import pytest

torch = pytest.importorskip("torch")

import gradlab  # noqa: E402
from gradlab.adapters.torch import watch  # noqa: E402
from gradlab.errors import FindingError  # noqa: E402
from tests.adapters.loops import mlp  # noqa: E402


class Pruned(Exception):
    """What a search for hyperparameters raises to give a training up."""


def prune(finding):
    raise Pruned(finding.rule)


def broken_training(steps=200, at=5, **options):
    """Train with a batch that holds a NaN; return how many steps were made, and the recorder."""
    model = mlp(6, 8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    generator = torch.Generator().manual_seed(0)
    recorder = watch(model, optimizer, on_nonfinite="record", **options)
    with recorder:
        for step in range(steps):
            x = torch.randn(8, 6, generator=generator, dtype=torch.float64)
            if step == at:
                x[0, 0] = float("nan")
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    return recorder


def test_a_line_is_printed_and_the_training_goes_on(capsys):
    recorder = broken_training()
    assert recorder.iterations == 200
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "GL001" in err


def test_nothing_is_said_where_nothing_is_to_be(capsys):
    broken_training(on_finding=None)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("on_finding", "kind"), [("raise", FindingError), (prune, Pruned)], ids=["raise", "prune"]
)
def test_an_exception_leaves_from_the_step_and_the_record_is_kept(tmp_path, on_finding, kind):
    with pytest.raises(kind, match="GL001"):
        broken_training(steps=20_000, out=tmp_path / "run", on_finding=on_finding)
    run = gradlab.load(tmp_path / "run")
    assert run.provenance["status"] == f"interrupted by {kind.__name__}"
    assert 5 < run.iterations < 20_000


def test_what_a_function_raises_at_the_end_leaves_from_the_block():
    with pytest.raises(Pruned, match="GL001"):
        broken_training(steps=8, at=7, on_finding=prune)


def test_a_fault_of_the_judging_is_kept_out_of_the_training(monkeypatch, capsys):
    monkeypatch.setattr("gradlab.live.judging.portion", lambda run: 1 / 0)
    assert broken_training().iterations == 200
    assert capsys.readouterr().err == ""
