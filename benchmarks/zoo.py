"""How right are the verdicts on library models? python -m benchmarks.zoo [--half tune|held-out|all]
[--only PATTERN] [--peers] [--json FILE]

Trains the zoo (tests/zoo), diagnoses every run, and prints the table of
docs/how-truth-is-measured.md. With --peers each run is also judged by the published rules of
AutoTrainer, DeepDiagnosis and SageMaker Debugger, and trained once more under torchmortem, where
that is installed (pip install torchmortem).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gradlab
from benchmarks.published_rules import PEERS
from tests.zoo import figures, running
from tests.zoo.member import Member, load

# torchmortem's titles, by the nearest rule of gradlab. What has none (noise of the gradient, rank,
# edge of stability, weight norms that stand or differ) is an alarm, and names no root.
TITLES = {
    "Vanishing gradients": "GL101",
    "Exploding gradients": "GL102",
    "Gradient stalling": "GL302",
    "Dead units": "GL201",
    "Activation saturation": "GL202",
    "Training divergence": "GL303",
    "Loss plateau": "GL402",
    "Update ratio too low": "GL302",
    "Update ratio too high": "GL304",
    "Weight norm explosion": "GL304",
}


class _Told:
    """Stands where gradlab's recorder stands, and tells torchmortem each loss."""

    def __init__(self, autopsy: Any):
        self._autopsy = autopsy

    def log(self, *, loss: Any = None, **_others: Any) -> None:
        if loss is not None:
            self._autopsy.step(loss=float(loss))


def by_torchmortem(member: Member) -> dict[str, list[str]]:
    """Train a member under torchmortem; return codes by severity, "other" where none fits."""
    from torchmortem import Autopsy

    model, optimizer = member.make()
    first = optimizer[0] if isinstance(optimizer, (list, tuple)) else optimizer
    autopsy = Autopsy(model, optimizer=first)
    with autopsy:
        member.train(model, optimizer, _Told(autopsy))
    said: dict[str, list[str]] = {}
    for finding in autopsy.get_report().findings:
        code = next((code for words, code in TITLES.items() if words in finding.title), "other")
        said.setdefault(finding.severity.name.lower(), []).append(code)
    return {severity: sorted(set(codes)) for severity, codes in said.items()}


def by_published_rules(run: gradlab.Run) -> dict[str, list[str]]:
    """Return peer -> the codes of its rules that fire on the matrices of a run."""
    matrices = run.matrices
    said = {}
    for name, rules in PEERS.items():
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said[name] = sorted(rules(matrices)) if run.iterations else []
    return said


def judge(member: Member, *, peers: bool, folder: Path | None = None) -> dict[str, Any]:
    """Return gradlab's row for a member, with what the peers say of it."""
    told = running.judge_one(member, folder)
    run = told.pop("run", None)
    if not peers or run is None:
        return told
    told["peers"] = by_published_rules(run)
    if importlib.util.find_spec("torchmortem"):
        try:
            told["torchmortem"] = by_torchmortem(member)
        except Exception as error:
            told["torchmortem"] = {"stopped": [f"{type(error).__name__}: {error}"[:200]]}
    return told


def peers_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Write what each peer notices, whom it alarms, and how often it names the root."""
    rows = [row for row in rows if "peers" in row]
    roots = {member.name: set(member.root) for member in load()}
    lines = [
        "| | healthy with an alarm | faulty noticed | right root among what it names | trainings "
        "it stopped |",
        "|---|---|---|---|---|",
    ]
    for name, alarms in _alarms(rows).items():
        healthy = [row for row in alarms if not row[0]["fault"]]
        faulty = [row for row in alarms if row[0]["fault"]]
        named = sum(bool(roots[row["name"]] & set(codes)) for row, codes in faulty)
        lines.append(
            f"| {name} | {sum(bool(codes) for _, codes in healthy)} of {len(healthy)} "
            f"| {sum(bool(codes) for _, codes in faulty)} of {len(faulty)} "
            f"| {named} of {len(faulty)} | {_stopped(name, rows)} |"
        )
    return "\n".join(lines)


def _stopped(name: str, rows: list[Mapping[str, Any]]) -> int:
    if name.startswith("torchmortem"):
        return sum("stopped" in row.get("torchmortem", {}) for row in rows)
    return sum(row["judgement"] == "stopped" for row in rows) if name == "gradlab" else 0


def _alarms(rows: list[Mapping[str, Any]]) -> dict[str, list[tuple[Mapping[str, Any], list[str]]]]:
    """Return peer -> (row, codes it raises) of each row that it judged."""
    told = {
        "gradlab": [
            (row, [code for code, severity in row["all"] if severity != "note"]) for row in rows
        ]
    }
    for name in PEERS:
        told[name] = [(row, row["peers"][name]) for row in rows]
    seen = [row for row in rows if "torchmortem" in row]
    if seen:
        told["torchmortem, critical"] = [
            (row, row["torchmortem"].get("critical", [])) for row in seen
        ]
        told["torchmortem, warnings too"] = [
            (row, row["torchmortem"].get("critical", []) + row["torchmortem"].get("warning", []))
            for row in seen
        ]
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge the members that the arguments name; None: those of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=("tune", "held-out", "all"), default="all")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of names, as of files")
    parser.add_argument("--peers", action="store_true", help="judge by other tools too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the rows go as they come")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for member in running.chosen(options.half, options.only):
        rows.append(judge(member, peers=options.peers))
        print(f"{rows[-1]['judgement']:16s} {member.name}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n")
    halves = {"tune half": False, "held-out half": True}
    print(
        figures.table({name: figures.of_half(rows, held_out=half) for name, half in halves.items()})
    )
    if options.peers:
        print(peers_table(rows))


if __name__ == "__main__":
    main()
