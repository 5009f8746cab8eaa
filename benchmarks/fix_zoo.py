"""How many faulty members of the zoo `gradlab.adapters.torch.fix` cures.

python -m benchmarks.fix_zoo [--half tune|held-out] [--only PATTERN] [--json FILE] [--rest]

Curable is what tests/zoo/curable.py says, written before any member was fixed; that a net learns is
the member's own score. `--rest` fixes the others instead, of which none may be called cured. The
baseline trains once more at a tenth of the learning rate. Rows that the JSON file holds already are
not fixed again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from gradlab.adapters.torch import fix
from gradlab.adapters.torch.options import WatchOptions
from tests.zoo.curable import UNDONE_BY
from tests.zoo.member import Member
from tests.zoo.running import Unwatched, chosen

BUDGET = 8.0


def fixed(member: Member, budget: float) -> dict[str, Any]:
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
    return {
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
        "right": bool(winner and winner.score.value >= member.learned),
        "first": first.words if first else None,
        "first_score": _plain(first.score.value) if first else None,
        "first_right": bool(first and first.whole and first.score.value >= member.learned),
        "trials": [[trial.words, trial.share, trial.score.words] for trial in result.trials],
        "spent": result.spent,
        "seconds": seconds,
        "tenfold": tenth(member) >= member.learned,
    }


def tenth(member: Member) -> float:
    """Train once more at a tenth of the learning rate; return the score."""
    model, optimizer = member.make()
    for each in optimizer if isinstance(optimizer, (list, tuple)) else [optimizer]:
        for group in each.param_groups:
            group["lr"] = group["lr"] / 10
    try:
        member.train(model, optimizer, Unwatched())
        return float(member.score(model))
    except Exception:
        return -math.inf


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table in docs/fix.md."""
    able = [row for row in rows if row["curable"]]
    lines = [f"{len(rows)} faulty members, {len(able)} of them curable"]
    for key, words in (
        ("right", "cured by gradlab's winner"),
        ("first_right", "cured by gradlab's first remedy"),
        ("tenfold", "cured by a tenth of the learning rate"),
    ):
        count = sum(row[key] for row in able)
        lines.append(f"{words}: {count} of {len(able)} ({100 * count / max(1, len(able)):.0f} %)")
    wrong = [row["name"] for row in rows if row["cured"] and not row["right"]]
    lines.append(f"called cured and not: {len(wrong)} {wrong}")
    for key in ("spent", "seconds"):
        values = sorted(row[key] for row in rows)
        lines.append(f"{key}: median {values[len(values) // 2]:.3g}, most {values[-1]:.3g}")
    return lines


def main() -> None:
    """Fix the members that the command line names, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("tune", "held-out", "all"), default="tune")
    parser.add_argument("--only", default="*")
    parser.add_argument("--rest", action="store_true")
    parser.add_argument("--budget", type=float, default=BUDGET)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    if options.json is not None and options.json.exists():
        rows = json.loads(options.json.read_text())
    done = {row["name"] for row in rows}
    members = [
        member
        for member in chosen(options.half)
        if member.fault
        and member.name not in done
        and (member.name in UNDONE_BY) is not options.rest
        and any(fnmatchcase(member.name, pattern) for pattern in options.only.split(","))
    ]
    members.sort(key=lambda member: not member.fast)
    for member in members:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            row = fixed(member, options.budget)
        rows.append(row)
        mark = "right" if row["right"] else "WRONG" if row["cured"] else "no"
        print(
            f"{mark:6} {member.name:46.46} {row['before']} -> {row['score']} "
            f"({member.learned:g}) first {row['first']}: {row['first_score']}; "
            f"{row['headline']} {row['spent']:.3g} {row['seconds']:.0f} s",
            flush=True,
        )
        if options.json is not None:
            options.json.write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(summary(rows)))


if __name__ == "__main__":
    main()
