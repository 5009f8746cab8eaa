"""What the page says: one number for one thing, and no word that is not true of this run."""

import numpy as np
import pytest

import gradlab
from gradlab.report.data import build
from gradlab.report.pictures import series
from gradlab.report.wording import power, typeset
from gradlab.run import LOG_GAINS, Run
from tests.report.test_data import STRANGE, made, only, vanished, with_statistics


def test_one_number_is_told_for_one_thing():
    """The product written out, the sentence, the small curve, and the finding's cause.

    All speak of the median seed.
    """
    rng = np.random.default_rng(3)
    gains = {name: np.zeros((1, 8, 21)) for name in LOG_GAINS}
    gains["log_gain_weight"] = np.log(2) + 0.2 * rng.normal(size=(1, 8, 21))
    gains["log_gain_slope"] = 0.1 * rng.normal(size=(1, 8, 21))
    for gain in gains.values():
        gain[:, :, -1] = np.nan
    total = np.nansum(list(gains.values()), axis=0)[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    run = made(iterations=1, seeds=8, layers=21, delta_norm=np.exp(total), **gains)
    median = np.median(total[0, :, 0])
    cell, finding = only(run), gradlab.diagnose(run).findings[0]
    assert finding.rule == "GL102"
    assert sum(finding.cause["log_gain"].values()) == pytest.approx(median)
    assert finding.value == pytest.approx(np.exp(median))
    assert series.factors(run, 0).total.sum() == pytest.approx(median)
    assert cell["sparkline"][0] == pytest.approx(median / np.log(10), abs=0.01)
    words = power(median / np.log(10))
    assert cell["arrival"] == f"× {words}"
    assert cell["chains"]["start"]["total"] == words
    assert words in cell["sentence"]
    assert words in cell["findings"][0]["message"]
    assert words in cell["findings"][0]["cause"]


def test_a_run_without_a_yardstick_is_told_by_its_loss():
    run = made(iterations=200, config={"baseline_loss": None})
    assert build(run)["line"].startswith("made up lowers its loss from 2.3 to 2.2")
    assert only(run)["outcome"] == "loss falls"
    loss = np.linspace(2.0, 2.5, 50)[:, None]
    risen = Run.from_arrays({"weight_norm": np.ones((50, 1, 3))}, steps={"loss": loss}, name="it")
    assert build(risen)["line"].startswith("it does not lower its loss (from 2 to 2.48)")
    assert only(risen)["outcome"] == "loss does not fall"
    loss = np.where(loss > 2.4, np.nan, loss)
    broken = Run.from_arrays({"weight_norm": np.ones((50, 1, 3))}, steps={"loss": loss}, name="it")
    assert build(broken)["line"].startswith("it ends in NaN")
    assert only(broken)["outcome"] == "ends in NaN"
    assert (
        build(STRANGE["no iteration"]())["line"]
        == "made up holds no iteration yet, so there is nothing to judge."
    )


def test_a_loss_that_falls_and_stays_above_a_constant_is_not_said_to_fall():
    iterations = 100
    loss = np.maximum(np.geomspace(50.0, 0.1, iterations), 2.4)[:, None]
    constant = np.full((iterations, 1), 2.3)
    steps = {"loss": loss, "criterion_loss": loss, "criterion_baseline": constant}
    signals = {"weight_norm": np.ones((iterations, 1, 3))}
    told = only(Run.from_arrays(signals, steps=steps, name="it"))
    assert told["outcome"] == "not learned"
    assert any(found["rule"] == "GL402" for found in told["findings"])


def test_what_only_some_seeds_have_is_not_told_of_all():
    small = np.full((60, 3, 6), 1.0)
    small[:, 0] = 1e-9
    run = made(iterations=60, per_example_grad_norm=small)
    signals = {name: run[name] for name in run.columns}
    recorded = {name: run.recorded(name) for name in run.columns}
    loss = np.linspace(2.3, 0.1, 60)[:, None] * np.ones(3)
    loss[:, 0] = 2.3
    learned = Run.from_arrays(
        signals, steps={"loss": loss}, recorded=recorded, config=run.config, name="it"
    )
    assert only(learned)["sentence"].startswith(
        "it learns: in 1 of 3 seeds, each layer passes on 0.25"
    )


def test_a_product_that_goes_the_other_way_is_not_blamed():
    """The signal grows to 1e600 times itself, and the terms say 0.25 a layer.

    They do not belong together.
    """
    data = build(STRANGE["1e-300 and 1e300"]())
    assert "passes on" not in data["line"]
    assert "10⁶⁰⁰ times" in data["line"]
    assert not data["cells"][0]["explained"]
    assert only(vanished())["explained"]


def test_where_a_finding_is_comes_second():
    run = vanished()
    assert only(run)["answer"]["where"] == "all 6 layers, from the start"
    assert only(with_statistics())["answer"]["where"] == ""


def test_words_beside_a_picture_speak_of_what_it_shows():
    facts = only(made(seeds=1, config={"baseline_loss": None}))["figures"]["facts"]
    assert facts == []
    facts = set(only(with_statistics())["figures"]["facts"])
    assert facts == {"seeds", "steps", "units", "activations"}


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("8.6e-4 of it", "0.00086 of it"),
        ("grows 1.0e6 times", "grows 1.0·10⁶ times"),
        ("2.8e5", "280,000"),
        ("3.3e-13", "3.3·10⁻¹³"),
        ("1e600", "10⁶⁰⁰"),
        ("1e-5 and 1e3", "10⁻⁵ and 1,000"),
        ("1.0e-5", "1.0·10⁻⁵"),
        ("from -1.1e22 to -3", "from −1.1·10²² to −3"),
        ("layers 1-6, x-3", "layers 1-6, x-3"),
        ("layer 3 (block.1e3.fc)", "layer 3 (block.1e3.fc)"),
        ("relu1e3", "relu1e3"),
        ("55.4 % of", "55.4\u00a0% of"),
    ],
)
def test_numbers_are_written_as_a_page_does(text, page):
    assert typeset(text) == page


def watched(every):
    """A run of a loop that logs its loss at every so many iterations, or never."""
    with gradlab.Recorder([{"fan_in": 2, "fan_out": 2}], name="mine") as recorder:
        for step in range(40):
            loss = 2.0 - 0.02 * step if every and step % every == 0 else None
            recorder.add(
                {"weight_norm": np.ones(1), "update_ratio": np.full(1, 1e-3)},
                loss=loss,
                learning_rate=1e-3,
            )
    return recorder.run


def test_a_loss_that_is_logged_now_and_then_is_no_nan():
    cell = only(watched(10))
    assert cell["sentence"].startswith("mine lowers its loss from 2 to 1.4")
    names = {trace["name"]: trace for trace in cell["figures"]["loss"]["data"]}
    assert names["training"]["x"] == [0, 10, 20, 30]
    assert names["training"]["y"] == pytest.approx([2.0, 1.8, 1.6, 1.4])
    assert not any("NaN" in name for name in names)


def test_a_loss_that_is_never_logged_is_not_judged():
    cell = only(watched(0))
    assert cell["sentence"].startswith("mine does not show whether it learns: ")
    assert cell["outcome"] == "unknown"
    assert "loss" not in cell["figures"]
    assert cell["figures"]["moments"][-1] == 39
