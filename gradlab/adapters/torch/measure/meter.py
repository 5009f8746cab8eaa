"""What is measured of the calls of modules, once their gradients have come.

Here on a device, or in main memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradlab import activations
from gradlab.adapters.torch.ledger import Ledger
from gradlab.adapters.torch.measure import host_signals, statistics
from gradlab.adapters.torch.measure.pool import FEW, Pool, share_of_dead
from gradlab.adapters.torch.measure.positions import Positions
from gradlab.adapters.torch.modules import CONVOLUTIONS, Site, as_rows, channels_second, reads_rows
from gradlab.adapters.torch.observe import graph
from gradlab.adapters.torch.observe.call import Call
from gradlab.adapters.torch.observe.wiring import Wiring

Array = np.ndarray
Found = tuple[
    int, graph.Applied, "Call"
]  # a module, what was applied to its answer, and the call that read it


_quietly = np.errstate(all="ignore")  # overflow and NaN are data here


class Meter:
    """Measures calls of one kind together, and puts the numbers into the ledger."""

    def __init__(self, wiring: Wiring, ledger: Ledger):
        self._wiring, self._ledger = wiring, ledger
        self._stacks = host_signals.Stacks()
        self._pools: dict[int, Pool] = defaultdict(Pool)
        self._positions = Positions(wiring, ledger)
        self.iteration = 0

    @_quietly
    def of_calls(self, calls: Sequence[Call]) -> None:
        """Measure calls of one kind and shape."""
        delta = calls[0].delta
        assert delta is not None
        if delta.device.type == "cpu":
            self._on_host(calls)
        else:
            self._on_device(calls)
        for (_, second, plain), found in self._slopes(calls).items():
            self._of_slopes(found, second, plain)

    @_quietly
    def of_answers(self, calls: Sequence[Call], answers: Sequence[Tensor]) -> None:
        """Measure z.

        As activations only where no next layer reads them, or none is known to yet.
        """
        second = channels_second(self._module(calls))
        shown = not all([self._wiring.is_read(call.module) for call in calls])
        if answers[0].device.type == "cpu":
            z = host_signals.rows_of(self._stacks.of("z", answers), second)
            norm = host_signals.norms(z.reshape(len(z), -1))
            values = {"z_bad": host_signals.bad(norm, z.reshape(len(z), -1))}
            self._put(calls, values | (host_signals.moments("z", z, norm) if shown else {}))
            return
        rows = _stack(answers, second)
        self._put(calls, {"z_bad": statistics.nonfinite_count(rows)})
        if shown:
            self._put(calls, _moments("z", rows, statistics.whole_norms(rows)))

    def doubt(self, module: int) -> None:
        """Know that p of a module is not whole in this iteration: it is then not recorded."""
        self._ledger.put(
            self.iteration, "modules", ("doubtful",), np.array([module], np.intp), np.ones(1)
        )

    def along_loops(self, calls: Sequence[Call]) -> None:
        """Measure modules that a loop calls at each position of a sequence, in their order."""
        self._positions.along_loops(self.iteration, calls)

    def _along_sequences(self, calls: Sequence[Call], rows: Any) -> None:
        if self._reads_rows(calls[0]):
            self._positions.along_sequences(self.iteration, calls, rows)

    def _module(self, calls: Sequence[Call]) -> nn.Module | Site:
        return self._wiring.modules[calls[0].module]

    def _reads_rows(self, call: Call) -> bool:
        """Whether z = h W + b row by row, so that there are as many rows of delta as of h."""
        if isinstance(self._wiring.modules[call.module], Site) or (
            call.module in self._wiring.row_readers
        ):
            rows = [
                each.numel() // each.shape[-1]
                for each in (call.read, call.delta)
                if each is not None
            ]
            return len(rows) == 2 and rows[0] == rows[1]
        return reads_rows(self._wiring.modules[call.module])

    def _on_host(self, calls: Sequence[Call]) -> None:
        module = self._module(calls)
        second, of = channels_second(module), host_signals
        if calls[0].z is not None:
            self.of_answers(calls, _all([call.z for call in calls]))
        delta = of.rows_of(self._stacks.of("delta", _all([call.delta for call in calls])), second)
        delta_rows, norm = of.row_norms(delta)
        values = {"delta_norm": norm, "delta_bad": of.bad(norm, delta.reshape(len(delta), -1))}
        read_rows = None
        if calls[0].read is not None:
            read = of.rows_of(self._stacks.of("read", _all([call.read for call in calls])), second)
            read_rows, norm = of.row_norms(read)
            values |= of.moments("read", read, norm)
        if self._reads_rows(calls[0]) and read_rows is not None:
            values["per_example"] = np.vecdot(delta_rows, read_rows)
        else:
            other = self._per_example(module, calls, torch.from_numpy(delta_rows), None)
            values |= {} if other is None else {"per_example": other.numpy()}
        if calls[0].back is not None:
            back = of.array_of(self._stacks.of("back", _all([call.back for call in calls])))
            values["back_norm"] = of.norms(back.reshape(len(back), -1))
        self._put(calls, values)
        self._along_sequences(calls, delta_rows)

    def _on_device(self, calls: Sequence[Call]) -> None:
        module = self._module(calls)
        second = channels_second(module)
        if calls[0].z is not None:
            self.of_answers(calls, _all([call.z for call in calls]))
        delta = _stack(_all([call.delta for call in calls]), second)
        delta_rows = statistics.row_norms(delta)
        values = {
            "delta_norm": torch.linalg.vector_norm(delta_rows, dim=-1),
            "delta_bad": statistics.nonfinite_count(delta),
        }
        read_rows = None
        if calls[0].read is not None:
            read = _stack(_all([call.read for call in calls]), second)
            read_rows = statistics.row_norms(read)
            values |= _moments("read", read, torch.linalg.vector_norm(read_rows, dim=-1))
        per_example = self._per_example(module, calls, delta_rows, read_rows)
        if per_example is not None:
            values["per_example"] = per_example
        if calls[0].back is not None:
            values["back_norm"] = statistics.whole_norms(
                _stack(_all([call.back for call in calls]), second)
            )
        self._put(calls, values)
        self._along_sequences(calls, delta_rows)

    def _per_example(
        self, module: nn.Module | Site, calls: Sequence[Call], delta: Tensor, read: Any
    ) -> Tensor | None:
        """Return p of the mean loss, sum_i ||B delta_i|| ||h_i|| / B; a bound for sequences.

        An example of several rows t has G_i = sum_t h_t^T delta_t, and ||G_i|| <= sum_t ||h_t||
        ||delta_t||.
        """
        if self._reads_rows(calls[0]) and read is not None:
            return torch.linalg.vecdot(delta, read)
        if isinstance(module, nn.Embedding):
            return delta.sum(dim=-1)  # what is looked up is read as a row of one 1
        # By what patches then hold, nobody tells here.
        padded = getattr(module, "padding_mode", "zeros") != "zeros"
        if isinstance(module, CONVOLUTIONS) and calls[0].read is not None and not padded:
            patches = [_patch_norms(module, call.read) for call in calls if call.read is not None]
            return torch.stack(
                [(rows * norms).sum() for rows, norms in zip(delta, patches, strict=True)]
            )
        return None

    def _slopes(self, calls: Sequence[Call]) -> dict[Any, list[Found]]:
        """Return what was applied to the modules that these calls read from.

        Calls are grouped by the activation, the axis of the units, and whether nothing else stands
        between.
        """
        kinds: dict[Any, list[Found]] = defaultdict(list)
        wiring = self._wiring
        for call in calls:
            for source, applied in call.applied.items():
                following = wiring.next(source)
                if following == call.module or (source, following) not in wiring.feeds:
                    shape = None if call.back is None else call.back.shape
                    plain = wiring.settled and wiring.is_plain(source, call.module)
                    kinds[
                        (applied.key, shape), channels_second(wiring.modules[source]), plain
                    ].append((source, applied, call))
        return kinds

    def _of_slopes(self, found: Sequence[Found], second: bool, plain: bool) -> None:
        """Measure phi', and ||u phi'|| where it differs from the delta of the module read."""
        first = found[0][1]
        bound = activations.get(first.name).slope_bound
        backs = [call.back for *_, call in found if call.back is not None]
        whole = not plain and len(backs) == len(found) and backs[0].numel() == first.saved.numel()
        if first.saved.device.type == "cpu":
            saved = self._stacks.of("saved", [applied.saved.detach() for _, applied, _ in found])
            u = self._stacks.of("back", backs) if whole else None
            values: dict[str, Any]
            values, alive = host_signals.of_slopes(first, saved, u, second, bound)
            rows_seen = values["slope_n"][0] / alive.shape[1]
        else:
            stack = torch.stack(
                [statistics.wide(applied.saved.detach()) for _, applied, _ in found]
            )
            slope = first.slope(stack)
            rows = as_rows(slope, second)
            alive, rows_seen = rows.any(dim=1), rows.shape[1]
            values = {
                "slope_norm": statistics.whole_norms(rows),
                "slope_n": np.full(len(found), float(slope[0].numel())),
                "saturated": statistics.saturated_fraction(rows, bound),
            }
            if whole:
                product = torch.stack([statistics.wide(back) for back in backs]).reshape(
                    len(found), 1, -1
                )
                values["product_norm"] = statistics.whole_norms(
                    product * slope.reshape(len(found), 1, -1)
                )
        sources = np.array([source for source, *_ in found], np.intp)
        if rows_seen > FEW:
            values["dead"] = share_of_dead(alive)
        self._put_at(sources, values)
        if rows_seen <= FEW:
            self._pool(sources, alive, int(rows_seen))

    def _pool(self, sources: Array, alive: Any, rows: int) -> None:
        """Look at the units of small batches over several iterations."""
        for source, units in zip(sources.tolist(), alive, strict=True):
            together = self._pools[source].together(units, rows)
            if together is not None:
                dead = share_of_dead(together[None])
                self._put_at(np.array([source], np.intp), {"dead": dead})

    def _put(self, calls: Sequence[Call], values: dict[str, Any]) -> None:
        self._put_at(np.array([call.module for call in calls], np.intp), values)

    def _put_at(self, places: Array, values: dict[str, Any]) -> None:
        if all([isinstance(each, np.ndarray) for each in values.values()]):
            names = tuple(values)
            self._ledger.put(
                self.iteration, "modules", names, places, np.array(list(values.values()))
            )
            return
        for name, each in values.items():
            self._ledger.put(self.iteration, "modules", (name,), places, each)


def _all(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def _stack(tensors: Sequence[Tensor], second: bool) -> Tensor:
    return as_rows(statistics.wide(torch.stack(list(tensors))), second)


def _moments(name: str, stack: Tensor, norm: Tensor) -> dict[str, Any]:
    mean, n = stack.mean(dim=(1, 2)), stack[0].numel()
    deviation = statistics.deviation(stack, mean) * n**0.5
    mean = mean.double()
    return {
        f"{name}_norm": norm,
        f"{name}_deviation": deviation,
        f"{name}_sum": n * mean,
        f"{name}_squares": n * mean**2,
        f"{name}_n": np.full(len(stack), float(n)),
    }


def _patch_norms(module: Any, read: Tensor) -> Tensor:
    """Return the norms of what a convolution reads at each position, (examples * positions,)."""
    spatial = read.ndim - 2
    squares = statistics.wide(read).square().sum(dim=1, keepdim=True)
    ones = torch.ones((1, 1, *module.kernel_size), dtype=squares.dtype, device=squares.device)
    convolve: Callable[..., Tensor] = (
        nn.functional.conv1d,
        nn.functional.conv2d,
        nn.functional.conv3d,
    )[spatial - 1]
    sums = convolve(squares, ones, None, module.stride, module.padding, module.dilation)
    return sums.clamp(min=0).sqrt().double().reshape(-1)
