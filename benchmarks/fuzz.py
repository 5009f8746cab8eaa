"""Hostile inputs of every kind for some minutes: each works, or is refused in one sentence.

    python -m benchmarks.fuzz [--minutes 20] [--seed 0] [--only folders] [--verbose]

Hypothesis draws the inputs from the grammars of tests/fuzz. The table counts them, how many were
refused, and how many failed: by kind, and each way to fail by its place, with its shortest input.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz import arguments, command_lines, facts, folders, recorders, records
from tests.fuzz.tally import Tally

MEMORY = 12 << 30  # bytes of address space: what asks for more is told so
SLICE = 100  # inputs that Hypothesis draws at a time
SHARES = {
    "records": 3,
    "facts": 2,
    "not finite": 1,
    "folders": 5,
    "commands": 5,
    "processes": 2,
    "arguments": 4,
    "Recorder": 3,
    "trainings": 4,
}
"""Of the time."""


def planted(given: Any, tally: Tally) -> None:
    """Plant a number that is none into a healthy record."""
    tally.attempt(repr(given), lambda: records.check_planted(*given))


def kinds() -> dict[str, tuple[Any, Callable[[Any, Tally], None]]]:
    """Return what inputs are drawn from and what is done with one, by kind."""
    from hypothesis import strategies as st

    numbers = st.sampled_from([float("nan"), float("inf"), float("-inf")])
    places = st.tuples(st.sampled_from(records.PLACES), numbers, st.integers(0, 59))
    found: dict[str, tuple[Any, Callable[[Any, Tally], None]]] = {
        "records": (records.parts(), records.attempt),
        "facts": (facts.told(), facts.attempt),
        "not finite": (places, planted),
        "folders": (folders.damaged(), folders.attempt),
        "commands": (command_lines.typed(), command_lines.attempt),
        "processes": (command_lines.SURROUNDED, command_lines.attempt_in_surroundings),
        "arguments": (arguments.calls(), arguments.attempt),
    }
    if importlib.util.find_spec("torch") is not None:
        from tests.fuzz import trainings

        found["trainings"] = trainings.plans(), trainings.attempt
    return found


def explored(kind: str, until: float, start: int, tally: Tally) -> None:
    """Try inputs of a kind until the time is over."""
    strategy, attempt = kinds()[kind]
    number = start
    while time.monotonic() < until:
        number += 1

        @seed(number)
        @settings(
            max_examples=SLICE,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def slice_of_inputs(drawn: Any) -> None:
            if time.monotonic() < until:
                attempt(drawn, tally)

        slice_of_inputs()


MACHINES = settings(
    max_examples=10,
    stateful_step_count=20,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def machines(until: float, start: int, tally: Tally) -> None:
    """Let Hypothesis call Recorders in any order until the time is over."""
    number = start
    while time.monotonic() < until:
        number += 1
        shown = f"python -m benchmarks.fuzz --only Recorder --seed {number}"
        tally.attempt(shown, functools.partial(ten_machines, number), seconds=600)
        tally.inputs += MACHINES.max_examples - 1


def ten_machines(number: int) -> None:
    """Let Hypothesis call ten Recorders."""
    chosen = seed(number)(type("Recording", (recorders.Recording,), {}))
    run_state_machine_as_test(chosen, settings=MACHINES)


def printed(tallies: dict[str, Tally], seconds: dict[str, float], *, verbose: bool) -> int:
    """Print the table; return how many inputs failed."""
    print(f"{'kind':<12} {'inputs':>8} {'refused':>8} {'failed':>7} {'seconds':>8}")
    failed = 0
    for kind, tally in tallies.items():
        count = sum(each.count for each in tally.failures.values())
        failed += count
        print(f"{kind:<12} {tally.inputs:>8} {tally.refused:>8} {count:>7} {seconds[kind]:>8.0f}")
    print(f"{'all':<12} {sum(each.inputs for each in tallies.values()):>8} {'':>8} {failed:>7}")
    for kind, tally in tallies.items():
        for what, failure in sorted(tally.failures.items(), key=lambda pair: -pair[1].count):
            print(f"\n{kind}: {failure.count} times {what}\n  such as {failure.shortest[:1000]}")
            if verbose:
                print(failure.trace)
    return failed


def main() -> int:
    """Try inputs of every kind in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(SHARES), action="append")
    parser.add_argument("--verbose", action="store_true", help="where each failed")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    known = {*kinds(), "Recorder"}
    chosen = [kind for kind in options.only or SHARES if kind in known]
    shares = sum(SHARES[kind] for kind in chosen)
    tallies, seconds = {}, {}
    for kind in chosen:
        tallies[kind] = tally = Tally(strict=False)
        begin = time.monotonic()
        until = begin + 60 * options.minutes * SHARES[kind] / shares
        if kind == "Recorder":
            machines(until, 10**6 * options.seed, tally)
        else:
            explored(kind, until, 10**6 * options.seed, tally)
        seconds[kind] = time.monotonic() - begin
    return int(printed(tallies, seconds, verbose=options.verbose) > 0)


if __name__ == "__main__":
    sys.exit(main())
