"""`WatchOptions`: everything that can be chosen about a watched training, each in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.errors import ArgumentError, is_number, one_of, shown
from gradlab.kinds import is_path
from gradlab.live.judging import check_on_finding
from gradlab.ranges import COUNT, COUNT_OR_0
from gradlab.recorder import Cadence
from gradlab.run import as_json, storage

if TYPE_CHECKING:
    from gradlab.rules import Finding

OBJECTIVES = ("minimize", "maximize", "moving")
ON_NONFINITE = ("trace", "record", "stop")


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What `watch` takes besides a model and its optimizers.

    Attributes
    ----------
    out : path, optional
        Folder to stream to, new or empty; readable while the training runs, and after a crash.
        None: a temporary one, deleted with the Run.
    name : str, optional
        Of the run; the model's class by default.
    every : int, optional
        Measure weights, updates and modules at every `every`-th iteration instead of at 0-9 and
        every 10th; 1: always.
    modules : bool
        Whether to hang hooks on modules at all; without them activations, deltas, log gains and the
        residual stream are not recorded. A compiled model runs uncompiled in the iterations that
        are measured, since compiled code calls no hooks: what inductor compiled then rounds, and
        draws dropout, otherwise than unwatched.
    updates : bool
        Whether to measure actual updates, which keeps two copies of the trained weights.
    on_nonfinite : {"trace", "record", "stop"}
        At the first NaN or infinity in a gradient: "trace" runs the forward pass of that batch
        again, before the optimizer steps, and records which operation broke it (on a CPU; elsewhere
        the look would synchronise in every step); "stop" does so on every device and raises
        NonFiniteError with the diagnosis, the weights still whole; "record" does nothing of the
        kind.
    on_finding : "print", "raise", callable or None
        What to do the moment a root cause appears: print one line on stderr; raise FindingError
        from `optimizer.step()` at an error; or call a function with the Finding, whose exceptions
        end the training, too. None: nothing is judged while it trains. Verdicts take at most 2 % of
        the time, and none is made in the first 5 seconds, but for a NaN.
    keep_batch : bool, optional
        The batch that broke, and those at which the gradient spiked, stay in memory for
        `recorder.replay()` until the process ends. True: they are written into the run's folder as
        well (`batch-ITERATION.npz`, plain arrays). False: none is kept, for data that must not be
        stored.
    distributed : bool
        Whether all processes of torch.distributed train this model together. With
        DistributedDataParallel and FSDP that is found out; True is for a model that shows neither:
        a Trainer keeps its wrapped model to itself, a loop may average gradients by its own hand.
        Every process watches; the one of rank 0 writes.
    baseline_loss : float, optional
        Of the best constant prediction, such as ln(classes): without it GL402 cannot tell whether
        anything was learned.
    objective : {"minimize", "maximize", "moving"}
        What training does to the logged loss: lowers it, raises it (`maximize=True`), or chases a
        moving target (a GAN, a TD error, self-play), whose loss may rise while the model improves.
    blocks : str or sequence of str, optional
        Paths of the repeated blocks, such as "encoder.layer.*", where they are not found by
        themselves.
    histograms : bool
        Whether to record how the sizes of gradients are distributed, by powers of two.
    config : mapping, optional
        More of what was trained and how; it goes before what is read off model and optimizer.
    weights : int
        How many single weights to follow.
    seed : int
        Of that sample.
    overwrite : bool
        Replace a run that already lies in `out`.

    Raises
    ------
    ArgumentError
        An option is outside its range.
    RunError
        `out` holds a run already, or cannot be written to.
    """

    out: str | Path | None = None
    name: str | None = None
    every: int | None = None
    modules: bool = True
    updates: bool = True
    on_nonfinite: str = "trace"
    on_finding: str | Callable[[Finding], Any] | None = "print"
    keep_batch: bool | None = None
    distributed: bool = False
    baseline_loss: float | None = None
    objective: str = "minimize"
    blocks: str | Sequence[str] | None = None
    histograms: bool = False
    config: Mapping[str, Any] | None = field(default=None, hash=False)
    weights: int = 50
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self):
        self._check_kinds()
        if self.every is not None:
            object.__setattr__(self, "every", COUNT.check("every", self.every))
        for name in ("weights", "seed"):
            object.__setattr__(self, name, COUNT_OR_0.check(name, getattr(self, name)))
        one_of("on_nonfinite", self.on_nonfinite, ON_NONFINITE)
        one_of("objective", self.objective, OBJECTIVES)
        check_on_finding(self.on_finding)
        baseline = self.baseline_loss
        if baseline is not None and not is_number(baseline):
            raise ArgumentError(
                f"baseline_loss={shown(baseline)} must be a finite number, such as ln(classes), or "
                "None"
            )
        if isinstance(self.blocks, list):
            object.__setattr__(self, "blocks", tuple(self.blocks))
        patterns = (self.blocks,) if isinstance(self.blocks, str) else self.blocks
        patterns = () if patterns is None else patterns
        if not isinstance(patterns, tuple) or not all(isinstance(each, str) for each in patterns):
            raise ArgumentError(
                f"blocks={shown(self.blocks)} must be the path of the repeated blocks, such as "
                "'encoder.layer.*', or several, or None"
            )
        if self.config is not None and not isinstance(self.config, Mapping):
            raise ArgumentError(f"config={shown(self.config)} must be a dict, or None")
        object.__setattr__(self, "config", as_json("config", dict(self.config or {})))
        self._check_folder()

    def _check_kinds(self) -> None:
        for name in ("modules", "updates", "distributed", "histograms", "overwrite"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(f"{name}={shown(getattr(self, name))} must be True or False")
        if self.name is not None and not isinstance(self.name, str):
            raise ArgumentError(f"name={shown(self.name)} must be a text, or None")
        if self.keep_batch is not None and not isinstance(self.keep_batch, bool):
            raise ArgumentError(f"keep_batch={shown(self.keep_batch)} must be True, False or None")

    def _check_folder(self) -> None:
        if self.out is None:
            return
        if not is_path(self.out) or not str(self.out):
            raise ArgumentError(f"out={shown(self.out)} must be the path of a folder, or None")
        storage.check_folder(Path(self.out), self.overwrite)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths of `blocks`, one or several."""
        return (self.blocks,) if isinstance(self.blocks, str) else tuple(self.blocks or ())

    def is_costly(self, iteration: int) -> bool:
        """Whether weights, updates and modules are measured in an iteration."""
        return Cadence(self.every).is_costly(iteration)


def taking_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show the fields of WatchOptions, and what they mean, as a function's keyword arguments.

    The function takes them as `**options`; `{options}` in its docstring is replaced.
    """
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type
        )
        for each in fields(WatchOptions)
    ]
    function.__signature__ = signature.replace(parameters=[*own, *added])  # pyright: ignore[reportFunctionMemberAccess]
    described = inspect.cleandoc(WatchOptions.__doc__ or "")
    described = described.partition("----------\n")[2].partition("\n\nRaises")[0]
    indented = described.replace("\n", "\n    ")
    function.__doc__ = (function.__doc__ or "").replace("{options}", indented)
    return function
