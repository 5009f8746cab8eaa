"""What recording adds to the bare step, at the default cadence and in full at every iteration.

    python -m benchmarks.recording [--rounds 15]

Beside it, what the sums of squares alone take that norms and gains are made of.
"""

from __future__ import annotations

import argparse

from benchmarks._pairs import goal
from benchmarks._workers import Worker, taking_turns

NETS = (  # depth, width, batch, replicates, activation
    (20, 64, 64, None, "tanh"),
    (20, 64, 64, 8, "tanh"),
    (20, 64, 64, None, "sigmoid"),
    (20, 64, 64, 8, "relu"),
    (10, 256, 128, None, "tanh"),
)


def main() -> int:
    """Print the table and the goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(
        f"{'recorded over bare':<38}default cadence     norms and gains     every=1             "
        "1 + the sums alone   twice"
    )
    for depth, width, batch, replicates, activation in NETS:
        shape = depth, width, batch, replicates
        workers = {
            name: Worker("benchmarks.nets:recorded", *shape, every, activation)
            for name, every in (("default", None), ("norms", 10**9), ("full", 1))
        }
        workers |= {
            name: Worker("benchmarks.nets:bare", *shape, activation) for name in ("bare", "again")
        }
        workers["sums"] = Worker("benchmarks.nets:sums", *shape)
        measured = taking_turns(workers, rounds)
        quiet = measured.quiet("again", "bare")
        seeds = "one net" if replicates is None else f"{replicates} seeds"
        columns = "".join(
            f"{measured.told(name, 'bare'):<20}" for name in ("default", "norms", "full")
        )
        least, low, high = (1 + each for each in measured.ratio("sums", "bare"))
        apart = f"{measured.ratio('again', 'bare')[0]:.3f}{'' if quiet else ' INCONCLUSIVE'}"
        name = f"{activation} {depth} x {width}, batch {batch}, {seeds}"
        print(f"{name:<38}{columns}{f'{least:.2f} ({low:.2f}-{high:.2f})':<21}{apart}", flush=True)
        if activation == "tanh" and width == 64:
            goal(
                f"recording {depth} x {width}, {seeds}, default cadence",
                measured.ratio("default", "bare")[0],
                1.12,
                quiet=quiet,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
