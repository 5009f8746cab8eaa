"""Trains members of the zoo twice, watched and not, and compares bit for bit what they leave.

python -m tests.zoo.watched [--only PATTERN] [--all]
"""

from __future__ import annotations

import argparse
import inspect
import sys
import warnings
from fnmatch import fnmatchcase

import torch

from gradlab.adapters.torch import watch
from tests import bitwise
from tests.zoo.member import Member, load
from tests.zoo.running import Unwatched


def differences(member: Member) -> list[str]:
    """Name what a watched training leaves otherwise than an unwatched one.

    Weights, buffers, gradients, the states of optimizers, and the generators of PyTorch, NumPy and
    Python.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order are other sums
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the libraries
            member.score(member.make()[0])  # imports whatever is imported at first use
            return bitwise.different(
                _trained(member, watched=False), _trained(member, watched=True)
            )
    finally:
        torch.set_num_threads(threads)


def _trained(member: Member, *, watched: bool) -> dict[str, object]:
    bitwise.seed(0)
    model, optimizer = member.make()
    if watched:
        known = inspect.signature(watch).parameters
        options = {name: value for name, value in member.watch.items() if name in known}
        with watch(model, optimizer, **options) as recorder:
            member.train(model, optimizer, recorder)
        if recorder.run.provenance["status"] != "complete":
            return {"status": recorder.run.provenance["status"]}
    else:
        member.train(model, optimizer, Unwatched())
    optimizers = optimizer if isinstance(optimizer, (list, tuple)) else [optimizer]
    return bitwise.state_of(model, optimizers)


def one_of_each_family() -> list[Member]:
    """Return the first fast member of each family that is not faulty."""
    chosen: dict[str, Member] = {}
    for member in load():
        if member.fast and member.healthy:
            chosen.setdefault(member.family, member)
    return list(chosen.values())


def main() -> int:
    """Compare the fast members, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*")
    parser.add_argument("--all", action="store_true", help="slow members, too")
    options = parser.parse_args()
    different = 0
    for member in load():
        wanted = fnmatchcase(member.name, options.only) and not member.missing
        if not wanted or not (member.fast or options.all):
            continue
        found = differences(member)
        different += bool(found)
        print(f"{member.name:44s} {', '.join(found)[:200] or 'equal'}", flush=True)
    print(f"{different} differ")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
