"""Trainings on one or several processes, which test_distributed.py starts.

python ranks.py SIZE FOLDER PORT TRAINING,... PORT TRAINING,... has SIZE processes for each PORT,
all of them forks of one that has imported PyTorch. They run each TRAINING, a function below, one
after the other, and leave FOLDER/TRAINING for the run and FOLDER/TRAINING.RANK.json for what the
process has to say; FOLDER/codes.json has the exit codes of the processes, by PORT.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from itertools import chain
from pathlib import Path
from unittest import mock

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

import gradlab
from gradlab.adapters.torch import distributed as processes
from gradlab.adapters.torch import record, watch

STEPS, BATCH = 6, 64  # so large that no part of it counts as a small batch, which is pooled


class Net(nn.Module):
    """Sizes that two processes cannot halve: 7 rows, 5 rows, and one row."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(
            nn.Linear(6, 7), nn.Tanh(), nn.LayerNorm(7), nn.Linear(7, 5), nn.ReLU()
        )
        self.neck, self.head = nn.Linear(5, 1), nn.Linear(1, 3)
        self.double()

    def forward(self, x):
        return self.head(torch.sigmoid(self.neck(self.body(x))))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(5), nn.Linear(5, 7), nn.Linear(7, 5)

    def forward(self, x):
        return x + self.down(torch.tanh(self.up(self.norm(x))))


class Residual(Net):
    """Two blocks of a residual net."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Linear(6, 5), Block(), Block())
        self.double()


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(BATCH, 6, dtype=torch.float64, generator=generator)
    return x, torch.randint(3, (BATCH,), generator=generator)


def wrap(model: nn.Module, kind: str) -> nn.Module:
    if kind == "ddp":
        return DistributedDataParallel(model)
    if kind == "fsdp1":
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"))
    if kind in ("fsdp", "hsdp"):  # hsdp: one shard, and a copy of it in the other process
        size = distributed.get_world_size()
        mesh = init_device_mesh("cpu", (size, 1), mesh_dim_names=("copies", "shards"))
        mesh = mesh if kind == "hsdp" else None
        for module in (*model.body, model.neck):
            if next(module.parameters(), None) is not None:
                fully_shard(module, mesh=mesh)
        fully_shard(model, mesh=mesh)
    return model


def train(
    kind: str,
    *,
    net: type[Net] = Net,
    micro: int = 1,
    clip: float | None = None,
    poison=None,
    steps: int = STEPS,
    fail=None,
    prepare=None,
    **watching,
):
    """Train this process's part of each batch, in `micro` parts, and return the watch.

    `poison(rank, step, x)` may spoil a part; `fail(rank, step)` may raise before a step, and
    `prepare(rank, step, optimizer)` may change the optimizer's settings.
    """
    size, rank = (distributed.get_world_size(), distributed.get_rank()) if kind else (1, 0)
    model = wrap(net(), kind)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    with torch.no_grad():
        model(batch(0)[0])  # after which FSDP leaves the outermost weights whole for a while
    with watch(
        model, optimizer, **({"every": 1, "distributed": kind == "hand"} | watching)
    ) as recorder:
        for step in range(steps):
            if fail is not None:
                fail(rank, step)
            if prepare is not None:
                prepare(rank, step, optimizer)
            # a part of every micro-batch, so that a single process sees the same examples in the
            # same order
            x, y = (part.reshape(micro, size, -1, *part.shape[1:])[:, rank] for part in batch(step))
            if poison is not None:
                x = poison(rank, step, x)
            for number in range(micro):
                last = number == micro - 1
                waits = contextlib.nullcontext()
                if kind == "ddp" and not last:
                    waits = model.no_sync()
                if kind in ("fsdp", "hsdp"):
                    model.set_requires_gradient_sync(last)
                with waits:
                    loss = nn.functional.cross_entropy(model(x[number]), y[number]) / micro
                    loss.backward()
                recorder.log(loss=loss)
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            if kind == "hand":  # gradients are averaged by the loop itself
                for parameter in model.parameters():
                    distributed.all_reduce(parameter.grad)
                    parameter.grad /= size
            optimizer.step()
            optimizer.zero_grad()
    return recorder


def plain(kind, out):
    return train(kind, out=out)


def residual(kind, out):
    return train(kind, out=out, net=Residual, micro=2)


def clipped(kind, out):
    return train(kind, out=out, clip=0.05)


def accumulated(kind, out):
    return train(kind, out=out, micro=2)


def long(kind, out):
    with mock.patch.object(record, "BLOCK_ITERATIONS", (16, 16)):
        return train(kind, out=out, steps=50, every=None)


def poisoned(kind, out, **watching):
    """In the part of the second process, in an iteration at which no hooks hang on the modules."""

    def poison(rank, step, x):
        return x * float("nan") if (rank, step) == (1, 13) else x

    return train(kind, out=out, poison=poison, steps=16, every=None, **watching)


def logarithm(kind, out):
    """In the model: the logarithm of a negative number, of the second process alone."""

    def forward(self, x):
        return self.head(torch.log(self.neck(self.body(x)).abs() - x[:, :1].clamp(min=50) + 50))

    def poison(rank, step, x):
        return x.index_fill(-1, torch.tensor([0]), 1000.0) if (rank, step) == (1, 13) else x

    with mock.patch.object(Net, "forward", forward):
        return train(kind, out=out, poison=poison, steps=16, every=None)


def derivative(kind, out):
    """In the model's backward pass: the root of 0, of the second process alone."""

    def forward(self, x):
        scale = (x[:, :1] < 500).double()
        return self.head(torch.sqrt((self.neck(self.body(x)).abs() + 1) * scale))

    def poison(rank, step, x):
        return x.index_fill(-1, torch.tensor([0]), 1000.0) if (rank, step) == (1, 13) else x

    with mock.patch.object(Net, "forward", forward):
        return train(kind, out=out, poison=poison, steps=16, every=None)


