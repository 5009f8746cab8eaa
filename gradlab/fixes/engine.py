"""`fix(run)`: the search on the built-in engine."""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from gradlab.datasets import Data
from gradlab.diagnosis import diagnose
from gradlab.errors import ArgumentError, GradlabError, RunError, shown
from gradlab.fixes.changes import can_be_tried, changes_for
from gradlab.fixes.result import Fix
from gradlab.fixes.search import Search
from gradlab.fixes.setup import Setup, code, data_of
from gradlab.fixes.trial import NO_SCORE, Change, Score, Trial
from gradlab.fixes.verdicts import proposed
from gradlab.kinds import CALLBACK, Kind, instance, of_kinds, takes
from gradlab.nn.mlp import MLP
from gradlab.options import TrainingOptions
from gradlab.ranges import ABOVE_0
from gradlab.rules import Remedy
from gradlab.run import Run
from gradlab.training import train as engine_train

Array = np.ndarray

TRAINER = Kind(
    "a function with the arguments of gradlab.train",
    lambda value: takes(value, 2, name="", **asdict(TrainingOptions())),
)

BUDGET = 12.0  # whole trainings
SECONDS = 600.0
LEAST = 50  # iterations of a short training
# Of the way from guessing to perfect answers, on held-out data: what counts as having learned, and
# what is so good that nothing better is looked for.
LEARNS, SURE = 0.5, 0.8
CHECKED = 5  # iterations whose losses must be those of the record
EQUAL = 1e-3


