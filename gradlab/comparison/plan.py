"""The cells of a grid before any is trained: what decides each, and whether it can be."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gradlab._version import __version__
from gradlab.comparison import axes
from gradlab.comparison.networks import Network
from gradlab.datasets import Data
from gradlab.errors import ArgumentError, shown
from gradlab.kinds import TEXTS, is_listed
from gradlab.nn import losses, schedules
from gradlab.nn.modifiers import Modifiers
from gradlab.options import TrainingOptions, given
from gradlab.ranges import COUNT, SIZE, check_memory
from gradlab.run import storage
from gradlab.training import train

DEFAULT_NETWORKS = (
    "sigmoid:glorot_normal",
    "tanh:glorot_normal",
    "relu:he_normal",
    "relu:he_normal:gain=2",
)
DEFAULT_DEPTHS = (2, 5, 10, 20, 50)


@dataclass(frozen=True)
class Plan:
    """One cell before it is trained: everything that decides its result.

    Attributes
    ----------
    place : tuple of (axis, value)
        Where the cell stands in a sweep, network and depth included; empty in a plain grid. It
        decides nothing, and plans that differ in it alone are equal.
    """

    network: Network
    depth: int
    width: int
    seeds: int
    training: TrainingOptions
    data_fingerprint: str
    seed: int = 0
    place: tuple[tuple[str, Any], ...] = field(default=(), compare=False)

    @property
    def coordinates(self) -> dict[str, Any]:
        """Where the cell stands: its value on each axis, network and depth first."""
        return dict(self.place) or {"network": self.network.label, "depth": self.depth}

    @property
    def name(self) -> str:
        """What the cell is called in tables and reports."""
        network, depth, *others = self.coordinates.items()
        told = [f"{axis.replace('_', ' ')} {axes.written(value)}" for axis, value in others]
        return ", ".join([f"{network[1]} depth {depth[1]}", *told])

    @property
    def plain_name(self) -> str:
        """What its record is called: the same in every sweep."""
        return f"{self.network.label} depth {self.depth}"

    def sizes(self, data: Data) -> list[int]:
        """Units of each layer, input first."""
        return [data.n_features, *[self.width] * self.depth, _outputs(self.training.loss, data)]

    @property
    def folder(self) -> str:
        """A folder name that is the same where configuration, data and gradlab's version are."""
        decides = asdict(self)
        del decides["place"]
        content = json.dumps([decides, storage.SCHEMA_VERSION, __version__], sort_keys=True)
        readable = re.sub(r"[^a-z0-9.]+", "-", self.plain_name.lower())
        return f"{readable}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    @property
    def cost(self) -> float:
        """About the milliseconds that its training takes: which cells to start first.

        A layer costs calls, and for each example work by the unit and by the weight.
        """
        examples = self.seeds * self.training.batch_size
        layer = 0.2 + examples * self.width * (5e-6 + 2e-7 * self.width)
        return self.training.iterations * (self.depth + 1) * layer

    @property
    def memory(self) -> float:
        """Bytes that its training needs at least: weights, and four arrays of a batch a layer."""
        batch = 4 * self.training.batch_size
        return 4.0 * self.depth * self.width * (self.width + batch) * self.seeds


def plan_cells(
    networks: Sequence[str],
    depths: Sequence[int],
    *,
    width: int,
    data: Data,
    seeds: int,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    **training: Any,
) -> list[Plan]:
    """Return the cells of a grid, row by row; every argument is checked before anything is trained.

    Parameters
    ----------
    networks, depths, width, data, seeds, sweep, **training
        As for `gradlab.compare`.

    Raises
    ------
    ArgumentError, DataError
        An argument that is not allowed, or a combination that cannot be trained.
    """
    examples = (("networks", networks, '["relu", "tanh"]'), ("depths", depths, "[2, 5, 10]"))
    for argument, values, example in examples:
        if not is_listed(values):
            raise ArgumentError(f"{argument}={shown(values)} must be a list, such as {example}")
    networks = list(TEXTS.check("networks", networks))
    depths = list(depths)
    if not networks or not depths:
        raise ArgumentError("give at least one network and one depth")
    options = given(TrainingOptions, training, "a comparison")
    options = replace(options, loss=losses.or_default(options.loss, data.task))
    depths = sorted({int(SIZE.check("depth", depth)) for depth in depths})
    width = int(SIZE.check("width", width))
    seeds = int(SIZE.check("seeds", seeds))
    COUNT.check("iterations", options.iterations)
    swept = axes.check(sweep)
    plans = [
        Plan(network, depth, width, seeds, options, data.fingerprint)
        for network in dict.fromkeys(Network.parse(text) for text in networks)
        for depth in depths
    ]
    if swept:
        placed = (replace(each, place=tuple(each.coordinates.items())) for each in plans)
        plans = [each for base in placed for each in _spread(base, swept)]
    for each in plans:
        _check_size(each, len(data.x_train))
    kinds = {(each.network, each.width, min(each.depth, 2), each.training): each for each in plans}
    for each in kinds.values():
        _rehearse(each, data)
    return plans


def _spread(plan: Plan, swept: axes.Axes) -> Iterator[Plan]:
    """Yield a plan for each combination of the axes' values, the last axis fastest."""
    for values in itertools.product(*swept.values()):
        at = dict(zip(swept, values, strict=True))
        yield replace(
            plan,
            network=replace(plan.network, **_those(at, axes.OF_NETWORKS)),
            training=replace(plan.training, **_those(at, axes.OF_TRAININGS)),
            place=plan.place + tuple(at.items()),
            **_those(at, axes.OF_PLANS),
        )


def _those(values: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _outputs(loss: str | None, data: Data) -> int:
    """Return the units of the last layer: one a class or target column.

    A loss for two classes reads the sign of a single one.
    """
    binary = losses.get(losses.or_default(loss, data.task)).binary
    return 1 if binary and data.n_outputs == 2 else data.n_outputs


def _check_size(each: Plan, examples: int) -> None:
    """Raise ArgumentError for a net that fits into no usual machine."""
    batch = min(each.training.batch_size, examples)
    numbers = each.depth * each.width * (each.width + 4 * batch) * each.seeds
    check_memory(numbers, f"depth={each.depth}", f"width={each.width}", f"seeds={each.seeds}")


def _rehearse(each: Plan, data: Data) -> None:
    """Train a net like the plan's for no iteration, so that whatever is wrong shows at once."""
    network = each.network
    Modifiers(network.norm, network.residual, network.dropout).check(each.sizes(data))
    schedules.create(each.training.schedule, each.training.iterations)
    model = network.build([data.n_features, 2, 2, _outputs(each.training.loss, data)])
    train(model, data, **asdict(replace(each.training, iterations=0, schedule="constant")))
