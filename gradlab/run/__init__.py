"""`Run`, the one record of a training, and where it is kept."""

from gradlab.run.record import (
    BLOCK_GAIN,
    KEYS,
    LAYER_COLUMNS,
    LOG_GAINS,
    STATISTICS,
    STEP_COLUMNS,
    WEIGHT_COLUMNS,
    FolderSource,
    MemorySource,
    Run,
    as_json,
    load,
    signals_table,
    steps_table,
)

__all__ = [
    "BLOCK_GAIN",
    "KEYS",
    "LAYER_COLUMNS",
    "LOG_GAINS",
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
