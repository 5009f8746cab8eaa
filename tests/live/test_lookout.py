"""When a growing run is judged, what is told, and that it costs next to nothing."""

import threading

import pytest

import gradlab
from gradlab.errors import ArgumentError, FindingError
from gradlab.live import Lookout, judging, lookout, quiet
from gradlab.live.portion import portion
from tests.helpers import make_data
from tests.live.recorders import Clock, Judge, Recorded
from tests.rules.runs import make_run

DATA = make_data(40)


def looking(*verdicts, on_finding=None, cost=0.0):
    """Return a lookout, its clock, its judge, what it looks at, and the rules it has told of."""
    clock, told = Clock(), []
    judge = Judge(clock, *verdicts, cost=cost)
    speak = (lambda finding: told.append(finding.rule)) if on_finding is None else on_finding
    return Lookout(speak, judge=judge, clock=clock), clock, judge, Recorded(), told


@pytest.mark.parametrize(
    ("seconds", "iterations", "calls"),
    [(4.9, 1000, 0), (5.0, 19, 0), (5.0, 20, 1)],
)
def test_nothing_is_judged_before_five_seconds_and_twenty_iterations(seconds, iterations, calls):
    look, clock, judge, recorder, _ = looking(())
    clock.now += seconds
    recorder.acknowledged = iterations
    look(recorder)
    assert judge.calls == calls


def test_the_code_that_judges_is_loaded_before_the_first_verdict_and_once(monkeypatch):
    loaded = threading.Event()
    calls = []
    monkeypatch.setattr(judging, "_load", lambda: (calls.append(1), loaded.set()))
    clock = Clock()
    look, recorder = Lookout("print", clock=clock), Recorded()
    for seconds in (1.9, 0.1, 0.1):
        assert not loaded.is_set() or seconds == 0.1
        clock.now += seconds
        look(recorder)
    assert loaded.wait(10)
    assert calls == [1]


@pytest.mark.parametrize(("seconds", "calls"), [(99.9, 1), (100.0, 2)])
def test_a_verdict_of_two_seconds_is_followed_by_a_hundred_without_one(seconds, calls):
    look, clock, judge, recorder, _ = looking((), cost=2.0)
    clock.now += 5
    recorder.acknowledged = 20
    look(recorder)
    clock.now += seconds
    recorder.acknowledged = 2000
    look(recorder)
    assert judge.calls == calls
    assert look.seconds == 2.0 * calls


@pytest.mark.parametrize(("seconds", "calls"), [(19.9, 1), (20.0, 2)])
def test_what_is_new_is_confirmed_sooner(seconds, calls):
    look, clock, judge, recorder, heard = looking(["GL101"], cost=2.0)
    clock.now += 5
    recorder.acknowledged = 20
    look(recorder)
    clock.now += seconds
    recorder.acknowledged = 2000
    look(recorder)
    assert judge.calls == calls
    assert heard == ["GL101"] * (calls - 1)


@pytest.mark.parametrize(("iterations", "calls"), [(125, 1), (126, 2)])
def test_a_record_is_judged_again_when_it_has_grown_by_a_quarter(iterations, calls):
    look, clock, judge, recorder, _ = looking(())
    clock.now += 5
    recorder.acknowledged = 100
    look(recorder)
    recorder.acknowledged = iterations
    look(recorder)
    assert judge.calls == calls


def test_the_share_of_the_time_stays_at_two_per_cent():
    look, clock, judge, recorder, _ = looking((), cost=0.3)
    began = clock.now
    for _ in range(20_000):
        clock.now += 0.05
        recorder.acknowledged += 10
        look(recorder)
    assert judge.calls > 10
    assert look.seconds <= 0.02 * (clock.now - began) + 0.3


def three_verdicts(look, clock, recorder):
    for iterations in (100, 200, 400):
        clock.now += 10
        recorder.acknowledged = iterations
        look(recorder)


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ([["GL101"], ["GL101"], ["GL101"]], ["GL101"]),
        ([["GL101"], [], ["GL101"]], []),
        ([[], ["GL101"], ["GL101", "GL201"]], ["GL101"]),
        ([["GL001"], [], []], ["GL001"]),
        ([["GL402"], ["GL402"], ["GL402"]], []),
    ],
)
def test_a_finding_is_told_once_when_it_is_seen_twice_and_a_nan_at_once(verdicts, told):
    look, clock, _, recorder, heard = looking(*verdicts)
    three_verdicts(look, clock, recorder)
    assert heard == told


def test_at_the_end_what_was_not_told_is_told():
    look, clock, _, recorder, heard = looking(["GL402", "GL101"])
    clock.now += 5
    look(recorder, ended=True)
    assert heard == ["GL402", "GL101"]


def test_a_short_training_is_not_judged_at_its_end():
    look, clock, judge, recorder, _ = looking(["GL101"])
    clock.now += 4.9
    look(recorder, ended=True)
    assert judge.calls == 0


