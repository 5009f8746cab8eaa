"""`compare(...)`: a grid of trainings that can be resumed."""

from gradlab.comparison.axes import combinations, place_words, words, written
from gradlab.comparison.axes import read as read_axes
from gradlab.comparison.cell import Cell, row
from gradlab.comparison.grid import Comparison, compare, compared
from gradlab.comparison.networks import Network
from gradlab.comparison.plan import DEFAULT_DEPTHS, DEFAULT_NETWORKS, Plan, plan_cells
from gradlab.comparison.schedule import finished, train_cells
from gradlab.comparison.workers import train_cell

__all__ = [
    "DEFAULT_DEPTHS",
    "DEFAULT_NETWORKS",
    "Cell",
    "Comparison",
    "Network",
    "Plan",
    "combinations",
    "compare",
    "compared",
    "finished",
    "place_words",
    "plan_cells",
    "read_axes",
    "row",
    "train_cell",
    "train_cells",
    "words",
    "written",
]
