"""Which processes train a model together, and what of its parameters lies in which of them."""

from __future__ import annotations

from typing import Any

from torch import distributed, nn

from gradlab.errors import ArgumentError


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


def processes_of(model: nn.Module, together: bool) -> list[int]:
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


def is_owned(parameter: Any, number: int) -> bool:
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
