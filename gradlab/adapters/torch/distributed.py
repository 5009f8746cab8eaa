"""Several processes that train one model.

Their numbers are joined when a block is moved, never in a step.

Under DistributedDataParallel every process holds all parameters and their averaged gradients, and
sees a part of the batch; its loss is the mean over that part. Under FSDP it also holds only shards
of the parameters. A Run shows what one process with the whole batch would have recorded.

They speak through a group of their own, on the host, so that no message of the training is ever
mistaken for one of theirs; and before they join anything they agree on how far, so that one that
has left keeps no other waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from gradlab.adapters.torch.ledger import Column
from gradlab.adapters.torch.numbers import TABLES
from gradlab.errors import ArgumentError

Array = np.ndarray
# By parameter, by module, and of the net as a whole: (T, places) each.
Tables = Mapping[str, Mapping[str, Column]]

LIVE, LEFT, BROKEN = 0, 1, 2  # a process trains on, has ended, or was ended by an exception
PATIENCE = timedelta(minutes=30)  # with the others, PyTorch's own; one may be validating for long
AT_THE_START = timedelta(minutes=2)  # until all of them watch
AT_AN_EXCEPTION = timedelta(seconds=10)  # the others may not come at all


@dataclass(frozen=True)
class Standing:
    """Where a process stands when numbers are to be joined.

    Attributes
    ----------
    limit : int
        Up to which iteration its numbers are ready.
    leaving : int
        LIVE, LEFT or BROKEN.
    """

    limit: int
    leaving: int


class Ranks:
    """The processes that train `model` together; one of them where it is trained alone.

    Parameters
    ----------
    model : nn.Module
        As it is trained, wrapped or sharded.
    parameters : sequence of Tensor
        Those that are trained, in the order of their columns.
    together : bool
        Whether all processes train it together though no wrapper says so.

    Attributes
    ----------
    size, number : int
        How many there are, and which one this is.
    sharded : bool
        Whether parameters lie here in part only.
    apart : bool
        Whether the others cannot be reached any more.

    Raises
    ------
    ArgumentError
        Only some of the processes watch.
    """

    def __init__(self, model: nn.Module, parameters: Sequence[Tensor], *, together: bool = False):
        found = _processes(model, together)
        self.sharded = any(hasattr(parameter, "to_local") for parameter in model.parameters())
        self.size, self.number, self.apart = len(found), 0, False
        if self.size == 1:
            return
        self.number = found.index(distributed.get_rank())
        self._apart_in = ("modules", "blocks", "net")
        if self.sharded:
            self._apart_in = ("parameters", "histograms", *self._apart_in)
        # What lies in several processes alike is counted once.
        self._owned = np.array(
            [_is_owned(parameter, self.number) for parameter in parameters], bool
        )
        try:
            self._group: Any = distributed.new_group(
                found, timeout=AT_THE_START, backend="gloo", use_local_synchronization=True
            )
        except RuntimeError as error:
            raise ArgumentError(
                f"only some of the {self.size} processes called watch within {AT_THE_START}; let "
                "every one of them watch its model: the one of rank 0 writes, the others give it "
                "their numbers"
            ) from error

    def agree(self, limit: int, leaving: int) -> tuple[int, bool]:
        """Return up to which iteration all join their numbers now, and whether for the last time.

        Those that train on move blocks at the same iterations; one that has left goes along with
        them until all have.
        """
        if self.size == 1 or self.apart:
            return limit, True
        patience = AT_AN_EXCEPTION if leaving == BROKEN else PATIENCE
        mine = np.zeros((self.size, 2))  # a row each: their sum is the table of all
        mine[self.number] = limit, leaving
        gathered = self._reduced(mine, "SUM", patience)
        if gathered is None:
            return limit, True
        standings = [Standing(int(each[0]), int(each[1])) for each in gathered]
        limits = [each.limit for each in standings]
        if any(each.leaving == BROKEN for each in standings):
            return min(limits), True  # an iteration that an exception has cut short is nobody's
        live = [each.limit for each in standings if each.leaving == LIVE]
        return (min(live), False) if live else (max(limits), True)

    def joined(self, tables: Tables) -> Tables:
        """Return the numbers of the whole from those of this process."""
        if self.size == 1:
            return tables
        columns = {
            (table, name): (
                values,
                known & self._owned if table in ("parameters", "histograms") else known,
            )
            for table in self._apart_in
            for name, (values, known) in tables.get(table, {}).items()
        }
        widths = [known.shape[1] for _, known in columns.values()]
        ways = np.repeat([TABLES[table][name].processes for table, name in columns], widths)
        of_loss = np.repeat([TABLES[table][name].of_loss for table, name in columns], widths)
        values, known = (
            np.concatenate(parts, axis=1) for parts in zip(*columns.values(), strict=True)
        )
        whole = (
            None
            if self.apart
            else self._combined(
                ways, np.where(known, values / float(self.size) ** of_loss, 0.0), known
            )
        )
        if whole is None:
            return {
                **tables,
                **{
                    table: _forgotten(tables[table])
                    for table in self._apart_in
                    if table != "net" and table in tables
                },
            }
        stops = np.cumsum(widths)[:-1]
        result: dict[str, dict[str, Column]] = {table: dict(of) for table, of in tables.items()}
        for (table, name), *column in zip(
            columns, *(np.split(each, stops, axis=1) for each in whole), strict=True
        ):
            result[table][name] = column[0], column[1]
        return result

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any of the processes."""
        if self.size == 1 or self.apart:
            return flag
        most = self._reduced(np.array([float(flag)]), "MAX", PATIENCE)
        return flag if most is None else bool(most[0])

    def gathered(self, value: Any) -> list[Any]:
        """Return the value of every process, by number."""
        values: list[Any] = [None] * self.size
        values[self.number] = value
        if self.size > 1 and not self.apart:
            try:
                distributed.all_gather_object(values, value, group=self._group)
            except RuntimeError:
                self.apart = True
        return values

    def _combined(self, ways: Array, values: Array, known: Array) -> tuple[Array, Array] | None:
        """Combine (T, N) values over the processes, each in its way; return where any knew one too.

        None if the processes are gone.
        """
        squared, smallest = ways == "norm", ways == "smallest"
        extreme = smallest | (ways == "largest")
        ranked, sign = extreme | squared, np.where(smallest, -1.0, 1.0)
        nan = np.isnan(values)  # the largest of NaN and a number is either: NaN goes with the sums
        given = np.where(known & ~nan, sign * values, -np.inf)[:, ranked]
        most = self._reduced(given, "MAX", PATIENCE)
        if most is None:
            return None
        scale = np.ones_like(values)  # so that no square leaves the range of its numbers
        scale[:, ranked] = np.where(np.isfinite(most) & (most > 0), most, 1.0)
        with np.errstate(all="ignore"):
            parts = np.where(squared, np.square(values / scale), values)
            parts = np.where(extreme & ~nan, 0.0, parts)
            both = self._reduced(np.stack([parts, known.astype(np.float64)]), "SUM", PATIENCE)
            if both is None:
                return None
            total, count = both
            total = np.where(squared, scale * np.sqrt(total), total)
            total[:, extreme] += (sign[ranked] * most)[:, extreme[ranked]]
            total = np.where(ways == "mean", total / np.maximum(count, 1), total)
        return np.where(count > 0, total, np.nan), count > 0

    def _reduced(self, values: Array, operation: str, patience: timedelta) -> Array | None:
        """Return the sum or the largest over the processes, entry by entry.

        None where they cannot be reached.
        """
        tensor = torch.from_numpy(np.array(values, np.float64, order="C"))
        options = distributed.AllreduceOptions()
        options.reduceOp = getattr(distributed.ReduceOp, operation)
        options.timeout = patience
        try:
            self._group.allreduce([tensor], options).wait()
        except RuntimeError:  # one of them is gone, or did not come
            self.apart = True
            return None
        return tensor.numpy()


