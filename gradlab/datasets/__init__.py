"""Data sets: handwritten digits (shipped), toy problems, scikit-learn's, and files of one's own.

Every data set is split into a training and a held-out part by its seed. Features are standardized
by the training part.
"""

from gradlab.datasets.data import Data, split
from gradlab.datasets.examples import (
    BUNDLED,
    blobs,
    bundled,
    circles,
    course_function,
    digits,
    linear,
)
from gradlab.datasets.files import from_file

__all__ = [
    "BUNDLED",
    "Data",
    "blobs",
    "bundled",
    "circles",
    "course_function",
    "digits",
    "from_file",
    "linear",
    "split",
]
