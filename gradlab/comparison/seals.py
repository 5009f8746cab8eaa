"""The seal of a finished cell at a URL: where its files are, and what they are."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from gradlab.comparison.workers import SEAL, digest_of
from gradlab.run import storage

FINISHED = "finished.json"
NAMES = {storage.DESCRIPTION, SEAL, *(f"{table}.parquet" for table in storage.TABLES)}
"""Files that a finished cell may have."""


@dataclass(frozen=True)
class File:
    """A file of a finished cell, as its seal has it."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Seal:
    """Where the files of a finished cell are, and what they are."""

    upload: str
    files: dict[str, File]

    @classmethod
    def read(cls, text: bytes, cell: str) -> Seal | None:
        """Read a seal, which may come from anybody; None where it is none of this cell."""
        try:
            told = json.loads(text)
            files = {
                name: File(each["size"], each["sha256"]) for name, each in told["files"].items()
            }
            valid = told["cell"] == cell and {storage.DESCRIPTION, SEAL} <= set(files) <= NAMES
            valid = valid and re.fullmatch("[0-9a-f]{32}", told["upload"]) is not None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return cls(told["upload"], files) if valid else None

    def write(self, cell: str) -> bytes:
        """Return the seal as it is written."""
        return json.dumps({"cell": cell, **asdict(self)}, indent=1).encode()

    @classmethod
    def of(cls, upload: str, folder: Path) -> Seal:
        """Return the seal of the cell in `folder`, which is uploaded by this name."""
        paths = [path for path in sorted(folder.iterdir()) if path.name in NAMES]
        files = {path.name: File(path.stat().st_size, digest_of(path)) for path in paths}
        return cls(upload, files)
