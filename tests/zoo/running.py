"""Trains members of the zoo under `watch` and says what gradlab makes of them.

python -m tests.zoo.running [--half tune|held-out|all] [--only PATTERN] [--runs FOLDER]
                            [--json FILE] [--bare]
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import time
import traceback
import warnings
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

import gradlab
from gradlab.adapters.torch import watch
from tests.zoo.member import Member, load


class Unwatched:
    """Stands where the recorder stands, and records nothing: for a training without gradlab."""

    def log(self, **_values: Any) -> None:
        """Do nothing."""


def bare_score(member: Member) -> float:
    """Train without gradlab and return the score."""
    model, optimizer = member.make()
    member.train(model, optimizer, Unwatched())
    return float(member.score(model))


def record(member: Member, folder: Path | None = None) -> tuple[gradlab.Run, float]:
    """Train under `watch`; return the record and the score."""
    model, optimizer = member.make()
    known = inspect.signature(watch).parameters
    options = {name: value for name, value in member.watch.items() if name in known}
    with watch(
        model, optimizer, out=folder, overwrite=True, name=member.name, **options
    ) as recorder:
        member.train(model, optimizer, recorder)
    return recorder.run, float(member.score(model))


def row(member: Member, diagnosis: gradlab.Diagnosis) -> dict[str, Any]:
    """Return what counts of a verdict, as plain data."""
    findings = diagnosis.findings
    names = [each for finding in findings[:1] for each in finding.layers]
    paths = [diagnosis.names[number - 1] if diagnosis.names else str(number) for number in names]
    return {
        "name": member.name,
        "held_out": member.held_out,
        "fault": member.fault,
        "root": [finding.rule for finding in findings],
        "severity": [finding.severity for finding in findings],
        "all": [[each.rule, each.severity] for each in diagnosis.every_finding],
        "first_layers": paths,
        "says": findings[0].message if findings else "",
    }


def judgement(member: Member, said: dict[str, Any]) -> str:
    """Return a word: "silent", "note", "warned" or "alarmed"; of a fault "root", "symptom", ..."""
    severities = [severity for _, severity in said["all"]]
    if member.healthy:
        if "error" in severities:
            return "alarmed"
        return "warned" if "warning" in severities else "note" if severities else "silent"
    codes = [code for code, severity in said["all"] if severity != "note"]
    if said["root"] and said["root"][0] in member.root:
        if member.where and not any(re.search(member.where, path) for path in said["first_layers"]):
            return "root, elsewhere"
        return "root"
    if set(codes) & {*member.root, *member.symptoms}:
        return "symptom"
    return "wrong" if codes else "silent"


def judge_all(
    half: str = "all",
    pattern: str = "*",
    *,
    folder: Path | None = None,
    written: Path | None = None,
    bare: bool = False,
) -> list[dict[str, Any]]:
    """Train members one after the other and return a row for each; a row is printed as it comes.

    Parameters
    ----------
    half : {"tune", "held-out", "all"}
    pattern : str
        Of names, as in file names.
    folder : path, optional
        Where to keep the records.
    written : path, optional
        A JSON file that holds the rows so far.
    bare : bool
        Whether to train without gradlab: the score alone.
    """
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for member in chosen(half, pattern):
        start = time.perf_counter()
        told = judge_one(member, folder, bare=bare)
        told.pop("run", None)
        seconds = time.perf_counter() - start
        rows.append(told)
        print(
            f"{told['judgement']:16s} {member.name:44s} {seconds:5.1f} s  "
            f"score {told.get('score', float('nan')):8.4g} (learned from {member.learned:g})  "
            f"{told.get('all', '')}",
            flush=True,
        )
        if written:
            written.write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def chosen(half: str = "all", pattern: str = "*") -> list[Member]:
    """Return the members of a half ("tune", "held-out", "all") whose libraries are here."""
    return [
        member
        for member in load()
        if half in ("all", "held-out" if member.held_out else "tune")
        and fnmatchcase(member.name, pattern)
        and not member.missing
    ]


def judge_one(member: Member, folder: Path | None = None, *, bare: bool = False) -> dict[str, Any]:
    """Train a member and return its row, with the Run under "run"; `bare`: the score alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if bare:
                score, told = bare_score(member), {"name": member.name}
            else:
                run, score = record(member, folder and folder / member.name)
                told = row(member, gradlab.diagnose(run)) | {"run": run}
        told |= {"score": score, "learned": score >= member.learned}
        return told | {"judgement": "" if bare else judgement(member, told)}
    except Exception as error:
        traceback.print_exc()
        stopped = f"{type(error).__name__}: {error}"[:300]
        return {
            "name": member.name,
            "held_out": member.held_out,
            "fault": member.fault,
            "stopped": stopped,
            "judgement": "stopped",
        }


def main() -> None:
    """Run the members that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("tune", "held-out", "all"), default="all")
    parser.add_argument("--only", default="*")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--bare", action="store_true")
    chosen = parser.parse_args()
    judge_all(chosen.half, chosen.only, folder=chosen.runs, written=chosen.json, bare=chosen.bare)


if __name__ == "__main__":
    main()
