"""Who names the first NaN? python -m benchmarks.first_nan [--kind forward|backward|update|data]

Trains the planted numbers of tests/adapters/origins, in every form and behind every mask, once with
gradlab's `watch`, once under torch.autograd.set_detect_anomaly, and once under transformers'
DebugUnderflowOverflow where that is installed; prints whose operation, module and line are right,
and who finds fault with twenty healthy models whose masks are infinite.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import warnings
from collections import Counter
from collections.abc import Callable
from importlib import util
from pathlib import Path

import torch
from torch import nn

from gradlab.adapters.torch.origin import places, reasons
from tests.adapters.origins import healthy, nets, table
from tests.adapters.origins.elsewhere import STEPS
from tests.adapters.origins.table import Answer, Case

NOTHING = Answer(False, False, False)
SITES = {
    ("forward", False): "born in the forward pass",
    ("forward", True): "in the loss, forward",
    ("backward", False): "born in the backward pass",
    ("backward", True): "in the loss, backward",
    ("update", False): "made by an update",
    ("data", False): "in the data",
}


def gradlab(case: Case) -> Answer:
    """Judge what `watch` names."""
    return table.judge(case, table.train(case))


def anomaly(case: Case) -> Answer:
    """Judge what anomaly detection names: a function of the backward pass, and its forward line."""
    _, _, step = case.make()
    with warnings.catch_warnings(record=True) as told, torch.autograd.set_detect_anomaly(True):
        warnings.simplefilter("always")
        try:
            for number in range(STEPS):
                step(number)
        except RuntimeError as error:
            match = re.search(r"Function '(\w+)' returned nan", str(error))
            if match is None:
                raise
            words = "\n".join(str(each.message) for each in told)
            frames = places.frames_in(re.findall(r'  File ".+?", line \d+, in .+', words))
            line = (Path(frames[0][0]).name, frames[0][1]) if frames else None
            # It names no module; a loss has none, and its line is enough.
            named = line == case.place and not case.module
            operation = bool(re.search(case.operation, reasons.short(match[1])))
            return Answer(operation, named, line == case.place)
    return NOTHING


def overflow(case: Case) -> Answer:
    """Judge what DebugUnderflowOverflow names: the module whose frame is the last."""
    from transformers.debug_utils import DebugUnderflowOverflow

    model, _, step = case.make()
    DebugUnderflowOverflow(model)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            for number in range(STEPS):
                step(number)
        except ValueError:
            last = re.findall(r"^\s*(\S+) \w+$", printed.getvalue(), re.MULTILINE)
            return Answer(False, bool(last) and last[-1] == case.module, False)
    return NOTHING


def finds_fault(name: str, make: Callable[[], nn.Module]) -> bool:
    """Whether a peer stops a healthy training."""
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), 1e-2)

    def train() -> None:
        for number in range(STEPS):
            x, y, on = nets.batch(number, False)
            y = y % getattr(model, "classes", nets.CLASSES)
            loss = nn.functional.cross_entropy(model(x, on), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    try:
        if name == "gradlab":
            run, said = table.healthy(make)
            return bool(run.nonfinite.any()) or not said.startswith("every number is finite")
        if name.startswith("torch"):
            with torch.autograd.set_detect_anomaly(True):
                train()
            return False
        from transformers.debug_utils import DebugUnderflowOverflow

        DebugUnderflowOverflow(model)
        with contextlib.redirect_stdout(io.StringIO()):
            train()
    except (RuntimeError, ValueError):
        return True
    return False


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=("forward", "backward", "update", "data"))
    chosen = parser.parse_args().kind
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    peers: dict[str, Callable[[Case], Answer]] = {
        "gradlab": gradlab,
        "torch.autograd.set_detect_anomaly": anomaly,
    }
    if util.find_spec("transformers") is not None:
        peers["DebugUnderflowOverflow"] = overflow
    right: Counter[tuple[str, ...]] = Counter()
    counts: Counter[str] = Counter()
    for case in table.cases():
        if chosen in (None, case.kind):
            site = SITES[case.kind, case.form == "loss"]
            counts[site] += 1
            for name, judge in peers.items():
                answer = judge(case)
                for what in ("operation", "module", "line", "right"):
                    right[name, site, what] += getattr(answer, what)
    print("| planted | models | " + " | ".join(peers) + " |")
    print("|---|---|" + "---|" * len(peers))
    for site, count in counts.items():
        cells = [
            ", ".join(str(right[name, site, what]) for what in ("operation", "module", "line"))
            + f"; all: {right[name, site, 'right']}"
            for name in peers
        ]
        print(f"| {site} | {count} | " + " | ".join(cells) + " |")
    stopped = {
        name: sum(finds_fault(name, make) for make in healthy.NETS.values()) for name in peers
    }
    cells = [str(each) for each in stopped.values()]
    print(f"| healthy, found fault with | {len(healthy.NETS)} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
