"""Several processes that train one model: their numbers are joined when a block is moved, never in a step.

Under DistributedDataParallel every process holds all parameters and their averaged gradients, and sees a part of the
batch; its loss is the mean over that part. Under FSDP it also holds only shards of the parameters. A Run shows what one
process with the whole batch would have recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

from gradlab.adapters.torch._ledger import Column

Array = np.ndarray

SQUARED = {
    "grad_norm", "after_norm", "weight_norm", "update_norm", "delta_norm", "back_norm", "product_norm", "slope_norm",
    "read_norm", "read_deviation", "z_norm", "z_deviation",
}  # fmt: skip
OF_MEAN_LOSS = {"delta_norm", "back_norm", "product_norm", "per_example"}  # of a part's mean, not of the whole's
LARGEST = {"grad_max", "unit_similarity", "moment_scale"}
SMALLEST = {"dead"}  # a unit that is dead on the whole batch is dead on every part
MEAN = {"saturated"}


class Ranks:
    """The processes that train `model` together; one of them where it is trained alone.

    Attributes
    ----------
    size, number : int
        How many there are, and which one this is.
    sharded : bool
        Whether parameters lie here in part only.
    """

    def __init__(self, model: nn.Module):
        together = distributed.is_available() and distributed.is_initialized()
        self.sharded = any(hasattr(parameter, "to_local") for parameter in model.parameters())
        replicated = isinstance(model, nn.parallel.DistributedDataParallel) or any(
            isinstance(each, nn.parallel.DistributedDataParallel) for each in model.modules()
        )
        together = together and (self.sharded or replicated)
        self.size = distributed.get_world_size() if together else 1
        self.number = distributed.get_rank() if together else 0
        cuda = together and distributed.get_backend() == "nccl"
        self._device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")

    def joined(
        self, parameters: Mapping[str, Column], modules: Mapping[str, Column]
    ) -> tuple[dict[str, Column], dict[str, Column]]:
        """Return the numbers of the whole from those of this process; parameters held whole are those of all."""
        if self.size == 1:
            return dict(parameters), dict(modules)
        whole = self._joined(parameters) if self.sharded else dict(parameters)
        return whole, self._joined(modules)

    def mean(self, column: Column) -> Column:
        """Return the means of numbers (T,) over the processes; all of them must have one, or none."""
        if self.size == 1:
            return column
        values, known = column
        sums, count = self._reduced(np.stack([np.where(known, values, 0.0), known.astype(np.float64)]))
        return sums / np.maximum(count, 1), count > 0

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any of the processes."""
        return flag if self.size == 1 else bool(self._reduced(np.array([float(flag)]))[0])

    def gathered(self, value: Any) -> list[Any]:
        """Return the value of every process, by number."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def _joined(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        names, shape = list(columns), next(iter(columns.values()))[0].shape
        columns = {name: (values.ravel(), known.ravel()) for name, (values, known) in columns.items()}
        known = np.stack([columns[name][1] for name in names]).astype(np.float64)
        values = np.stack([np.where(columns[name][1], columns[name][0], 0.0) for name in names])
        for row, name in enumerate(names):
            if name in OF_MEAN_LOSS:
                values[row] /= self.size
            if name in SQUARED:
                values[row] = np.square(values[row])
            if name in SMALLEST:
                values[row] = np.where(known[row] > 0, -values[row], -np.inf)
        extreme = np.array([name in LARGEST | SMALLEST for name in names])
        sums = self._reduced(np.concatenate([known, np.where(extreme[:, None], 0, values)]))
        most = self._reduced(np.where(extreme[:, None], values, 0), distributed.ReduceOp.MAX)
        counts, totals = sums[: len(names)], sums[len(names) :]
        result = {}
        for row, name in enumerate(names):
            total = np.where(extreme[row], most[row], totals[row])
            total = np.sqrt(total) if name in SQUARED else -total if name in SMALLEST else total
            total = total / np.maximum(counts[row], 1) if name in MEAN else total
            total = np.where(counts[row] > 0, total, np.nan)
            result[name] = total.reshape(shape), (counts[row] > 0).reshape(shape)
        return result

    def _reduced(self, values: Array, operation: Any = None) -> Array:
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
        distributed.all_reduce(tensor, operation or distributed.ReduceOp.SUM)
        return tensor.cpu().numpy()
