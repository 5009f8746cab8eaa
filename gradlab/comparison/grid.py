"""`compare(...)`: the same training over a grid of networks and depths, a cell a process, resumable on disk."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab import datasets, display
from gradlab._version import __version__
from gradlab.comparison.networks import Network
from gradlab.datasets import Data
from gradlab.diagnosis import Diagnosis, accuracy, diagnose, outcome, summary
from gradlab.errors import ArgumentError, GradlabError, RunError, is_number, whole
from gradlab.nn import losses, schedules
from gradlab.nn.modifiers import Block
from gradlab.run import Run, load, storage
from gradlab.training import train

DEFAULT_NETWORKS = ("sigmoid:glorot_normal", "tanh:glorot_normal", "relu:he_normal", "relu:he_normal:gain=2")
DEFAULT_DEPTHS = (2, 5, 10, 20, 50)


@dataclass(frozen=True)
class Settings:
    """How every cell is trained: the options of `gradlab.train`, which says what they mean."""

    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    learning_rate: float = 0.03
    batch_size: int = 64
    iterations: int = 500
    schedule: str = "constant"
    clip: str | None = None
    l1: float = 0.0
    l2: float = 0.0
    class_weights: str | tuple[float, ...] | None = None
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class Plan:
    """One cell before it is trained: everything that decides its result."""

    network: Network
    depth: int
    width: int
    seeds: int
    settings: Settings
    data_fingerprint: str
    seed: int = 0

    @property
    def name(self) -> str:
        """What the cell is called in tables and reports."""
        return f"{self.network.label} depth {self.depth}"

    def sizes(self, data: Data) -> list[int]:
        """Units a layer, input first."""
        return [data.n_features, *[self.width] * self.depth, _outputs(self.settings.loss, data)]

    @property
    def folder(self) -> str:
        """A file name that is the same exactly where configuration, data and gradlab's version are."""
        content = json.dumps([asdict(self), storage.SCHEMA_VERSION, __version__], sort_keys=True)
        readable = re.sub(r"[^a-z0-9.]+", "-", self.name.lower())
        return f"{readable}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    @property
    def cost(self) -> float:
        """Proportional to the work: which cells to start first."""
        return self.depth * self.width**2 * self.seeds * self.settings.iterations


@dataclass(frozen=True)
class Cell:
    """One trained cell of a comparison: its plan, the folder of its run, and whether it was found finished."""

    plan: Plan
    folder: Path
    reused: bool = False

    @property
    def name(self) -> str:
        """What the cell is called in tables and reports."""
        return self.plan.name

    @functools.cached_property
    def run(self) -> Run:
        """The recorded run."""
        return load(self.folder)

    @functools.cached_property
    def diagnosis(self) -> Diagnosis:
        """Its verdict."""
        return diagnose(self.run)

    @functools.cached_property
    def outcome(self) -> str:
        """ "learned", "slow" or "not learned"."""
        return outcome(self.run)

    @functools.cached_property
    def accuracy(self) -> list[float | None]:
        """One a seed; None where there is none."""
        return accuracy(self.run)