def reshard(model: nn.Module) -> None:
    """Let FSDP give back what it gathered for a forward pass.

    `parameters()` are then those that are trained.

    Raises
    ------
    ArgumentError
        The model is in PyTorch's first FSDP, which flattens the parameters of many layers into one.
    """
    for module in model.modules():
        if type(module).__name__ == "FullyShardedDataParallel":
            raise ArgumentError(
                "model is in FullyShardedDataParallel, which keeps no weight matrix of its own "
                "shape; shard it by torch.distributed.fsdp.fully_shard (FSDP2), which does"
            )
        if hasattr(module, "_get_fsdp_state"):
            module.reshard()  # pyright: ignore[reportCallIssue]


def _processes(model: nn.Module, together: bool) -> list[int]:
    """Return the ranks of the processes that train a model; [0] where it is this one alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [0]
    for module in model.modules():
        if isinstance(module, nn.parallel.DistributedDataParallel):
            return distributed.get_process_group_ranks(module.process_group)
    for parameter in model.parameters():
        if hasattr(parameter, "to_local"):
            return sorted(parameter.device_mesh.mesh.flatten().tolist())  # pyright: ignore[reportAttributeAccessIssue]
    return list(range(distributed.get_world_size())) if together else [0]


def _is_owned(parameter: Any, number: int) -> bool:
    """Whether what lies here of a parameter is counted here.

    Of equal copies, only the first one is.
    """
    if not hasattr(parameter, "to_local"):
        return number == 0
    place = parameter.device_mesh.get_coordinate()
    return all(
        not where.is_replicate() or coordinate == 0
        for coordinate, where in zip(place, parameter.placements, strict=True)
    )


def _forgotten(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {
        name: (np.full_like(values, np.nan), np.zeros_like(known))
        for name, (values, known) in columns.items()
    }
