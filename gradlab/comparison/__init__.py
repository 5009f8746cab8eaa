"""`compare(...)`: a grid of trainings that can be resumed."""

from gradlab.comparison.cell import Cell, row
from gradlab.comparison.grid import Comparison, compare
from gradlab.comparison.networks import Network
from gradlab.comparison.plan import DEFAULT_DEPTHS, DEFAULT_NETWORKS, Plan, plan_cells
from gradlab.comparison.schedule import train_cells
from gradlab.comparison.workers import is_finished, train_cell

__all__ = [
    "DEFAULT_DEPTHS",
    "DEFAULT_NETWORKS",
    "Cell",
    "Comparison",
    "Network",
    "Plan",
    "compare",
    "is_finished",
    "plan_cells",
    "row",
    "train_cell",
    "train_cells",
]
