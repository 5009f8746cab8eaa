"""Check the origin of the first NaN on a GPU, in about a minute: python -m benchmarks.cuda_origin
[--device cpu]

Trains planted numbers with `on_nonfinite="stop"`, which looks on every device: born in the forward
pass, in a derivative, in float16 under autocast, in the loss, in an update and in the data; and in
steps that a GradScaler skips. Then, as `watch` is by default: healthy models, whose steps wait for
no device; the batch that spiked and the batch that broke, which are kept without a wait; weights
and generators, which are bit for bit those of a training that nobody watched; dropout, which is
drawn again alike when a pass is run again; and the price of a step.

Prints what was found, one line each. The exit status is the number of lines that were wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks._cuda_cases import (
    BREAK,
    CASES,
    STEPS,
    batch,
    log_of_zero,
    made,
    plain_loss,
    root_at_zero,
    same,
)  # fmt: skip
from gradlab.adapters.torch import watch
from gradlab.errors import NonFiniteError

SPIKE, LONG = 30, 60  # a norm is compared with those of 20 steps before it
PRICED, ROUNDS = 40, 7  # steps and rounds of which the price is the median


def generators(device: torch.device) -> list[Tensor]:
    """Return the states of PyTorch's generators."""
    on_gpu = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *on_gpu]


# -- what is named


def train(name: str, device: torch.device) -> tuple[Any, Any]:
    """Train a case up to the break; return the watch, and the model."""
    operation, loss_of, half, _ = CASES[name]
    model, optimizer = made(operation, device)
    recorder = watch(model, optimizer, every=5, on_nonfinite="stop")
    with contextlib.suppress(NonFiniteError), recorder:
        for step in range(STEPS):
            x, y = batch(device)
            on = torch.tensor(float(step == BREAK), device=device)
            if name == "NaN in the batch" and step == BREAK:
                x[2, 1, 0] = float("nan")
            if name == "infinite learning rate" and step == BREAK - 1:
                optimizer.param_groups[0]["lr"] = float("inf")
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                answer = model(x, on)
            loss = loss_of(answer.float(), y, on)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return recorder, model


def named(name: str, device: torch.device) -> tuple[bool, str]:
    """Whether operation and line of a case are named, and the weights left whole."""
    recorder, model = train(name, device)
    origin = recorder.run.provenance.get("nonfinite_origin") or {}
    whole = all(bool(each.isfinite().all()) for each in model.parameters())
    right = CASES[name][-1] in str(origin.get("operation", "")) and "line" in origin
    kept = whole or name == "infinite learning rate"
    place = f"{origin.get('file', '?')}:{origin.get('line', '?')}"
    return right and kept and origin.get("iteration") == BREAK, f"{origin.get('operation')} {place}"


def under_scaler(device: torch.device) -> tuple[bool, str]:
    """Whether the logarithm is named in steps that a GradScaler skips."""
    model, optimizer = made(log_of_zero, device)
    scaler = torch.amp.GradScaler(device.type, init_scale=256.0)
    with watch(model, optimizer, on_nonfinite="stop") as recorder:
        for step in range(STEPS):
            x, y = batch(device)
            on = torch.tensor(float(step >= BREAK), device=device)
            with torch.autocast(device.type, torch.float16):
                answer = model(x, on)
            optimizer.zero_grad()
            scaler.scale(plain_loss(answer.float(), y, on)).backward()
            scaler.step(optimizer)
            scaler.update()
    origin = recorder.run.provenance.get("skipped_origin") or {}
    place = f"{origin.get('file', '?')}:{origin.get('line', '?')}"
    right = origin.get("operation") == "aten.log" and origin.get("iteration") == BREAK
    return right and "line" in origin, f"{origin.get('operation')} {place}"


# -- as `watch` is by default


def long_training(device: torch.device, **given: float) -> Any:
    """Train in the default mode, with the batch of step SPIKE multiplied; return the watch."""
    model, optimizer = made(same, device)
    on = torch.zeros((), device=device)
    with watch(model, optimizer) as recorder:
        for step in range(LONG):
            x, y = batch(device)
            if step == SPIKE:
                x = x * given["factor"]
            loss = plain_loss(model(x, on), y, on)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return recorder


def spike_kept(device: torch.device) -> tuple[bool, str]:
    found = [(each.iteration, each.why) for each in long_training(device, factor=1e4).batches]
    return (SPIKE, "spike") in found, str(found)


def broken_kept(device: torch.device) -> tuple[bool, str]:
    recorder = long_training(device, factor=math.nan)
    found = [(each.iteration, each.why) for each in recorder.batches]
    rows = recorder.batches[-1].rows if found else ()
    return found == [(SPIKE, "non-finite")] and len(rows) == 6, f"{found}, rows {rows}"


