"""`TorchBench`: trains a PyTorch model with changes; what the search asks."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.adapters.torch.cures.actions import ACTIONS, options_for
from gradlab.adapters.torch.cures.around import Enough, Stage
from gradlab.adapters.torch.cures.beginning import Beginning
from gradlab.adapters.torch.optimizers import innermost
from gradlab.adapters.torch.options import WatchOptions
from gradlab.adapters.torch.watcher import Watch
from gradlab.diagnosis import diagnose, outcome
from gradlab.errors import ArgumentError
from gradlab.fixes.trial import NO_SCORE, Change, Score, Trial
from gradlab.fixes.verdicts import proposed
from gradlab.rules import Remedy
from gradlab.rules.yardsticks import LEARNED, outcomes
from gradlab.run import Run

Make = Callable[[], tuple[nn.Module, Any]]
Train = Callable[[nn.Module, Any, Any], Any]

Optimizer = torch.optim.Optimizer

LEAST = 20  # steps of a short training


class TorchBench:
    """Builds, changes, trains, scores; everything random starts as it was for the first trial."""

    def __init__(
        self,
        make: Make,
        train: Train,
        score: Callable[[nn.Module], Any] | None,
        learned: float | None,
        watched: Mapping[str, Any],
    ):
        self._make = make
        self._train = train
        self._score = score
        self._learned = learned
        self._watched = dict(watched)
        self._beginning = Beginning([make, train] if score is None else [make, train, score])
        self._steps = 0  # of the whole training; known when it has run once
        self._first: dict[str, str] = {}
        self._last_model: nn.Module | None = None
        self._score_before = -math.inf

    def candidates(self, trial: Trial) -> list[Change]:
        """Return the changes that the verdict on a trial proposes, best first, each once."""
        if trial.run is None:
            return []
        done = {change.words for change in trial.changes}
        found: dict[str, Change] = {}
        for remedy in proposed(trial.diagnosis):
            for words, line, apply in options_for(remedy, trial.run):
                if words not in done:
                    found.setdefault(words, Change(words, remedy, line, apply))
        return list(found.values())

    def shown(self, trial: Trial) -> tuple[Remedy, ...]:
        """Return the remedies that need the user's own code."""
        return tuple(each for each in proposed(trial.diagnosis) if each.action not in ACTIONS)

    def train(self, changes: tuple[Change, ...], share: float) -> Trial:
        """Train with these changes for a share of the steps."""
        start = time.perf_counter()
        steps = max(min(LEAST, self._steps), round(self._steps * share))
        self._beginning.restore()
        model, optimizers, given = self._made(first=not changes)
        with ExitStack() as stack:
            stage = Stage(model, optimizers, stack)
            try:
                with torch.random.fork_rng():
                    for change in changes:
                        change.apply(stage)
                if changes and share < 1:
                    stage.stop_after(steps)
                run = self._watch(model, optimizers, given)
            except Exception as error:
                if not changes:
                    raise
                seconds = time.perf_counter() - start
                problem = f"{type(error).__name__}: {error}"[:200]
                return Trial(changes, share, steps, NO_SCORE, seconds, problem=problem)
            score = self._scored(model, run)
        if not changes:
            self._steps = run.iterations
            self._score_before = score.rank
        seconds = time.perf_counter() - start
        diagnosis = diagnose(run)
        return Trial(changes, share, run.iterations, score, seconds, run, diagnosis)

    def _made(self, *, first: bool) -> tuple[nn.Module, list[Any], Any]:
        """Build model and optimizers, and check that they are new and always the same."""
        made = self._make()
        pair = isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module)
        model, given = made if pair else (nn.Identity(), None)
        optimizers = [
            innermost(each) for each in (given if isinstance(given, (list, tuple)) else [given])
        ]
        if not optimizers or not all(isinstance(each, Optimizer) for each in optimizers):
            raise ArgumentError(
                "make() must return (model, optimizer), the model a torch.nn.Module, the optimizer "
                "one or a list of them"
            )
        if model is self._last_model:
            raise ArgumentError(
                "make() returned the same model twice; build model and optimizer anew inside it"
            )
        self._last_model = model
        digests = _digests(model)
        if first:
            self._first = digests
        elif digests != self._first:
            other = next(
                name
                for name in (*digests, *self._first)
                if digests.get(name) != self._first.get(name)
            )
            raise ArgumentError(
                f"make() built another model although all generators were put back: {other} "
                "differs; draw its weights from a seed inside make()"
            )
        return model, optimizers, given

    def _watch(self, model: nn.Module, optimizers: Sequence[Any], given: Any) -> Run:
        options = WatchOptions(**self._watched)
        with Watch(model, optimizers, options) as recorder, suppress(Enough):
            self._train(model, given, recorder)
        return recorder.run

    def _scored(self, model: nn.Module, run: Run) -> Score:
        """Score by the user's function; without one, by what the loss says."""
        learns = outcome(run) == LEARNED
        if self._score is not None:
            with torch.no_grad():
                value = float(self._score(model))
            if self._learned is not None:
                enough = value >= self._learned
                return Score(value, enough, enough, f"{value:.3g}")
            better = math.isfinite(value) and value > self._score_before
            return Score(value, learns and better, False, f"{value:.3g}")
        state = outcomes(run)[0]
        known = math.isfinite(state.share)
        value = 1 - state.share if known else state.progress
        words = f"loss {state.share:.2g} of guessing's" if known else state.evidence
        return Score(value, learns, learns and known and state.share < 0.2, words)


def _digests(model: nn.Module) -> dict[str, str]:
    """Return a digest of each parameter and buffer."""
    return {
        name: hashlib.sha256(_bytes(value)).hexdigest()
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor) and not nn.parameter.is_lazy(value)
    }


def _bytes(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous().view(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