@dataclass(frozen=True)
class Comparison:
    """A grid of trainings and their verdicts.

    Attributes
    ----------
    cells : tuple of Cell
        Row by row: networks in the order given, depths ascending.
    """

    cells: tuple[Cell, ...]
    title: str = "What depth does to a network"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> list[Network]:
        """The rows, in order."""
        return list(dict.fromkeys(cell.plan.network for cell in self.cells))

    @property
    def depths(self) -> list[int]:
        """The columns, in order."""
        return list(dict.fromkeys(cell.plan.depth for cell in self.cells))

    def cell(self, network: str, depth: int) -> Cell:
        """Return the cell of a network (its label, or as it was typed) and depth; ArgumentError if there is none."""
        by_label = {each.label: each for each in self.networks}
        wanted = by_label[network] if network in by_label else Network.parse(network)
        for cell in self.cells:
            if (cell.plan.network, cell.plan.depth) == (wanted, depth):
                return cell
        raise ArgumentError(
            f"the comparison has no cell {network!r} at depth {depth}; it has {', '.join(by_label)} "
            f"at depths {', '.join(map(str, self.depths))}"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a cell: network, depth, outcome, verdict, cause, accuracy (mean over the seeds that have one)."""
        return pd.DataFrame([row(cell) for cell in self.cells])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: what `gradlab compare --json` writes."""
        return {"schema": 1, "runs": [summary(cell.run, cell.diagnosis) for cell in self.cells]}

    def __str__(self) -> str:
        rows = [[str(value) for value in _written(cell).values()] for cell in self.cells]
        return "\n".join(
            [self.title, "", *display.columns_text(list(row(self.cells[0])), rows)] if rows else [self.title]
        )

    def _repr_html_(self) -> str:
        """A row a network, a column a depth: outcome, verdict and accuracy."""
        rows = []
        for network in self.networks:
            at = {cell.plan.depth: cell for cell in self.cells if cell.plan.network == network}
            rows.append([network.label, *(_told(at[depth]) if depth in at else "" for depth in self.depths)])
        head = ["hidden layers", *map(str, self.depths)]
        return display.box(display.paragraph(self.title, bold=True), display.grid(head, rows))


def _told(cell: Cell) -> str:
    words = _written(cell)
    return f"{cell.outcome} {words['accuracy']}".rstrip() + f"\n{words['verdict']}"


def _written(cell: Cell) -> dict[str, Any]:
    """Return what the tables show of a cell, as words: the seeds that are hit, an accuracy in per cent."""
    values = row(cell)
    share = "" if values["accuracy"] is None else f"{100 * values['accuracy']:.0f} %"
    return values | {"verdict": f"{values['verdict']} {cell.diagnosis.share}".rstrip(), "accuracy": share}


def row(cell: Cell) -> dict[str, Any]:
    """Return what the tables show of a cell."""
    root = cell.diagnosis.faults[0] if cell.diagnosis.faults else None
    known = [value for value in cell.accuracy if value is not None]
    return {
        "network": cell.plan.network.label,
        "depth": cell.plan.depth,
        "outcome": cell.outcome,
        "verdict": cell.diagnosis.verdict,
        "cause": "" if root is None or not root.cause else root.cause["dominant"],
        "accuracy": sum(known) / len(known) if known else None,
    }


def compare(
    networks: Sequence[str] = DEFAULT_NETWORKS,
    depths: Sequence[int] = DEFAULT_DEPTHS,
    *,
    width: int = 64,
    data: Data | None = None,
    seeds: int = 8,
    jobs: int = -1,
    runs: str | Path = "runs",
    force: bool = False,
    on_cell: Callable[[Cell], None] | None = None,
    **training: Any,
) -> Comparison:
    """Train every network at every depth, `seeds` seeds each, and return the verdicts.

    A finished cell is kept in `runs` under a hash of its configuration and data, and found again: an interrupted
    comparison goes on where it stopped.

    Parameters
    ----------
    networks : sequence of str
        `ACTIVATION[:INIT][:gain=X][:norm=batch|layer][:residual=A][:dropout=P]` each; see `gradlab.MLP`.
    depths : sequence of int
        Numbers of hidden layers, each at least 1.
    data : Data, optional
        Handwritten digits by default.
    jobs : int
        Processes; -1 = one a core.
    runs : path
        Folder that keeps the cells.
    force : bool
        Train every cell anew.
    on_cell : callable, optional
        Called with each Cell as soon as it is there, reused ones first.
    **training
        Options of `gradlab.train`: iterations, optimizer, learning_rate, batch_size, schedule, clip, l1, l2,
        class_weights, label_smoothing, and loss, by default "cross_entropy" for class numbers, else "squared_error".

    Raises
    ------
    ArgumentError, DataError, RunError
        A bad argument or data set, before anything is trained; a folder that cannot be written.
    """
    data = datasets.digits() if data is None else data
    plans = plan(networks, depths, width=width, data=data, seeds=seeds, **training)
    done: dict[Plan, Cell] = {}
    for cell in train_cells(plans, data, jobs=jobs, runs=runs, force=force):
        done[cell.plan] = cell
        if on_cell is not None:
            on_cell(cell)
    return Comparison(tuple(done[each] for each in plans), details={"data": data.name})


def plan(
    networks: Sequence[str],
    depths: Sequence[int],
    *,
    width: int,
    data: Data,
    seeds: int,
    **training: Any,
) -> list[Plan]:
    """Return the cells of a grid, row by row, and check every argument before anything is trained."""
    for argument, given, example in (("networks", networks, '["relu", "tanh"]'), ("depths", depths, "[2, 5, 10]")):
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise ArgumentError(f"{argument}={given!r} must be a list, such as {example}")
    if not networks or not depths:
        raise ArgumentError("give at least one network and one depth")
    settings = _settings(data, training)
    counts = (("depth", depths), ("width", [width]), ("seeds", [seeds]), ("iterations", [settings.iterations]))
    for argument, values in counts:
        for value in values:
            whole(argument, value, 1)
    plans = [
        Plan(network, depth, width, seeds, settings, data.fingerprint)
        for network in dict.fromkeys(Network.parse(text) for text in networks)
        for depth in sorted(set(depths))
    ]
    for each in plans:
        _rehearse(each, data)
    return plans


def _settings(data: Data, training: dict[str, Any]) -> Settings:
    known = [field.name for field in fields(Settings)]
    for name in training:
        if name not in known:
            raise ArgumentError(f"{name} is no option of a comparison; choose from: {', '.join(known)}")
    usual = "cross_entropy" if data.task == "classification" else "squared_error"
    rate, weights = (training.get(name, getattr(Settings, name)) for name in ("learning_rate", "class_weights"))
    kept = {
        "loss": training.get("loss") or usual,
        "learning_rate": float(rate) if is_number(rate) else rate,  # 1 and 1.0 are one cell
        "class_weights": tuple(weights) if isinstance(weights, Sequence) and not isinstance(weights, str) else weights,
    }
    return Settings(**{**training, **kept})


def _outputs(loss: str, data: Data) -> int:
    """Units of the last layer: one a class or target column; a loss for two classes reads the sign of a single one."""
    return 1 if losses.get(loss).binary and data.n_outputs == 2 else data.n_outputs


def _rehearse(each: Plan, data: Data) -> None:
    """Train a net like the plan's for no iteration: what is wrong with it, data, loss or rates shows here, at once."""
    Block(each.network.norm, each.network.residual, each.network.dropout).check(each.sizes(data))
    model = each.network.build([data.n_features, 2, 2, _outputs(each.settings.loss, data)])
    schedules.create(each.settings.schedule, each.settings.iterations)
    train(model, data, **asdict(each.settings) | {"iterations": 0, "schedule": "constant"})


def train_cells(
    plans: Sequence[Plan], data: Data, *, jobs: int = -1, runs: str | Path = "runs", force: bool = False
) -> Iterator[Cell]:
    """Yield each cell as it is done: those found finished first, then the others as they end, longest started first."""
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if jobs == 0 or jobs < -1:
        raise ArgumentError(f"jobs={jobs!r} must be a number of processes of at least 1, or -1 for one a core")
    folder = Path(runs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"runs={str(folder)!r} cannot be made: {error.strerror}; choose a folder you may write to"
        ) from None
    todo = []
    for each in plans:
        if not force and _finished(folder / each.folder):
            yield Cell(each, folder / each.folder, reused=True)
        else:
            todo.append(each)
    _remove_leftovers(folder)
    todo.sort(key=lambda each: each.cost, reverse=True)
    by_folder = {each.folder: each for each in todo}
    workers = min(joblib.effective_n_jobs(jobs), max(1, len(todo)))
    tasks = (joblib.delayed(_work)(each, data, folder.resolve(), os.getpid()) for each in todo)
    try:
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)  # pyright: ignore
        for path in parallel(tasks):
            yield Cell(by_folder[Path(str(path)).name], folder / Path(str(path)).name)
    except TerminatedWorkerError:
        raise GradlabError(
            "a worker process was killed (out of memory?); finished cells are kept, run the same command again "
            "with fewer --jobs"
        ) from None


def _work(each: Plan, data: Data, runs: Path, main_process: int) -> str:
    """Train a cell in a worker, which leaves Ctrl-C to the main process: that one ends it, without a traceback."""
    if os.getpid() != main_process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return train_cell(each, data, runs)


def train_cell(each: Plan, data: Data, runs: Path) -> str:
    """Train one cell into its folder, which appears only once it is complete; return the folder's path."""
    target = runs / each.folder
    part = runs / f".{each.folder}.{os.getpid()}.part"  # its own, so that two comparisons may share a folder
    model = each.network.build(each.sizes(data), seed=each.seed, replicates=each.seeds)
    train(model, data, name=each.name, out=part, overwrite=True, **asdict(each.settings))
    storage.replace_folder(part, target)
    return str(target)


def _remove_leftovers(runs: Path) -> None:
    """Delete the half-written cells of processes that are no more."""
    for part in runs.glob(".*.part"):
        pid = part.name.split(".")[-2]
        if not pid.isdigit() or not _alive(int(pid)):
            shutil.rmtree(part, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 is no question but an end
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process, but a process
        return True
    return True


def _finished(folder: Path) -> bool:
    try:
        load(folder)
        return bool(storage.read_description(folder).get("closed"))
    except RunError:
        return False
