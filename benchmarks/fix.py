"""How many faulty trainings `gradlab.fix` cures, against two blind ways to search.

python -m benchmarks.fix [--half tune|held-out] [--only PATTERN] [--json FILE]

Baselines: the learning rate a tenth ("tenfold"), and as many random changes as gradlab tried, drawn
from the usual ranges of rate, optimizer, initializer, activation, norm and clipping ("random").
What counts is the held-out score of tests/corpus/curable.py, which asks no rule.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
import zlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

import gradlab
from benchmarks.fixing import each_once, summary
from gradlab.datasets import Data
from gradlab.fixes.setup import Setup
from tests.corpus import curable
from tests.corpus.corpus import Case, Tampering, load, plant_in_model

SEEDS = 3
LEAST_SKILL = -9.0  # of a net that answers NaN, or worse than any number
HALVES = {"tune": ("tune",), "held-out": ("test", "fresh")}
RANDOM = {
    "optimizer": ("sgd", "momentum", "adam", "rmsprop"),
    "learning_rate": (1e-4, 1.0),
    "init": ("he_normal", "glorot_normal", "orthogonal", "lecun_normal"),
    "activation": ("relu", "leaky_relu", "tanh", "gelu", "elu"),
    "norm": (None, None, "layer", "batch"),
    "clip": (None, None, "norm:most=1"),
}


def labelled(cases: list[Case], file: Path | None) -> list[dict[str, Any]]:
    """Return the label of each faulty case, before anything is fixed.

    With the scores of the faulty training and of its counterfactual. Labels that the file holds are
    kept.
    """
    rows = json.loads(file.read_text()) if file is not None and file.exists() else []
    done = {row["name"] for row in rows}
    for case in cases:
        if case.name in done:
            continue
        data = curable.data_of(case)
        _, model = curable.train_once(case, data, SEEDS)
        row: dict[str, Any] = {"name": case.name, "fault": case.fault, "split": case.split}
        row["before"] = max(curable.skill(model, data), LEAST_SKILL)
        reached = max(map(_skill, curable.undone(case)), default=-math.inf)
        row["counterfactual"] = reached if math.isfinite(reached) else None
        wanted = max(curable.LEARNED, curable.AS_WELL * reached)
        row["wanted"] = wanted
        row["curable"] = bool(reached >= curable.LEARNED and row["before"] < wanted)
        rows.append(row)
        if file is not None:
            file.write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def _skill(case: Case) -> float:
    data = curable.data_of(case)
    _, model = curable.train_once(case, data, SEEDS)
    return curable.skill(model, data)


def fixed(case: Case, label: dict[str, Any], budget: float, baselines: bool) -> dict[str, Any]:
    """Fix one case; return what came of it, and of the baselines where they are asked for."""
    data = curable.data_of(case)
    run, _ = curable.train_once(case, data, SEEDS)
    kept: list[Any] = []

    def train(model, given, **options):
        kept.append((model, given))
        with Tampering(case, model):
            return gradlab.train(model, given, **options)

    start = time.perf_counter()
    scores: list[float] = []

    def note(_trial) -> None:
        scores.append(curable.skill(*kept[-1]) if kept else -math.inf)

    def prepare(model) -> None:
        plant_in_model(case, model)

    result = gradlab.fix(run, data, budget=budget, prepare=prepare, train=train, on_trial=note)
    seconds = time.perf_counter() - start
    wanted = label["wanted"]
    first = scores[0] if scores else -math.inf
    won = -math.inf if result.winner is None else scores[result.trials.index(result.winner)]
    setup = Setup.of(run)
    tries = max(1, round(result.spent))
    return (
        label
        | {
            "verdict": result.before.verdict,
            "headline": result.headline,
            "cured": result.cured,
            "winner": None if result.winner is None else result.winner.words,
            "score": won,
            "right": bool(result.cured and won >= wanted),
            "first": result.trials[0].words if result.trials else None,
            "first_score": first,
            "first_right": bool(result.trials and result.trials[0].whole and first >= wanted),
            "called_wrongly": bool(result.cured and won < min(wanted, curable.LEARNED)),
            "trials": len(result.trials),
            "spent": result.spent,
            "seconds": seconds,
        }
        | (_baselines(case, data, setup, tries, wanted) if baselines else {})
    )


def _baselines(case: Case, data: Data, setup: Setup, tries: int, wanted: float) -> dict[str, bool]:
    return {
        "tenfold": _other(case, data, _tenth(setup)) >= wanted,
        "random": _random(case, data, setup, tries) >= wanted,
    }


def _tenth(setup: Setup) -> Setup:
    return setup.training(learning_rate=setup.options.learning_rate / 10)


def _random(case: Case, data: Data, setup: Setup, tries: int) -> float:
    """Return the best score of as many random changes, the planted start kept."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    best = -math.inf
    for _ in range(tries):
        drawn = {key: values[rng.integers(len(values))] for key, values in RANDOM.items()}
        low, high = RANDOM["learning_rate"]
        rate = math.exp(rng.uniform(math.log(low), math.log(high)))
        changed = dataclasses.replace(
            setup, init=drawn["init"], activation=drawn["activation"], norm=drawn["norm"], gain=1.0
        ).training(optimizer=drawn["optimizer"], learning_rate=rate, clip=drawn["clip"])
        best = max(best, _other(case, data, changed))
    return best


def _other(case: Case, data: Data, setup: Setup) -> float:
    model = setup.model()
    plant_in_model(case, model)
    with Tampering(case, model), np.errstate(all="ignore"):
        gradlab.train(model, data, **dataclasses.asdict(setup.options))
    return curable.skill(model, data)


def main() -> None:
    """Label the cases of a half, fix them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=tuple(HALVES), default="tune")
    parser.add_argument("--only", default="*")
    parser.add_argument("--every", type=int, default=1, help="fix every Nth case")
    parser.add_argument("--baselines", action="store_true", help="try the blind searches, too")
    parser.add_argument("--budget", type=float, default=12.0)
    parser.add_argument("--labels", type=Path, help="a JSON file of labels; made if it is missing")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cases = [
        case
        for case in load()
        if case.fault
        and case.split in HALVES[options.half]
        and fnmatchcase(case.name, options.only)
    ][:: options.every]
    labels = labelled(cases, options.labels)
    cases.sort(key=lambda case: case.depth * case.training["iterations"])  # the short ones first
    by_name = {row["name"]: row for row in labels}
    rows = each_once(
        cases,
        lambda case: fixed(case, by_name[case.name], options.budget, options.baselines),
        options.json,
    )
    print("\n".join(summary(rows)))


if __name__ == "__main__":
    main()
