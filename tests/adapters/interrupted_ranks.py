"""Two processes of which one gets a Ctrl-C at one line of their exchange after the other.

python interrupted_ranks.py SIZE FOLDER PORT FIRST,EVERY trains once undisturbed, and then with
the Ctrl-C at line FIRST, FIRST + EVERY, ... of what test_interrupts.py and the exchange run, in the
one process and then in the other, until no line is left. FOLDER/lines.json says what became of the
trainings of rank 0.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import torch
from torch import distributed, nn

from gradlab.adapters import torch as adapter
from gradlab.adapters.torch import record, watch
from tests.adapters import interrupting, ranks

STEPS = 3
FOLDER = str(Path(adapter.__file__).parent)
EXCHANGE = {
    (f"{FOLDER}/distributed.py", name)
    for name in ("exchange", "agree", "any", "gathered", "joined", "_told", "_combined", "_reduced")
}  # fmt: skip


def train(out: Path, rank: int):
    """Train this process's own copy; only the records are joined."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    generator = torch.Generator().manual_seed(rank)
    x = torch.randn(8, 4, dtype=torch.float64, generator=generator)
    y = torch.randint(3, (8,), generator=generator)
    with watch(model, optimizer, out=out, every=1, distributed=True) as watched:
        for _ in range(STEPS):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            watched.log(loss=loss)
    return watched


def disturbed(out: Path, rank: int, line: int) -> bool:
    """Train with a Ctrl-C at a line; return whether it came."""
    watched = interrupting.WATCHED | EXCHANGE
    with (
        interrupting.interrupted(line, watched, sent=True) as interrupt,
        contextlib.suppress(KeyboardInterrupt),
    ):
        train(out, rank)
    return interrupt.left <= 0


def run(rank: int, size: int, port: str, folder: Path, words: list[str]) -> None:
    first, every = map(int, words)
    ranks.meet(rank, size, port)
    record.BLOCK_ITERATIONS = (1, 1)
    train(folder / "whole", rank)
    lines = []
    for victim in range(size):
        for line in range(first, 10**6, every):
            name = f"{victim}-{line}"
            came = disturbed(folder / name, rank, line if rank == victim else 10**9)
            told = torch.tensor([int(came)])
            distributed.all_reduce(told)
            if not told:
                break
            lines.append(name)
    if rank == 0:
        (folder / "lines.json").write_text(json.dumps(lines))
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    ranks.main(run)
