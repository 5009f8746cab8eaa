"""`train`: the built-in engine on a data set, recorded."""

from gradlab.training.session import train

__all__ = [
    "train",
]
