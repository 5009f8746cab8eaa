"""`gradlab fix`: try what a verdict proposes, and say which change cures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradlab.cli import inputs, options, output
from gradlab.ranges import ABOVE_0

if TYPE_CHECKING:
    from gradlab.datasets import Data
    from gradlab.fixes import Trial
    from gradlab.run import Run

GROUP = "Judge"
EXAMPLES = (
    ("gradlab fix runs/mine --open", "a recorded run"),
    ("gradlab fix sigmoid --depth 20", "a network, trained first"),
    ("gradlab fix sigmoid --depth 20 --budget 3 --seconds 60", "a short search"),
)

Subject = Annotated[
    str,
    typer.Argument(
        metavar="RUN|NETWORK",
        help="The folder of a recorded run of the built-in engine, or a network in one word, as "
        "for `gradlab train --network`, which is trained first.",
    ),
]
SEARCH = "Search"
Budget = Annotated[
    float,
    options.number(
        "--budget", ABOVE_0, "How many whole trainings to try; parts count as parts.", SEARCH
    ),
]
Seconds = Annotated[
    float,
    options.number(
        "--seconds", ABOVE_0, "How long to search; a training that was begun is finished.", SEARCH
    ),
]


@options.training_options
def fix(
    subject: Subject,
    depth: options.Depth = 5,
    width: options.Width = 64,
    data: options.DataOption = "digits",
    target: options.Target = None,
    budget: Budget = 12.0,
    seconds: Seconds = 600.0,
    output_file: Annotated[Path, options.report_file("The page, before and after.")] = Path(
        "reports/fix.html"
    ),
    json_file: options.JsonFile = None,
    open_it: options.Open = False,
    runs: options.Runs = Path("runs"),
    seeds: options.Seeds = 8,
    **training: Any,
) -> int:
    """Try the remedies of a verdict, and name the change that cures.

    Alone, then in pairs, each trained from the same seeds; the smallest change wins. Ctrl-C keeps
    what was found. The last line is the line to change; exit with 1 if nothing cures.
    """
    from gradlab.report import write_fix

    output.check_writable(output_file, json_file)
    found = inputs.run_or_none(Path(subject))
    if found is None:
        source = inputs.data_set(data, target)
        found = _trained(subject, depth, width, seeds, source, runs, training)
    else:
        _refuse(subject, training)
        source = None if (data, target) == ("digits", None) else inputs.data_set(data, target)
    result = _searched(found, source, budget, seconds)
    path = write_fix(result, output_file)
    if json_file is not None:
        output.write_verdicts(json_file, result.to_dict())
    output.say(f"{path}\n\n{result}")
    if open_it:
        output.open_page(path)
    return int(not result.cured and bool(result.before.faults))


def _trained(
    network: str,
    depth: int,
    width: int,
    seeds: int,
    data: Data,
    runs: Path,
    training: dict[str, Any],
) -> Run:
    """Train a network as `gradlab train` does, or find it trained."""
    from gradlab import comparison
    from gradlab.cli import progress
    from gradlab.errors import ArgumentError

    try:
        comparison.Network.parse(network)
    except ArgumentError as error:
        raise ArgumentError(f"{network} is no folder of a run, and {error}") from None
    plans = comparison.plan_cells(
        [network], [depth], width=width, data=data, seeds=seeds, **training
    )
    (cell,) = progress.train(plans, data, jobs=1, runs=runs, force=False, in_place=True).values()
    return cell.run


def _refuse(subject: str, training: dict[str, Any]) -> None:
    """Raise GradlabError for options of a training where a run was given, which has its own."""
    from gradlab.errors import GradlabError
    from gradlab.options import TrainingOptions

    usual = asdict(TrainingOptions())
    given = [name for name, value in training.items() if value != usual[name]]
    if given:
        raise GradlabError(
            f"--{given[0].replace('_', '-')} is for a NETWORK that is trained first; {subject} is "
            "a recorded run, whose options stand in its record"
        )


def _searched(run: Run, data: Data | None, budget: float, seconds: float):
    """Search, with a line a trial on stderr."""
    import sys

    from gradlab.fixes import fix as search

    def say(trial: Trial) -> None:
        part = "" if trial.whole else f", {100 * trial.share:.0f} % of the iterations"
        line = f"tried {trial.words}{part}: {trial.score.words}, {trial.verdict}"
        print(output.clean(line), file=sys.stderr)

    return search(run, data, budget=budget, seconds=seconds, on_trial=say)
