"""`Run`, the one record of a training, and where it is kept."""

from gradlab.run.record import FolderSource, MemorySource, Run, as_json, load
from gradlab.run.tables import (
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
    WEIGHT_COLUMNS,
    signals_table,
    steps_table,
)

__all__ = [
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
    "WEIGHT_COLUMNS",
    "FolderSource",
    "MemorySource",
    "Run",
    "as_json",
    "load",
    "signals_table",
    "steps_table",
]