def test_a_number_that_is_not_finite_is_judged_at_once():
    look, _, judge, recorder, heard = looking(["GL001"])
    recorder.broke = True
    look(recorder)
    look(recorder)
    assert (judge.calls, heard) == (1, ["GL001"])


def test_one_line_says_what_was_found(capsys):
    look, _, _, recorder, _ = looking(["GL001"], on_finding="print")
    recorder.broke, recorder.acknowledged = True, 152
    look(recorder)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "gradlab: iteration 152: odd (GL001, error): What GL001 found.\n")


@pytest.mark.parametrize("verdict", ["GL001*", "GL101*"])
def test_a_warning_is_printed_where_errors_are_raised(capsys, verdict):
    look, clock, _, recorder, _ = looking([verdict], on_finding="raise")
    three_verdicts(look, clock, recorder)
    assert verdict[:-1] in capsys.readouterr().err


def test_an_error_is_raised_where_it_is_to_be():
    look, _, _, recorder, _ = looking(["GL001"], on_finding="raise")
    recorder.broke = True
    with pytest.raises(FindingError, match=r"odd \(GL001, error\)"):
        look(recorder)


def test_a_verdict_that_fails_disturbs_nothing(capsys):
    look, clock, judge, recorder, _ = looking()
    recorder.written = lambda: 1 / 0
    three_verdicts(look, clock, recorder)
    assert (judge.calls, capsys.readouterr()) == (0, ("", ""))


def test_none_watches_over_nothing():
    assert lookout(None) is None


@pytest.mark.parametrize("value", ["stop", 3, True])
def test_another_word_is_refused(value):
    with pytest.raises(ArgumentError, match="on_finding="):
        lookout(value)
    model = gradlab.MLP([3, 4, 3])
    with pytest.raises(ArgumentError, match="on_finding="):
        gradlab.train(model, DATA, on_finding=value)


# -- a part of a large run


def test_a_small_run_is_judged_whole():
    run = make_run(300)
    assert portion(run) is run


@pytest.mark.parametrize("iterations", [257, 1000, 5000])
def test_of_a_large_run_the_ends_and_stretches_in_between_are_judged(iterations):
    run = make_run(iterations, 1, 2)
    part = portion(run, most=0)  # which leaves room for 256 iterations
    times = part.times
    assert set(range(64)) <= set(times.tolist())
    assert set(range(iterations - 128, iterations)) <= set(times.tolist())
    assert len(times) <= 256
    assert part["grad_norm"].shape == (len(times), 1, 2)
    assert len(part.step("loss")) == len(times)


def test_a_part_has_the_numbers_of_its_iterations():
    model = gradlab.MLP([3, 8, 3], replicates=2)
    run = gradlab.train(model, DATA, iterations=30, batch_size=8)
    part = run.select([3, 5, 29, 400])
    assert part.times.tolist() == [3, 5, 29]
    for name in run.columns:
        assert (part[name] == run[name][[3, 5, 29]]).sum() == (
            part.recorded(name) & ~(part[name] != part[name])
        ).sum()
    assert part.step("loss").tolist() == run.step("loss")[[3, 5, 29]].tolist()
    assert part.matrices.shape == (3, 2, 2)


# -- the built-in engine


def breaking(**options):
    """Train until the weights overflow."""
    model = gradlab.MLP([3, 8, 8, 3], "relu", seed=0)
    settings = {"learning_rate": 1e6, "batch_size": 8, "iterations": 60}
    return gradlab.train(model, DATA, **settings, **options)


def test_train_prints_one_line_at_a_nan(capsys):
    breaking()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("gradlab: iteration ")
    assert "error)" in err


def test_train_raises_where_it_is_to_and_keeps_the_record(tmp_path):
    model = gradlab.MLP([3, 8, 3], "tanh", seed=0, replicates=2)

    def break_weights(step):
        if step.iteration == 5:
            step.model.weights[0][0] = float("nan")

    with pytest.raises(FindingError, match="GL001"):
        gradlab.train(
            model, DATA, iterations=500, batch_size=8, out=tmp_path / "run",
            on_finding="raise", on_step=break_weights,
        )  # fmt: skip
    run = gradlab.load(tmp_path / "run")
    assert run.provenance["status"] == "interrupted by FindingError"
    assert 6 < run.iterations < 500


def test_train_gives_the_finding_to_a_function(capsys):
    heard = []
    breaking(on_finding=heard.append)
    assert [finding.severity for finding in heard] == ["error"]
    assert capsys.readouterr().err == ""


def test_trainings_that_are_broken_on_purpose_can_be_quiet(capsys):
    heard = []
    with quiet():
        breaking()
        breaking(on_finding=heard.append)
    assert capsys.readouterr().err == ""
    assert len(heard) == 1
    breaking()
    assert capsys.readouterr().err.count("\n") == 1


def test_train_judges_nothing_where_it_is_told_not_to(capsys):
    breaking(on_finding=None)
    assert capsys.readouterr().err == ""
