"""Ill runs whose record says anything of itself: rules read the configuration and the provenance.

A stranger's run.json holds what it likes. Of a healthy run next to nothing of it is read, so these
are the hand-made runs of which each shows one pathology.
"""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st

import gradlab
from gradlab import Run
from tests.fuzz.command_lines import trained
from tests.fuzz.records import judge, write
from tests.fuzz.tally import Tally
from tests.rules.wording import MADE

CONFIG = (
    "activation", "autocast", "batch_size", "clip", "criterion", "data", "dropout", "dtype",
    "epsilon", "framework", "gain", "init", "input_correlation", "input_rms", "iterations", "l1",
    "l2", "learning_rate", "loss", "norm", "objective", "optimizer", "parameters", "precision",
    "residual", "schedule", "seed", "seeds", "sizes", "target_mean", "target_rms", "weight_decay",
)  # fmt: skip
PROVENANCE = (
    "created", "data_fingerprint", "gradlab", "joined_until", "nonfinite_origin",
    "not_in_optimizer", "remarks", "replaced", "skipped_steps", "stale_gradients", "status",
    "thawed", "unheld", "way_to_nan",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2.5, -2.5, 1e-320, 1e200, -1e200, 1e308, 10**20, 10**300)
WORDS = (
    "", "x", "1e5", "nan", "norm:most=abc", "value:most=-1", "cosine:warmup=\u00b2",
    "adam:epsilon=x", "torch", "bfloat16", "relu", "moving", "\x1b[2J",
)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(WORDS)
KEYS = st.sampled_from(["name", "iteration", "operation", "count", "of", "rows", "key", "why"])
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


@functools.cache
def made(name: str) -> Run:
    """Return a hand-made run by its name, or one of the built-in engine."""
    return trained() if name == "trained" else MADE[name][1]()


NAMES = st.sampled_from([*MADE, "trained"])


@st.composite
def told(draw: st.DrawFn) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The name of a run, and what its configuration and provenance say instead."""
    config = st.dictionaries(st.sampled_from(CONFIG), VALUES, min_size=1, max_size=3)
    provenance = st.dictionaries(st.sampled_from(PROVENANCE), VALUES, max_size=2)
    return draw(NAMES), draw(config), draw(provenance)


def saying(run: Run, config: dict[str, Any], provenance: dict[str, Any]) -> Run:
    """Return a run that says something else of itself."""
    return Run(
        run.name,
        {**run.config, **config},
        {**run.provenance, **provenance},
        run.layers.astype(object).where(run.layers.notna(), None).to_dict("records"),
        run.replicates,
        run._source,
        blocks=run.blocks.to_dict("records"),
    )


def use(name: str, config: dict[str, Any], provenance: dict[str, Any], *, drawn: bool) -> None:
    """Judge such a run, and write its verdict in every form; draw it, too."""
    run = saying(made(name), config, provenance)
    if drawn:
        judge(run)
        return
    diagnosis = gradlab.diagnose(run)
    assert "crashed" not in diagnosis.statuses.values(), diagnosis.reasons
    write(run, diagnosis)


def attempt(given: tuple[str, dict[str, Any], dict[str, Any]], tally: Tally) -> None:
    """Use such a run; every tenth one is drawn, which takes longer."""
    drawn = tally.inputs % 10 == 0
    tally.attempt(repr(given), lambda: use(*given, drawn=drawn))
