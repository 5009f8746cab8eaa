"""How many faulty members of the zoo `gradlab.adapters.torch.fix` cures.

python -m benchmarks.fix_zoo [--half tune|held-out] [--only PATTERN] [--json FILE] [--rest]

Curable is what tests/zoo/curable.py says, written before any member was fixed; that a net learns is
the member's own score. `--rest` fixes the others instead, of which none may be called cured. Rows
that the JSON file holds already are not fixed again. Baselines: the learning rate a tenth
("tenfold"), and as many random changes as gradlab tried, drawn from the usual ranges of rate,
start, weight decay and clipping ("random").
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
import zlib
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.fixing import each_once, summary
from gradlab.adapters.torch import fix
from gradlab.adapters.torch.options import WatchOptions
from tests.zoo.curable import UNDONE_BY
from tests.zoo.member import Member
from tests.zoo.running import Unwatched, chosen

BUDGET = 8.0
RATE = -3.0, 3.0  # powers of ten, times the member's own rate
RANDOM = {
    "init": (None, None, nn.init.kaiming_normal_, nn.init.xavier_normal_, nn.init.orthogonal_),
    "weight_decay": (0.0, 1e-4, 1e-2),
    "clip": (False, True),
}


def fixed(member: Member, budget: float, baselines: bool) -> dict[str, Any]:
    """Fix one member; return what came of it."""
    known = {each.name for each in fields(WatchOptions)}
    options = {name: value for name, value in member.watch.items() if name in known}
    start = time.perf_counter()
    result = fix(
        member.make,
        member.train,
        score=member.score,
        learned=member.learned,
        budget=budget,
        **options,
    )
    seconds = time.perf_counter() - start
    first, winner = result.first, result.winner
    right = bool(winner and winner.score.value >= member.learned)
    row = {
        "name": member.name,
        "fault": member.fault,
        "held_out": member.held_out,
        "undone_by": UNDONE_BY.get(member.name),
        "curable": member.name in UNDONE_BY and not member.harmless,
        "verdict": result.before.verdict,
        "before": _plain(result.before.score.value),
        "learned": member.learned,
        "headline": result.headline,
        "cured": result.cured,
        "winner": winner.words if winner else None,
        "actions": [each.remedy.action for each in winner.changes] if winner else [],
        "score": _plain(winner.score.value) if winner else None,
        "right": right,
        "called_wrongly": result.cured and not right,
        "first": first.words if first else None,
        "first_score": _plain(first.score.value) if first else None,
        "first_right": bool(first and first.whole and first.score.value >= member.learned),
        "trials": [[trial.words, trial.share, trial.score.words] for trial in result.trials],
        "spent": result.spent,
        "seconds": seconds,
    }
    if baselines:
        row["tenfold"] = _other(member, {"rate": 0.1}) >= member.learned
        row["random"] = _random(member, max(1, round(result.spent))) >= member.learned
    return row


def _random(member: Member, tries: int) -> float:
    """Return the best score of as many random changes."""
    rng = np.random.default_rng(zlib.crc32(member.name.encode()))
    best = -math.inf
    for _ in range(tries):
        drawn = {key: values[rng.integers(len(values))] for key, values in RANDOM.items()}
        best = max(best, _other(member, drawn | {"rate": 10 ** rng.uniform(*RATE)}))
    return best


def _other(member: Member, change: dict[str, Any]) -> float:
    """Train once more with a change that asks nothing; return the score."""
    model, made = member.make()
    optimizers = made if isinstance(made, (list, tuple)) else [made]
    handles = []
    if change.get("init") is not None:
        for parameter in model.parameters():
            if parameter.ndim >= 2 and parameter.requires_grad:
                change["init"](parameter)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * change["rate"]
            if "weight_decay" in change and "weight_decay" in group:
                group["weight_decay"] = change["weight_decay"]
        if change.get("clip"):
            handles.append(optimizer.register_step_pre_hook(_clip))
    try:
        member.train(model, made, Unwatched())
        return float(member.score(model))
    except Exception:
        return -math.inf
    finally:
        for handle in handles:
            handle.remove()


def _clip(optimizer: torch.optim.Optimizer, arguments: Any, keywords: Any) -> None:
    nn.utils.clip_grad_norm_(
        [each for group in optimizer.param_groups for each in group["params"]], 1.0
    )


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def main() -> None:
    """Fix the members that the command line names, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("tune", "held-out", "all"), default="tune")
    parser.add_argument("--only", default="*")
    parser.add_argument("--rest", action="store_true")
    parser.add_argument("--baselines", action="store_true", help="try the blind searches, too")
    parser.add_argument("--budget", type=float, default=BUDGET)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    members = [
        member
        for member in chosen(options.half)
        if member.fault
        and (member.name in UNDONE_BY) is not options.rest
        and any(fnmatchcase(member.name, pattern) for pattern in options.only.split(","))
    ]
    members.sort(key=lambda member: not member.fast)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = each_once(
            members,
            lambda member: fixed(member, options.budget, options.baselines),
            options.json,
        )
    print("\n".join(summary(rows)))


if __name__ == "__main__":
    main()
