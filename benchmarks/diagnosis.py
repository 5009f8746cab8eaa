"""How right are the verdicts?

python -m benchmarks.diagnosis [--split tune|test|fresh|all] [--draw SEED [--cases N]]

Trains the labelled corpus (tests/corpus), diagnoses every run with gradlab and with the published
rules of AutoTrainer, DeepDiagnosis and SageMaker Debugger, and prints precision and recall by rule,
and what they make of healthy runs. By --draw it trains cases that nobody has looked at: drawn at
random (tests/corpus/drawn.py), those without proof left out.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
from joblib import Parallel, delayed

from benchmarks.published_rules import PEERS
from gradlab.diagnosis import registry
from tests.corpus import figures
from tests.corpus.corpus import Case, load
from tests.corpus.drawn import draw
from tests.corpus.figures import Outcome


def judge(case: Case) -> dict[str, Outcome]:
    """Return what gradlab and each peer say of one case."""
    ours, run = figures.judge(case)
    verdicts = {"gradlab": ours}
    for name, rules in PEERS.items():
        with np.errstate(all="ignore"):
            codes = tuple(sorted(rules(run)))
        verdicts[name] = dataclasses.replace(
            ours, fired=codes, roots=codes, errors=codes, layers={}, since={}, notes=()
        )
    return verdicts


def by_rule(outcomes: list[Outcome]) -> str:
    """Write precision and recall of every rule as a Markdown table."""
    lines = ["| rule | planted | found | false alarms |", "|---|---|---|---|"]
    for code, rule in registry().items():
        counts = figures.count(outcomes, [code])
        lines.append(
            f"| {code} {rule.name} | {counts.right + counts.missed} | {counts.right} | "
            f"{counts.false} |"
        )
    return "\n".join(lines)


def summary(results: list[dict[str, Outcome]]) -> str:
    """Write one row for gradlab and each peer as a Markdown table."""
    lines = [
        "| | precision | recall | faulty runs noticed | healthy runs with a false alarm | root "
        "right |",
        "|---|---|---|---|---|---|",
    ]
    for name in results[0]:
        outcomes = [each[name] for each in results]
        counts = figures.count(outcomes, registry())
        faulty = [each for each in outcomes if each.case.fault]
        noticed = sum(bool(set(each.fired)) for each in faulty)
        _, alarmed, healthy = figures.healthy_alarms(outcomes)
        right, of = figures.root_right(outcomes)
        lines.append(
            f"| {name} | {counts.precision:.2f} | {counts.recall:.2f} | {noticed} of {len(faulty)} "
            f"| {alarmed} of {healthy} | "
            f"{f'{right} of {of}' if name == 'gradlab' else 'names none'} |"
        )
    return "\n".join(lines)


def details(outcomes: list[Outcome]) -> str:
    """Name every case that is not as its label wants it."""
    lines = []
    for each in outcomes:
        problems = [f"false: {', '.join(sorted(each.false))}"] if each.false else []
        problems += [f"missed: {', '.join(sorted(each.missed))}"] if each.missed else []
        if each.case.fault and not each.root_right:
            problems.append(f"roots: {', '.join(each.roots) or 'none'}")
        problems += [f"layers: {each.layers}"] if each.case.layer and not each.layer_right else []
        problems += [f"crashed: {', '.join(each.crashed)}"] if each.crashed else []
        problems += [f"label not proved: {each.unproved}"] if each.unproved else []
        if problems:
            lines.append(f"{each.case.split} {each.case.name!r}: {'; '.join(problems)}")
    return "\n".join(lines) or "every case is as its label wants it"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--split", choices=["tune", "test", "fresh", "held-out", "all"], default="held-out"
    )
    parser.add_argument("--draw", type=int, metavar="SEED", help="draw cases at random instead")
    parser.add_argument("--cases", type=int, default=300, help="how many to draw")
    parser.add_argument("--jobs", type=int, default=-1, help="processes (default: one a core)")
    parser.add_argument("--zoo", action="store_true", help="the zoo (python -m benchmarks.zoo)")
    options = parser.parse_args()
    if options.zoo:
        from benchmarks import zoo

        zoo.main([])
        return
    splits = {"all": (None,), "held-out": ("test", "fresh")}.get(options.split, (options.split,))
    cases = [case for split in splits for case in load(split)]
    if options.draw is not None:
        cases = draw(options.draw, options.cases)
    results = Parallel(n_jobs=options.jobs)(delayed(judge)(case) for case in cases)
    kind = f"split: {options.split}"
    if options.draw is not None:
        proved = [each for each in results if not each["gradlab"].unproved]
        kind, results = (
            f"drawn by {options.draw}, {len(results) - len(proved)} without proof left out",
            proved,
        )
    ours = [each["gradlab"] for each in results]
    errors, _, healthy = figures.healthy_alarms(ours)
    print(
        f"{len(results)} trainings of 3 seeds each, "
        f"{kind}\n\n{summary(results)}\n\n{by_rule(ours)}\n"
    )
    print(f"healthy runs with an error-level finding: {errors} of {healthy}")
    for name, (right, of) in (
        ("layer right within one", figures.layer_right(ours)),
        ("began in the first 50 iterations", figures.iteration_right(ours)),
    ):
        print(f"{name}: {right} of {of}")
    print(f"\n{details(ours)}")


if __name__ == "__main__":
    main()
