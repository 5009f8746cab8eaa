"""Does a verdict change where nothing of the training does? python -m benchmarks.invariances
[--only PATTERN] [--runs FOLDER] [--retrain]

Over the zoo of library models (tests/zoo), or over records of it that lie in FOLDER: a constant is
added to the logged loss; with --retrain each member is also trained with its layers measured at
every 5th iteration instead of every 10th. Root causes, severities and layers must stay. The short
form, with all other invariances, runs on small models in tests/invariances.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

import gradlab
from tests.zoo import running
from tests.zoo.member import Member

CONSTANTS = (-1000.0, -3.0, 0.7, 1000.0)
CADENCE = 5


def verdict(run: gradlab.Run) -> tuple[Any, ...]:
    """Return what must stay: code, severity and layers of each root that is no note."""
    roots = gradlab.diagnose(run).faults
    return tuple(sorted((root.rule, root.severity, root.layers) for root in roots))


def relogged(folder: Path, constant: float, into: Path) -> gradlab.Run:
    """Return the record of a user who logs the loss with a constant added to it."""
    gradlab.load(folder).save(into)  # closed, whatever ended it
    table = pq.read_table(into / "steps.parquet")
    place = table.column_names.index("loss")
    shifted = pc.add(table.column("loss"), pa.scalar(constant, table.schema.field("loss").type))
    pq.write_table(
        table.set_column(place, table.schema.field("loss"), shifted), into / "steps.parquet"
    )
    return gradlab.load(into)


def compare(member: Member, folder: Path, *, retrain: bool) -> dict[str, bool]:
    """Return invariance -> whether the verdict stayed, of one member's record."""
    usual = gradlab.load(folder)
    if not usual.iterations:
        return {}
    expected, stayed = verdict(usual), {}
    with tempfile.TemporaryDirectory() as place:
        for number, constant in enumerate(CONSTANTS):
            changed = relogged(folder, constant, Path(place) / str(number))
            stayed[f"loss + {constant:g}"] = verdict(changed) == expected
        if retrain:
            often = replace(member, watch={**member.watch, "every": CADENCE})
            run, _ = running.record(often, Path(place) / "often")
            stayed[f"every {CADENCE}th iteration"] = verdict(run) == expected
    return stayed


def main() -> None:
    """Compare the members that the command line names, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of names, as of files")
    parser.add_argument("--runs", type=Path, help="where records lie, or are to be kept")
    parser.add_argument("--retrain", action="store_true", help="train with another cadence too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    held, seen = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        runs = options.runs or Path(place)
        for member in running.chosen("all", options.only):
            folder = runs / member.name
            if not (folder / "run.json").exists():
                if options.runs and not options.retrain:
                    continue
                running.record(member, folder)
            stayed = compare(member, folder, retrain=options.retrain)
            seen.update(stayed.keys())
            held.update(name for name, same in stayed.items() if same)
            if not all(stayed.values()):
                broken = [name for name, same in stayed.items() if not same]
                print(f"{member.name}: changes with {', '.join(broken)}", flush=True)
    print("\n| changed | verdict stays |\n|---|---|")
    for name, count in seen.items():
        print(f"| {name} | {held[name]} of {count} |")


if __name__ == "__main__":
    main()