def checkpointed(kind, out):
    """The same root of 0 in a part that is computed again in the backward pass."""

    def forward(self, x):
        scale = (x[:, :1] < 500).double()
        roots = checkpoint(
            lambda h: torch.sqrt((self.neck(self.body(h)).abs() + 1) * scale),
            x.requires_grad_(),
            use_reentrant=False,
        )
        return self.head(roots)

    def poison(rank, step, x):
        return x.index_fill(-1, torch.tensor([0]), 1000.0) if (rank, step) == (1, 13) else x

    with mock.patch.object(Net, "forward", forward):
        return train(kind, out=out, poison=poison, steps=16, every=None)


def overflown(kind, out):
    """By an update: the step before has an infinite learning rate."""

    def rate(rank, step, optimizer):
        optimizer.param_groups[0]["lr"] = float("inf") if step == 12 else 0.01

    return train(kind, out=out, prepare=rate, steps=16, every=None)


def stopped(kind, out):
    return poisoned(kind, out, on_nonfinite="stop")


def merely_recorded(kind, out):
    return poisoned(kind, out, on_nonfinite="record")


def all_interrupted(kind, out):
    def fail(rank, step):
        if step == 5:
            raise KeyboardInterrupt

    return train(kind, out=out, fail=fail, steps=7)


def unequal(kind, out):
    """The second process has two batches less; DDP's `join` lets it end before the first."""
    model = wrap(Net(), kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(model, optimizer, out=out, every=1) as recorder, model.join():
        for step in range(6 - 2 * distributed.get_rank()):
            x, y = batch(step)
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=loss)
    return recorder


def one_fails(kind, out):
    def fail(rank, step):
        if (rank, step) == (1, 13):
            raise ValueError("no such file")

    return train(kind, out=out, fail=fail, steps=20)


def one_watches(kind, out):
    processes.AT_THE_START = timedelta(seconds=3)
    if distributed.get_rank():
        wrap(Net(), kind)
        time.sleep(6)
        raise ValueError("this one does not watch")
    return train(kind, out=out)


TRAININGS = {
    function.__name__: function
    for function in (
        plain,
        residual,
        clipped,
        accumulated,
        long,
        poisoned,
        logarithm,
        derivative,
        checkpointed,
        overflown,
        stopped,
        merely_recorded,
        all_interrupted,
        unequal,
        one_fails,
        one_watches,
    )
}


def meet(rank: int, size: int, port: str) -> None:
    """Join the processes that were launched together."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),
    )


def run(rank: int, size: int, port: str, folder: Path, names: list[str]) -> None:
    """Run trainings, as one of the processes."""
    meet(rank, size, port)
    for name in names:
        kind, _, training = name.partition("_")
        said = {"error": None}
        try:
            recorder = TRAININGS[training](kind, folder / name)
            said["iterations"] = recorder.iterations
            try:
                recorder.run  # noqa: B018
            except gradlab.errors.RunError as error:
                said["run"] = str(error)
        except BaseException as error:
            said |= {
                "error": type(error).__name__,
                "text": str(error),
                "trace": traceback.format_exc(),
            }
        (folder / f"{name}.{rank}.json").write_text(json.dumps(said))
        if said["error"] == "ValueError":
            raise SystemExit(1)
    distributed.barrier()
    distributed.destroy_process_group()


def main(work: Callable[[int, int, str, Path, list[str]], None]) -> None:
    """Fork the processes, all at once, and wait for them."""
    size, folder, context = int(sys.argv[1]), Path(sys.argv[2]), multiprocessing.get_context("fork")
    groups = [
        [
            context.Process(target=work, args=(rank, size, port, folder, words.split(",")))
            for rank in range(size)
        ]
        for port, words in zip(sys.argv[3::2], sys.argv[4::2], strict=True)
    ]
    for process in chain(*groups):
        process.start()
    for process in chain(*groups):
        process.join()
    codes = [[process.exitcode for process in group] for group in groups]
    (folder / "codes.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main(run)
