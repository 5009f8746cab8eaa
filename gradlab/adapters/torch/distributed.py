"""Several processes that train one model.

Their numbers are joined when a block is moved, never in a step.

Under DistributedDataParallel every process holds all parameters and their averaged gradients, and
sees a part of the batch; its loss is the mean over that part. Under FSDP it also holds only shards
of the parameters. A Run shows what one process with the whole batch would have recorded.

They speak through a group of their own, on the host, so that no message of the training is ever
mistaken for one of theirs; and before they join anything they agree on how far, so that one that
has left keeps no other waiting.

An exchange is a message in which all say what they are about, which is of one shape for all, and
then what they agreed on. A Ctrl-C waits until it has ended. Where something else cuts it, or they
are not about the same, nobody knows what the others wait for: they part, and each records what it
knows itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from gradlab.adapters.torch.ledger import Column
from gradlab.adapters.torch.numbers import TABLES
from gradlab.adapters.torch.sharding import is_owned, processes_of
from gradlab.adapters.torch.signals import deferred
from gradlab.errors import ArgumentError

Array = np.ndarray
# By parameter, by module, and of the net as a whole: (T, places) each.
Tables = Mapping[str, Mapping[str, Column]]

AGREE, ASK, GATHER = 1, 2, 3  # what an exchange is about
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
    torn : bool
        Whether the others wait for a message that was agreed on. An exception that comes then
        leaves it so.

    Raises
    ------
    ArgumentError
        Only some of the processes watch.
    """

    def __init__(self, model: nn.Module, parameters: Sequence[Tensor], *, together: bool = False):
        found = processes_of(model, together)
        self.sharded = any(hasattr(parameter, "to_local") for parameter in model.parameters())
        self.size, self.number, self.apart = len(found), 0, False
        self.torn = False
        if self.size == 1:
            return
        self.number = found.index(distributed.get_rank())
        self._apart_in = ("modules", "blocks", "net")
        if self.sharded:
            self._apart_in = ("parameters", "histograms", *self._apart_in)
        # What lies in several processes alike is counted once.
        self._owned = np.array([is_owned(parameter, self.number) for parameter in parameters], bool)
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

    def exchange(self) -> contextlib.AbstractContextManager[None]:
        """Return a block of several messages, in which a Ctrl-C waits until all were exchanged."""
        return contextlib.nullcontext() if self.size == 1 else deferred()

    def agree(self, limit: int, leaving: int) -> tuple[int, bool]:
        """Return up to which iteration all join their numbers now, and whether for the last time.

        Those that train on move blocks at the same iterations; one that has left goes along with
        them until all have.
        """
        if self.size == 1 or self.apart:
            return limit, True
        patience = AT_AN_EXCEPTION if leaving == BROKEN else PATIENCE
        told = self._told(AGREE, limit, leaving, patience)
        if told is None:
            return limit, True
        self.torn = True
        standings = [Standing(int(each[0]), int(each[1])) for each in told]
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
        self.torn = False
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
        told = self._told(ASK, float(flag), 0, PATIENCE)
        return flag if told is None else bool(told[:, 0].any())

    def gathered(self, value: Any) -> list[Any]:
        """Return the value of every process, by number."""
        values: list[Any] = [None] * self.size
        values[self.number] = value
        if self.size == 1 or self.apart:
            return values
        with self.exchange():
            if self._told(GATHER, 0, 0, PATIENCE) is None:
                return values
            self.torn = True
            try:
                distributed.all_gather_object(values, value, group=self._group)
            except RuntimeError:
                self.apart = True
            self.torn = False
        return values

    def called(self, value: Any) -> list[Any]:
        """Return the value of every process, where each makes the same call on the user's behalf.

        Also once the recording has ended.
        """
        values = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value, group=self._group)
        return values

    def _told(self, about: int, one: float, other: float, patience: timedelta) -> Array | None:
        """Return two numbers of every process (size, 2).

        None where they cannot be reached, or are not all about the same: then all part.
        """
        if self.torn:
            self.apart = True
            return None
        mine = np.zeros((self.size, 3))  # a row each: their sum is the table of all
        mine[self.number] = about, one, other
        table = self._reduced(mine, "SUM", patience)
        if table is None:
            return None
        if (table[:, 0] != about).any():
            self.apart = True
            return None
        return table[:, 1:]

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


def _forgotten(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {
        name: (np.full_like(values, np.nan), np.zeros_like(known))
        for name, (values, known) in columns.items()
    }
