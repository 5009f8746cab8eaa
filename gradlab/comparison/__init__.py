"""`compare(...)`: a grid of trainings that can be resumed."""

from gradlab.comparison.grid import (
    DEFAULT_DEPTHS,
    DEFAULT_NETWORKS,
    Cell,
    Comparison,
    Plan,
    Settings,
    compare,
    plan,
    row,
    train_cell,
    train_cells,
)

__all__ = [
    "DEFAULT_DEPTHS",
    "DEFAULT_NETWORKS",
    "Cell",
    "Comparison",
    "Plan",
    "Settings",
    "compare",
    "plan",
    "row",
    "train_cell",
    "train_cells",
]
