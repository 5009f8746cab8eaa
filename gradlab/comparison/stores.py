"""Finished cells at a URL, such as s3://bucket/sweep, by fsspec: all machines write to it at once.

    URL/CELL/UPLOAD/run.json, steps.parquet, ...     a run folder; no two uploads have one name
    URL/CELL/finished.json                           the seal, written last

An object store has no rename that would let a cell appear whole. Instead a cell is what its seal
says: one small object that names the upload, its files, and the size and SHA-256 of each. An upload
that was cut off is named by no seal. Where two workers upload one cell, the last seal counts, and
what it names is whole.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlab.comparison.plan import Plan
from gradlab.comparison.refusals import missing, reason, without_password
from gradlab.comparison.seals import FINISHED, Seal
from gradlab.comparison.workers import OnStep, digest_of, record
from gradlab.datasets import Data
from gradlab.errors import ArgumentError, GradlabError, RunError, shown
from gradlab.run import Run
from gradlab.run.loading import load_temporary

TRIES = 3
"""Times a cell is read: another process may replace it meanwhile."""


def is_url(runs: str | Path) -> bool:
    """Whether cells are kept at a URL, not in a folder.

    Raises
    ------
    ArgumentError
        It was one before it became a Path.
    """
    if isinstance(runs, str):
        return "://" in runs
    if re.match(r"[a-z][a-z0-9+]+:/", os.fspath(runs)):
        raise ArgumentError(
            f"runs={shown(runs)} has lost a slash; give a URL as a text, for a path has no //"
        )
    return False


@dataclass(frozen=True)
class Store:
    """A URL that keeps finished cells.

    Whatever goes wrong with it is a RunError or ArgumentError.
    """

    url: str

    def __str__(self) -> str:
        return without_password(self.url)

    @functools.cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system of fsspec, and the path of the URL there."""
        if "::" in self.url:
            raise ArgumentError(f"runs={str(self)!r} is a chain of URLs; give a single one")
        if not self.url.partition("://")[2].strip("/"):
            raise ArgumentError(
                f"runs={str(self)!r} names no place; add one, such as s3://bucket/folder"
            )
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise GradlabError(
                f"runs={str(self)!r} needs fsspec; run: pip install 'gradlab-diagnostics[cluster]'"
            ) from None
        files, path = url_to_fs(self.url)
        return files, path.rstrip("/")

    @contextlib.contextmanager
    def marked(self) -> Iterator[str]:
        """Lay a file there by which a worker knows that it sees the same store; yield its name."""
        token = f".gradlab-{uuid.uuid4().hex}.token"
        with self._in_words("written to"):
            files, root = self._opened
            self._make(root)
            files.pipe_file(f"{root}/{token}", b"gradlab")
        try:
            yield token
        finally:
            with contextlib.suppress(Exception):  # the training's own outcome is what counts
                files.rm_file(f"{root}/{token}")

    def check_same(self, token: str) -> None:
        """Raise RunError where the token of the comparison is not in this store."""
        with self._in_words("read"):
            files, root = self._opened
            try:
                files.cat_file(f"{root}/{token}")
            except FileNotFoundError:
                raise RunError(
                    f"runs={str(self)!r} leads to another place here than where the comparison was "
                    "started; give a URL that leads to the same one on every machine and in every "
                    "process"
                ) from None

    def is_finished(self, cell: str) -> bool:
        """Whether a finished cell lies there, each file in its size."""
        with self._in_words("read"):
            files, root = self._opened
            seal = self._seal(cell)
            if seal is None:
                return False
            files.invalidate_cache()
            try:
                found = files.find(f"{root}/{cell}/{seal.upload}", detail=True)
            except FileNotFoundError:  # some stores answer so where a folder is missing
                return False
            sizes = {path.rpartition("/")[2]: each["size"] for path, each in found.items()}
            return sizes == {name: each.size for name, each in seal.files.items()}

    def put(self, cell: str, folder: Path) -> None:
        """Upload a finished cell; one that lay there is removed."""
        with self._in_words("written to"):
            files, root = self._opened
            old = self._seal(cell)
            upload = uuid.uuid4().hex
            place = f"{root}/{cell}/{upload}"
            new = Seal.of(upload, folder)
            self._make(place)
            try:
                self._upload(folder, place, list(new.files))
            except BaseException:
                with contextlib.suppress(Exception):
                    files.rm(place, recursive=True)
                raise
            files.pipe_file(f"{root}/{cell}/{FINISHED}", new.write(cell))
            if old is not None:
                with contextlib.suppress(Exception):  # it is in nobody's way
                    files.rm(f"{root}/{cell}/{old.upload}", recursive=True)

    def _upload(self, folder: Path, place: str, names: list[str]) -> None:
        files, _ = self._opened
        files.put([str(folder / name) for name in names], [f"{place}/{name}" for name in names])

    def load(self, cell: str) -> Run:
        """Load a finished cell's run, by way of a temporary folder that goes with it."""
        with self._in_words("read"):
            for _ in range(TRIES):
                seal = self._seal(cell)
                if seal is None:
                    break
                folder = Path(tempfile.mkdtemp(prefix="gradlab-"))
                try:
                    self._download(cell, seal, folder)
                    return load_temporary(folder)
                except FileNotFoundError:  # replaced by another process
                    shutil.rmtree(folder, ignore_errors=True)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
            raise RunError(
                f"{self}/{cell} is no finished cell any more; run the same command again"
            )

    def _download(self, cell: str, seal: Seal, folder: Path) -> None:
        """Copy a cell into a folder, and check that each file is what was uploaded."""
        files, root = self._opened
        place = f"{root}/{cell}/{seal.upload}"
        names = list(seal.files)
        files.get([f"{place}/{name}" for name in names], [str(folder / name) for name in names])
        for name, told in seal.files.items():
            if digest_of(folder / name) != told.sha256:
                raise RunError(
                    f"{self}/{cell}/{seal.upload}/{name} is damaged; delete it, and run the same "
                    "command again"
                )

    def _seal(self, cell: str) -> Seal | None:
        """Return the seal of a cell; None where there is none that can be read."""
        files, root = self._opened
        try:
            return Seal.read(files.cat_file(f"{root}/{cell}/{FINISHED}"), cell)
        except FileNotFoundError:
            return None

    def _make(self, path: str) -> None:
        """Make a folder where the store has folders: never a bucket, whose name may be misspelt."""
        files, _ = self._opened
        if path.startswith("/"):
            files.makedirs(path, exist_ok=True)

    @contextlib.contextmanager
    def _in_words(self, done: str) -> Iterator[None]:
        """Say what the store did not like in one sentence."""
        try:
            yield
        except GradlabError:
            raise
        except ImportError as error:
            raise GradlabError(f"runs={str(self)!r}: {missing(error)}") from None
        except Exception as error:
            raise RunError(f"runs={str(self)!r} cannot be {done}: {reason(error)}") from None


@dataclass(frozen=True)
class Stored:
    """A finished cell at a URL."""

    store: Store
    cell: str

    def __str__(self) -> str:
        return f"{self.store}/{self.cell}"

    def load(self) -> Run:
        """Load its run, by way of a temporary folder that goes with it."""
        return self.store.load(self.cell)


def train_into(
    each: Plan, data: Data, store: Store, token: str, on_step: OnStep, *, beside: str | None = None
) -> None:
    """Train a cell into a temporary folder and upload it.

    Parameters
    ----------
    token : str
        From `Store.marked`: whoever does not find it there trains nothing.
    beside : str, optional
        The folder that the temporary one is made in.
    """
    store.check_same(token)
    with tempfile.TemporaryDirectory(prefix="gradlab-", dir=beside) as place:
        folder = Path(place) / each.folder
        record(each, data, folder, on_step)
        store.put(each.folder, folder)
