"""What does depth do to sigmoid, tanh and relu networks?

Trains each at 2 to 50 hidden layers on handwritten digits, and a relu net with twice the weights for contrast. Deep
sigmoid nets vanish by the slope of their activation, the heavy relu nets explode by the scale of their weights, and
tanh and relu learn down to twenty layers.
"""

from __future__ import annotations

from pathlib import Path

import gradlab
from gradlab.comparison import Comparison

TITLE = "What depth does to a network"
QUESTION = "What does depth do to sigmoid, tanh and relu networks?"
ORDER = 10.0
SPREADS = True  # trains on every core


def run(*, quick: bool = False, runs: str | Path = "runs") -> Comparison:
    """Train the default grid, or a small one where `quick`; finished cells are found again in `runs`."""
    if quick:
        return gradlab.compare(depths=[2, 20], seeds=2, iterations=150, runs=runs)
    return gradlab.compare(runs=runs)


def causes(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """Return what the experiment claims of the nets of 20 hidden layers: network -> (verdict, dominant cause)."""
    frame = comparison.to_frame().query("depth == 20").set_index("network")
    return {str(name): (row["verdict"], row["cause"]) for name, row in frame.iterrows()}


def answer(comparison: Comparison) -> str:
    """Say what came out at 20 hidden layers: accuracy and verdict of each network."""
    frame = comparison.to_frame().query("depth == 20")
    known = frame["accuracy"].notna()
    right = [
        f" ({100 * value:.0f} % right)" if has else "" for value, has in zip(frame["accuracy"], known, strict=True)
    ]
    parts = [f"{n} {v}{r}" for n, v, r in zip(frame["network"], frame["verdict"], right, strict=True)]
    return f"At 20 hidden layers: {', '.join(parts)}."


def write(comparison: Comparison, path: str | Path) -> Path:
    """Write the report: one interactive page of all networks and depths."""
    return gradlab.write_report(comparison, path)


def main() -> None:
    """Run the experiment and write its report."""
    comparison = run()
    print(comparison)
    print(write(comparison, Path("reports") / "activation-depth.html"))


if __name__ == "__main__":
    main()