@of_kinds(
    run=instance(Run, "a Run"),
    data=instance(Data, "a Data").or_none,
    prepare=CALLBACK.or_none,
    train=TRAINER.or_none,
    on_trial=CALLBACK.or_none,
)
def fix(
    run: Run,
    data: Data | None = None,
    *,
    budget: float = BUDGET,
    seconds: float = SECONDS,
    prepare: Callable[[MLP], None] | None = None,
    train: Callable[..., Run] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> Fix:
    """Try what the verdict on a run proposes, and return the smallest change that cures.

    The network and the training are built again from the record. Single remedies are tried first,
    then pairs, each from the same seeds. A change cures if a training of full length then has no
    error, no longer the old root cause, and the network gets at least half way from guessing to
    perfect answers on held-out data. Ctrl-C keeps what was found until then.

    Parameters
    ----------
    run : Run
        Of the built-in engine.
    data : Data, optional
        What it was trained on, where gradlab cannot make it again by its name.
    budget : float
        How many whole trainings may be run; a shorter one counts as a part.
    seconds : float
        How long the search may take.
    prepare : callable, optional
        (model) -> None: what was done to the model before it was trained, if anything.
    train : callable, optional
        Used instead of `gradlab.train`, with its arguments.
    on_trial : callable, optional
        Called with each Trial as it ends.

    Returns
    -------
    Fix

    Raises
    ------
    ArgumentError
        The run is not of the built-in engine, its data cannot be made again, or `budget` or
        `seconds` is not above 0.
    RunError
        The training, built again, does not lose what the record says: something is not in the
        record.
    """
    ABOVE_0.check("budget", budget)
    ABOVE_0.check("seconds", seconds)
    setup = Setup.of(run)
    data = data_of(run) if data is None else data
    start = time.perf_counter()
    bench = EngineBench(
        setup, data, prepare, train or functools.partial(engine_train, on_finding=None)
    )
    before = bench.train((), 1.0)
    _check(run, before)
    search = Search(bench, before, budget, seconds, on_trial)
    winner = search.run()
    changed = setup if winner is None else bench.setup(winner.changes)
    return Fix(
        name=run.name,
        before=before,
        trials=tuple(search.trials),
        winner=winner,
        diff=_shown(setup.diff(changed), prepare),
        code="" if winner is None else code(changed, data),
        shown=bench.shown(before),
        spent=search.spent,
        budget=budget,
        seconds=time.perf_counter() - start,
        stopped=search.stopped,
    )


class EngineBench:
    """Trains the built-in engine with changes; what `Search` asks.

    Attributes
    ----------
    original : Setup
    """

    def __init__(
        self,
        original: Setup,
        data: Data,
        prepare: Callable[[MLP], None] | None,
        train: Callable[..., Run],
    ):
        self.original = original
        self._data = data
        self._prepare = prepare
        self._train = train

    def setup(self, changes: Sequence[Change]) -> Setup:
        """Return the original with changes, one after the other."""
        setup = self.original
        for change in changes:
            setup = change.apply(setup)
        return setup

    def candidates(self, trial: Trial) -> list[Change]:
        """Return the changes that the verdict on a trial proposes, best first."""
        setup = self.setup(trial.changes)
        found: dict[Setup, Change] = {}
        for remedy in proposed(trial.diagnosis):
            for change in changes_for(remedy, setup):
                found.setdefault(change.apply(setup), change)
        return list(found.values())

    def shown(self, trial: Trial) -> tuple[Remedy, ...]:
        """Return the remedies that need the user's own code or data."""
        return tuple(each for each in proposed(trial.diagnosis) if not can_be_tried(each))

    def train(self, changes: tuple[Change, ...], share: float) -> Trial:
        """Train with these changes for a share of the iterations."""
        start = time.perf_counter()
        setup = self.setup(changes)
        whole = setup.options.iterations
        iterations = min(whole, max(LEAST, round(whole * share)))
        shortened = _shortened(setup.options, iterations)
        try:
            data = setup.data(self._data)
            model = self._model(setup)
            with np.errstate(all="ignore"):
                run = self._train(model, data, name=_named(changes), **asdict(shortened))
        except GradlabError as error:  # such as a schedule that does not fit a short training
            seconds = time.perf_counter() - start
            return Trial(changes, share, iterations, NO_SCORE, seconds, problem=str(error))
        if not isinstance(run, Run):
            raise ArgumentError(f"train must return a Run, as gradlab.train does; got {shown(run)}")
        seconds = time.perf_counter() - start
        return Trial(changes, share, iterations, held_out(model, data), seconds, run, diagnose(run))

    def _model(self, setup: Setup) -> MLP:
        """Build the network as it was before training, but for what the setup takes back."""
        model = setup.model()
        drawn = model.parameters.copy()
        if self._prepare is not None:
            self._prepare(model)
        if setup.start == "drawn":
            fresh = [weight.copy() for weight in model.views(drawn)[0]]
            for weight, value in zip(model.weights, fresh, strict=True):
                weight[...] = value
        if setup.biases == "zero":
            model.biases.flat.fill(0)
        return model


def held_out(model: MLP, data: Data) -> Score:
    """Return how well the median seed answers held-out examples.

    The share of right answers for classes, R^2 for real targets.
    """
    with np.errstate(all="ignore"):
        answers = np.asarray(model.predict(data.x_test), np.float64)
    answers = answers if model.replicates is not None else answers[None]
    finite = np.isfinite(answers).all(axis=(1, 2))
    if data.task == "classification":
        values = np.array([_right(each, data.y_test) for each in answers])
        _, counts = np.unique(data.y_test, return_counts=True)
        guess = float(counts.max() / counts.sum())
    else:
        values = np.array([_explained(each, data.y_test) for each in answers])
        guess = 0.0
    middle = float(np.median(np.where(finite, values, -math.inf)))
    if not math.isfinite(middle):
        return Score(math.nan, False, False, "NaN")
    skill = (middle - guess) / (1 - guess) if guess < 1 else 0.0
    words = f"{100 * middle:.0f} % right" if data.task == "classification" else f"R² {middle:.3g}"
    return Score(middle, skill >= LEARNS, skill >= SURE, words)


def _right(answers: Array, y: Array) -> float:
    """Return the share of right answers; a single output decides by its sign."""
    chosen = answers.argmax(axis=1) if answers.shape[1] > 1 else answers[:, 0] > 0
    return float((chosen == y).mean())


def _explained(answers: Array, y: Array) -> float:
    """R^2 = 1 - sum (y - answer)^2 / sum (y - mean y)^2."""
    y = y.reshape(answers.shape)
    with np.errstate(all="ignore"):
        left = np.square(y - answers).sum()
    total = np.square(y - y.mean(axis=0)).sum()
    return float(1 - left / total) if total > 0 else 0.0


def _shortened(options: TrainingOptions, iterations: int) -> TrainingOptions:
    """Return the options of a shorter training: its warm-up takes no more than half of it."""
    if iterations == options.iterations:
        return options
    schedule = re.sub(
        r"warmup=(\d+)",
        lambda found: f"warmup={min(int(found[1]), iterations // 2)}",
        options.schedule,
    )
    return replace(options, iterations=iterations, schedule=schedule)


def _shown(
    diff: dict[str, tuple[Any, Any]], prepare: Callable[[MLP], None] | None
) -> dict[str, tuple[Any, Any]]:
    """Leave out what is taken back of a preparation, where there was none."""
    hidden = () if prepare is not None else ("start", "biases")
    return {name: pair for name, pair in diff.items() if name not in hidden}


def _named(changes: Sequence[Change]) -> str:
    return " + ".join(change.words for change in changes) or "as it was"


def _check(run: Run, again: Trial) -> None:
    """Raise RunError where the training, built again, is another one than the recorded."""
    if again.run is None:
        raise RunError(f"run {run.name!r} cannot be trained again: {again.problem}")
    recorded, anew = run.step("loss")[:CHECKED], again.run.step("loss")[:CHECKED]
    same = recorded.shape == anew.shape and np.allclose(recorded, anew, EQUAL, equal_nan=True)
    if not same:
        raise RunError(
            f"run {run.name!r} cannot be built again from its record: its first losses are "
            f"{recorded[0].tolist()}, and those of the training built again "
            f"{anew[0].tolist()}; if the model was changed before it was trained, give prepare="
        )
