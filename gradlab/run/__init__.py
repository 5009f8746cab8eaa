"""`Run`, the one record of a training, and where it is kept."""

from gradlab.run.describing import as_json
from gradlab.run.loading import load
from gradlab.run.naming import distinct_names
from gradlab.run.record import Run
from gradlab.run.tables import (
    ADDITION,
    BLOCK_COLUMNS,
    BLOCK_GAIN,
    BLOCK_SIGNAL_COLUMNS,
    BLOCK_STATISTICS,
    HISTOGRAM_COLUMNS,
    KEYS,
    LAYER_COLUMNS,
    LOG_GAINS,
    OUTPUT_STAGE_COLUMNS,
    STATISTICS,
    STEP_COLUMNS,
    VECTOR,
    WEIGHT_COLUMNS,
    signals_table,
    steps_table,
)

__all__ = [
    "ADDITION",
    "BLOCK_COLUMNS",
    "BLOCK_GAIN",
    "BLOCK_SIGNAL_COLUMNS",
    "BLOCK_STATISTICS",
    "HISTOGRAM_COLUMNS",
    "KEYS",
    "LAYER_COLUMNS",
    "LOG_GAINS",
    "OUTPUT_STAGE_COLUMNS",
    "STATISTICS",
    "STEP_COLUMNS",
    "VECTOR",
    "WEIGHT_COLUMNS",
    "Run",
    "as_json",
    "distinct_names",
    "load",
    "signals_table",
    "steps_table",
]