def bit_for_bit(device: torch.device) -> tuple[bool, str]:
    """Whether a training that is looked at, and whose batch is run again, is the same one."""
    recorder, watched = train("root at 0, backward", device)
    recorder.replay()
    after = generators(device)
    model, optimizer = made(root_at_zero, device)
    for step in range(BREAK + 1):
        x, y = batch(device)
        on = torch.tensor(float(step == BREAK), device=device)
        loss = plain_loss(model(x, on).float(), y, on)
        optimizer.zero_grad()
        loss.backward()
        if step < BREAK:
            optimizer.step()
    weights = all(map(torch.equal, watched.parameters(), model.parameters()))
    drawn = all(map(torch.equal, after, generators(device)))
    return weights and drawn, f"weights {weights}, generators {drawn}"


def dropout_again(device: torch.device) -> tuple[bool, str]:
    """Whether a pass that is run again draws the same dropout masks."""
    model, optimizer = made(same, device)
    answers, on = [], torch.tensor(0.0, device=device)
    recorder = watch(model, optimizer, on_nonfinite="stop")
    with contextlib.suppress(NonFiniteError), recorder:
        x, y = batch(device)
        answers.append(model(x, on))
        torch.log(plain_loss(answers[0], y, on) * 0).backward()
        optimizer.step()
    apart = float((recorder.replay().output - answers[0].detach()).abs().max())
    return apart == 0, f"apart by {apart}"


def waits_for_nothing(device: torch.device) -> tuple[bool, str]:
    """Whether no watched step waits for the device, by PyTorch's own alarm."""
    model, optimizer = made(same, device)
    on = torch.zeros((), device=device)
    x, y = batch(device)
    with watch(model, optimizer, every=100):
        for step in range(20):
            with _alarm(device, step > 2):
                loss = plain_loss(model(x, on), y, on)
                optimizer.zero_grad()
                loss.backward()
                try:
                    optimizer.step()
                except RuntimeError as error:
                    return False, str(error)[:100]
    return True, "" if device.type == "cuda" else "(no alarm on a CPU: it has nothing to wait for)"


@contextlib.contextmanager
def _alarm(device: torch.device, on: bool) -> Iterator[None]:
    """Have PyTorch raise where something waits for a GPU."""
    if device.type != "cuda" or not on:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def price(device: torch.device) -> tuple[bool, str]:
    """Return the time of a step without and with a watch; it is right whatever it is."""
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for watched in times:
            model, optimizer = made(same, device)
            around = watch(model, optimizer) if watched else contextlib.nullcontext()
            with around:
                times[watched].append(_seconds(model, optimizer, device))
    plain, watched = (1e3 * statistics.median(times[each]) for each in (False, True))
    return (
        True,
        f"{plain:.2f} ms alone, {watched:.2f} ms watched (small net: the host sets the pace)",
    )


def _seconds(model: nn.Module, optimizer: Any, device: torch.device) -> float:
    """Return the seconds of a step, once it runs smoothly."""
    on = torch.zeros((), device=device)
    x, y = batch(device)
    began = 0.0
    for step in range(2 * PRICED):
        if step == PRICED:
            _finish(device)
            began = time.perf_counter()
        loss = plain_loss(model(x, on), y, on)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _finish(device)
    return (time.perf_counter() - began) / PRICED


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


CHECKS = {
    "log of 0, under a GradScaler": under_scaler,
    "the batch that spiked is kept": spike_kept,
    "the batch that broke is kept": broken_kept,
    "weights and generators": bit_for_bit,
    "dropout is drawn again alike": dropout_again,
    "a step without NaN waits for no device": waits_for_nothing,
    "price of a step": price,
}


def main() -> int:
    """Check all, and return how many were wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(parser.parse_args().device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device is here; --device cpu checks what can be checked without one")
    if device.type != "cuda":
        print("no GPU is used: on the CPU the same is checked, but nothing is said of a GPU")
    began, wrong = time.perf_counter(), 0
    checks = {name: lambda device, name=name: named(name, device) for name in CASES} | CHECKS
    for name, check in checks.items():
        try:
            right, found = check(device)
        except Exception as error:  # the others are checked all the same
            right, found = False, f"{type(error).__name__}: {error}"
        wrong += not right
        print(f"{'right' if right else 'WRONG'}  {name}: {found}", flush=True)
    print(f"{wrong} of {len(checks)} wrong, {time.perf_counter() - began:.0f} s on {device}")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
