"""GL105 disconnected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from gradlab.rules.base import ERROR, NOTE, WARNING, Finding, Hits, Rule, Window
from gradlab.rules.limits import Limit
from gradlab.rules.no_parameters import Unheld, no_parameters
from gradlab.rules.out_of_use import in_use, let_units_speak, listed, written
from gradlab.rules.remedies import Remedy
from gradlab.rules.unseen_cuts import UnseenCut, dispensable, named, unseen_cut
from gradlab.rules.windows import elapsed
from gradlab.rules.wording import number
from gradlab.rules.yardsticks import (
    column,
    harmed,
    learned,
    learns,
    objective,
)
from gradlab.run import Run

Array = np.ndarray


class Disconnected(Rule):
    """Disconnected (GL105).

    What it does
    ------------
    Names the parameters that ask for gradients and never get one, and those that no optimizer
    holds, be it from the start or once they are unfrozen or made anew. An error where nothing else
    moved either, or where the net does not learn and most of its weights are cut off; a note in a
    net that learns, where a head or an expert may be out of use on purpose, and where nothing but
    scales, biases or a library's pooler is cut off. A quarter of the weights is a warning even
    there, if data go through them and an optimizer holds them, which says that they ought to learn:
    what is called and cut off is a detach() or an argmax. Not where other code moves them, as the
    second net that follows a first one, nor where they run under no_grad alone, as a teacher. Where
    the targets move and no score is logged, a quarter is a warning: one of two may learn alone.

    In a net that does not learn it names a norm that lets nothing through, since it normalizes one
    number at a time (its bias gets a gradient, its scale none), weights whose gradient is 0 beside
    a signal that is not, a signal that ends between two layers, as at a round() or sign(), and
    weights that are frozen on the way. Where next to nothing was learned, weight matrices that are
    all frozen, and parameters whose optimizer never makes a step. And weights that are none of the
    model's parameters, as layers in a plain list: a note where the net learns all the same.

    Why it is bad
    -------------
    The loss does not depend on these parameters, or nobody updates them. A fine-tuning may run for
    days in this way and change nothing: adapters behind reentrant checkpointing, a detached answer,
    a new head that was made after the optimizer.

    Example
    -------
    `loss = criterion(model(x).detach(), y)`; `optimizer = SGD(model.parameters())` before `model.fc
    = nn.Linear(...)`; `self.layers = [nn.Linear(...), ...]`.

    What to try
    -----------
    Look for detach(), no_grad(), .item(), or a module that is not called; make the optimizer when
    the model is complete; nn.ModuleList instead of a list; `use_reentrant=False` in checkpointing.
    Look at the condition of a loop that freezes; give a norm more than one number.

    References
    ----------
    microsoft/LoRA issue 120; PyTorch documentation, torch.utils.checkpoint.
    """

    code = "GL105"
    name = "disconnected"
    summary = "parameters that ought to learn get no gradient at all, or are in no optimizer"
    parameters: ClassVar[str] = "all"
    explains = (
        "GL101",
        "GL106",
        "GL107",
        "GL301",
        "GL302",
        "GL305",
        "GL306",
        "GL309",
        "GL312",
        "GL402",
    )
    limits: ClassVar[Mapping[str, Limit]] = {
        "least": Limit(5, "iterations", "a branch may be out of use in a few batches"),
        "most": Limit(0.5, "of the trainable weights", "what a net cannot do without"),
        "part": Limit(
            0.25,
            "of the trainable weights",
            "where the targets move and no score tells: heads and pairs out of use hold .12 at "
            "most, one of two nets half",
        ),
        "few": Limit(
            0.01,
            "of the trainable weights",
            "a bias, a scale, a token that is not in use: nets that do not fail spare them",
        ),
    }

    def missing(self, run: Run) -> str | None:
        """A net whose gradients are all there lacks nothing."""
        return None

    def judge(self, run: Run) -> Finding | None:
        """Judge the whole run: no gradient at any iteration, or in no optimizer."""
        if run.iterations < self.limit("least"):
            return None
        outside = _in_no_optimizer(run)
        cut = _without_gradient(run) & ~outside
        for mask, finding in ((cut, self._cut), (outside, self._left_out)):
            if mask.any() and not dispensable(run, mask):
                return finding(run, mask)
        unheld = no_parameters(run)
        if unheld is not None and unheld.severity != NOTE:
            return self._unheld(run, unheld)
        found = self._told(run, unseen_cut(run))
        if found is None and (cut | outside).any():
            found = (self._cut if cut.any() else self._left_out)(run, cut if cut.any() else outside)
        return self._unheld(run, unheld) if found is None and unheld is not None else found

    def _unheld(self, run: Run, unheld: Unheld) -> Finding:
        """Word what is no parameter at all, and so stands in no row."""
        return self.finding(
            Hits.of_seeds([True] * run.replicates),
            Window(0, run.iterations),
            layers=(),
            value=unheld.share,
            limit=float(self.limit("few")),
            severity=unheld.severity,
            message=unheld.message,
            remedies=(unheld.remedy,),
            columns=("grad_norm", "update_norm"),
            confidence="high",
            evidence=unheld.evidence,
        )

    def _told(self, run: Run, cut: UnseenCut | None) -> Finding | None:
        """Word what gradients that are there, or weights that stand still, tell of a cut."""
        if cut is None:
            return None
        found = self._finding(run, cut.mask, cut.message, cut.evidence, (cut.remedy,))
        return replace(found, severity=cut.severity, confidence=cut.confidence)

    def _cut(self, run: Run, mask: Array) -> Finding:
        subject = self._subject(run, mask)
        words = (
            f"No gradient {_in_time(run)} {subject}, though an optimizer holds them: the loss does "
            "not depend on them."
        )
        evidence = "no gradient was there at any step"
        first = (
            "see that the module is called, and that no detach(), no_grad() or .item() stands "
            "behind its answer"
        )
        silent = let_units_speak(run, mask)
        return self._finding(
            run,
            mask,
            words,
            evidence,
            (
                *silent,
                Remedy("reconnect", first, {"layers": _names(run, mask)}, evidence),
                Remedy(
                    "use non-reentrant checkpointing",
                    "with checkpointing of a frozen model, pass use_reentrant=False (or call "
                    "enable_input_require_grads)",
                    {"use_reentrant": False},
                    evidence,
                ),
            ),
        )

    def _left_out(self, run: Run, mask: Array) -> Finding:
        thawed = listed(run, "thawed")[mask].all()
        since = " since they were unfrozen in the training, and do not move." if thawed else ""
        if listed(run, "replaced")[mask].all():
            since = " since they were made anew in the training: it moves the old ones."
        words = (
            f"No optimizer holds {self._subject(run, mask)}, though they ask for gradients"
            f"{since or ': they do not move.'}"
        )
        evidence = "the optimizer's groups do not hold them"
        return self._finding(
            run,
            mask,
            words,
            evidence,
            (
                Remedy(
                    "add to optimizer",
                    "make the optimizer of model.parameters() once the last layer is in place, or "
                    "add a group: optimizer.add_param_group({'params': ...})",
                    {"layers": _names(run, mask)},
                    evidence,
                ),
                Remedy(
                    "freeze",
                    "if they are frozen on purpose, say so: requires_grad_(False)",
                    {"layers": _names(run, mask)},
                    evidence,
                ),
            ),
        )

    def _subject(self, run: Run, mask: Array) -> str:
        share = number(100 * _share(run, mask))
        return f"{named(_names(run, mask))} ({share} % of the trainable weights)"

    def _finding(
        self, run: Run, mask: Array, words: str, evidence: str, remedies: tuple[Remedy, ...]
    ) -> Finding:
        hits = Hits(np.broadcast_to(mask, run.shape[1:]))
        return self.finding(
            hits,
            Window(0, run.iterations),
            layers=tuple(int(row) + 1 for row in np.flatnonzero(mask)),
            value=_share(run, mask),
            limit=float(self.limit("most")),
            severity=self._severity(run, mask),
            message=words,
            remedies=remedies,
            columns=("grad_norm", "update_norm"),
            confidence="high",
            evidence=evidence,
        )

    def _severity(self, run: Run, mask: Array) -> str:
        if not _moved(run, ~mask):
            return ERROR
        spared = _share(run, mask) < self.limit("few") and not harmed(run).any()
        if dispensable(run, mask):
            return NOTE
        if objective(run) == "moving" and column(run, "score") is None:
            # Its loss tells nothing of what is cut off: one of two nets may learn alone.
            apart = mask & ~written(run)  # what follows another net learns by it
            return WARNING if _share(run, apart) >= self.limit("part") else NOTE
        if learned(run).all() or spared:
            cut = in_use(run, mask & ~_in_no_optimizer(run))
            return WARNING if _share(run, cut) >= self.limit("part") else NOTE
        most = _share(run, mask) >= self.limit("most")
        return ERROR if most and 2 * harmed(run).sum() >= run.replicates else WARNING


def _in_time(run: Run) -> str:
    iterations = elapsed(run, run.iterations)
    return "reached" if iterations == 1 else f"in {iterations} iterations ever reached"


def _in_no_optimizer(run: Run) -> Array:
    facts = "not_in_optimizer", "thawed", "replaced"
    return np.any([listed(run, fact) for fact in facts], axis=0)


def _without_gradient(run: Run) -> Array:
    """Which parameters an optimizer holds, never moved, and never had a gradient (L,)."""
    if "update_norm" not in run:
        return np.zeros(run.shape[2], bool)
    norm = np.where(run.recorded("update_norm"), run["update_norm"], np.nan)
    stood = np.nanmax(norm, axis=(0, 1), initial=-1) == 0
    never = ~run.recorded("grad_norm").any(axis=(0, 1))
    # In a net that does not learn a gradient of 0 has causes of its own, as dead units.
    return (stood & never) | (_always_zero(run) & learns(run).all())


def _always_zero(run: Run) -> Array:
    """Which matrices got a gradient of exactly 0 at every step: something makes it 0 (L,).

    All of them, where vectors get one: what is trained is then the norms and biases alone.
    """
    gradient = np.where(run.recorded("grad_norm"), run["grad_norm"], np.nan)
    largest = np.nanmax(gradient, axis=(0, 1), initial=-1)
    matrices = run.layer("kind") != "vector"
    zero = (largest == 0) & matrices
    return zero & bool((largest[~zero] > 0).any())


def _moved(run: Run, mask: Array) -> bool:
    """Whether any of these parameters was ever updated."""
    if "update_norm" not in run or not mask.any():
        return False
    norm = np.where(run.recorded("update_norm"), run["update_norm"], 0.0)[:, :, mask]
    return bool((np.nan_to_num(norm, nan=1.0) > 0).any())


def _share(run: Run, mask: Array) -> float:
    """Return the share of the trainable numbers that these parameters hold."""
    sizes = np.nan_to_num(run.layer("parameters"), nan=1.0)
    return float(sizes[mask].sum() / max(sizes.sum(), 1.0))


def _names(run: Run, mask: Array) -> list[str]:
    return [str(name) for name in run.layer("name")[mask]]
