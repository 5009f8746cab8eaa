"""What does depth do to sigmoid, tanh and relu networks?

Trains each at 2 to 50 hidden layers on handwritten digits, and a relu net with twice the weights
for contrast. Deep sigmoid nets vanish by the slope of their activation, the heavy relu nets explode
by the scale of their weights, and tanh and relu learn down to twenty layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradlab
from gradlab.comparison import Comparison

TITLE = "What depth does to a network"
QUESTION = "What does depth do to sigmoid, tanh and relu networks?"
ORDER = 12.0
SECONDS = 13
SPREADS = True  # trains on every core

VERBS = {"learned": "learns", "slow": "learns slowly", "not learned": "does not learn"}


def run(*, quick: bool = False, runs: str | Path = "runs") -> Comparison:
    """Train the default grid, or a small one if `quick`; finished cells in `runs` are reused."""
    if quick:
        return gradlab.compare(depths=[2, 20], seeds=2, iterations=400, runs=runs)
    return gradlab.compare(runs=runs)


def causes(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """Return (verdict, dominant cause) by network, for the nets of 20 hidden layers."""
    frame = comparison.to_frame().query("depth == 20").set_index("network")
    return {str(name): (row["verdict"], row["cause"]) for name, row in frame.iterrows()}


def answer(comparison: Comparison) -> str:
    """Say what came out at 20 hidden layers: who learns, how well, and why the others do not."""
    parts = []
    for row in comparison.to_frame().query("depth == 20").to_dict("records"):
        known = (
            [f"{100 * row['accuracy']:.0f} % right"] if row["accuracy"] == row["accuracy"] else []
        )
        why = [] if row["outcome"] == "learned" else [row["verdict"].replace("-", " ")]
        parts.append(f"{row['network']} {VERBS[row['outcome']]} ({', '.join([*known, *why])})")
    return f"At 20 hidden layers, {', '.join(parts[:-1])} and {parts[-1]}."


def write(comparison: Comparison, path: str | Path, links: Sequence[tuple[str, str]] = ()) -> Path:
    """Write the report: one interactive page of all networks and depths."""
    return gradlab.write_report(comparison, path, links=links)


def main() -> None:
    """Run the experiment and write its report."""
    comparison = run()
    print(comparison)
    print(write(comparison, Path("reports") / "activation-depth.html"))


if __name__ == "__main__":
    main()
