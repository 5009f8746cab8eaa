"""`fix`: what users call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import nn

from gradlab.adapters.torch.cures.bench import Make, TorchBench, Train
from gradlab.adapters.torch.options import WatchOptions
from gradlab.errors import ArgumentError, suggest
from gradlab.fixes.result import Fix
from gradlab.fixes.search import Search
from gradlab.fixes.trial import Trial

BUDGET, SECONDS = 12.0, 1800.0


def fix(
    make: Make,
    train: Train,
    *,
    score: Callable[[nn.Module], Any] | None = None,
    learned: float | None = None,
    budget: float = BUDGET,
    seconds: float = SECONDS,
    on_trial: Callable[[Trial], None] | None = None,
    **watched: Any,
) -> Fix:
    """Try what the verdict on a PyTorch training proposes; return the smallest change that cures.

    The training is run once as it is, and judged. Remedies that can be carried out on a live model
    and its optimizers are tried, alone and then in pairs; those that need your own code are shown.
    Before each trial, the generators of PyTorch, NumPy and Python are put back, and those that your
    functions hold, so that trials differ by the change alone. Ctrl-C keeps what was found.

    Parameters
    ----------
    make : callable
        () -> (model, optimizer): builds both anew, the optimizer one or a list of them.
    train : callable
        (model, optimizer, recorder) -> None: a short training; it calls `recorder.log(loss=loss)`
        in each iteration.
    score : callable, optional
        (model) -> float on held-out data, higher is better. Without one the training's loss
        decides, against what the best constant prediction loses.
    learned : float, optional
        The score from which the model counts as having learned; without one, a cure has to have a
        better score than before, and a loss that says it learned.
    budget : float
        How many whole trainings may be run after the first; a shorter one counts as a part.
    seconds : float
        How long the search may take.
    on_trial : callable, optional
        Called with each Trial as it ends.
    **watched
        Options of `gradlab.adapters.torch.watch`, such as `objective`.

    Returns
    -------
    gradlab.fixes.Fix
        Its `lines` are the lines to change in your code.

    Raises
    ------
    ArgumentError
        `make` returns something else, the same model twice, or another model each time; `budget` or
        `seconds` is not above 0; an option that `watch` does not have.
    """
    for name, value in (("budget", budget), ("seconds", seconds)):
        if not (isinstance(value, (int, float)) and 0 < value < math.inf):
            raise ArgumentError(f"{name}={value!r} must be a number above 0")
    known = [each.name for each in fields(WatchOptions)]
    for name in watched:
        if name not in known:
            raise ArgumentError(f"watch has no option {name!r}; {suggest(name, known)}")
    start = time.perf_counter()
    bench = TorchBench(make, train, score, learned, watched)
    before = bench.train((), 1.0)
    search = Search(bench, before, budget, seconds, on_trial)
    winner = search.run()
    lines = [] if winner is None else [change.line for change in winner.changes]
    return Fix(
        name=before.run.name if before.run is not None else "training",
        before=before,
        trials=tuple(search.trials),
        winner=winner,
        code="\n".join(lines),
        shown=bench.shown(before),
        spent=search.spent,
        budget=budget,
        seconds=time.perf_counter() - start,
        stopped=search.stopped,
    )
