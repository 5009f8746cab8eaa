"""Which kernels OpenBLAS multiplies matrices with, and whether this processor has faster ones.

OpenBLAS chooses them by the processor's name, and may not know a newer one: with AVX-512 at hand it
can fall back on "Haswell", made for AVX2. The environment variable OPENBLAS_CORETYPE, read when
NumPy is imported, chooses otherwise.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_info

VARIABLE = "OPENBLAS_CORETYPE"
AVX2, AVX512 = "Haswell", "SkylakeX"
WORTH = 1.1  # below, a change is not worth a word
SIZES = (32, 64, 128, 256)

MEASURE = """
import sys, time
import numpy as np
for n in map(int, sys.argv[1:]):
    a, b, c = (np.full((n, n), 0.5, np.float32) for _ in range(3))
    count = max(1, 4_000_000 // n**3)
    best = float("inf")
    for _ in range(20):
        start = time.process_time_ns()
        for _ in range(count):
            np.matmul(a, b, out=c)
            np.matmul(a.T, b, out=c)
            np.matmul(a, b.T, out=c)
        best = min(best, (time.process_time_ns() - start) / count)
    print(best / 1e9)
"""


def in_use() -> str | None:
    """Return the name of the kernels NumPy's OpenBLAS took; None where NumPy has another BLAS."""
    found = [each for each in threadpool_info() if each.get("internal_api") == "openblas"]
    return str(found[0]["architecture"]) if found else None


def offered() -> tuple[str, ...]:
    """Return the kernels that this processor can run, of the two that matter."""
    from numpy._core._multiarray_umath import __cpu_features__ as features  # pyright: ignore[reportAttributeAccessIssue]

    known = ((AVX2, "AVX2"), (AVX512, "AVX512_SKX"))
    return tuple(name for name, needed in known if features.get(needed))


def suspicious() -> bool:
    """Whether OpenBLAS leaves AVX-512 unused on a processor that has it, and nobody told it to."""
    return AVX512 in offered() and in_use() in (AVX2, "Zen") and VARIABLE not in os.environ


def measure(
    names: Sequence[str], sizes: Sequence[int] = SIZES, rounds: int = 5
) -> dict[str, list[float]]:
    """Return the seconds of the three products of a training step, n x n each, by kernel.

    Each is a process of its own, in turn, with one thread; the median of the rounds.
    """
    kept: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            settings = os.environ | {VARIABLE: name, "OPENBLAS_NUM_THREADS": "1"}
            command = [sys.executable, "-c", MEASURE, *map(str, sizes)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=settings)
            kept[name].append([float(line) for line in done.stdout.split()])
    return {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in kept.items()
    }


def summary() -> list[str]:
    """Say in lines what is in use, what was measured, and what to set where another is faster."""
    current = in_use()
    if current is None:
        return [f"NumPy {np.__version__} does not use OpenBLAS here: there is nothing to choose."]
    lines = [f"NumPy {np.__version__}: OpenBLAS with its {current} kernels, on one thread."]
    names = offered()
    if len(names) < 2:
        return [*lines, "This processor has no AVX-512: there is nothing to choose."]
    seconds = measure(names)
    lines.append("microseconds of the three products of a step, n x n:")
    lines.append(f"{'':>12}" + "".join(f"{f'n = {n}':>11}" for n in SIZES))
    for name in names:
        lines.append(f"{name:>12}" + "".join(f"{1e6 * each:11.1f}" for each in seconds[name]))
    return [*lines, _advice(current, seconds)]


def _advice(current: str, seconds: dict[str, list[float]]) -> str:
    """Return one sentence: which kernels to set.

    They are judged by the geometric mean of the sizes; results are equal to rounding.
    """
    best = min(seconds, key=lambda name: statistics.geometric_mean(seconds[name]))
    used = current
    if current not in seconds:
        used = AVX2 if current == "Zen" else AVX512
    gain = statistics.geometric_mean(seconds[used]) / statistics.geometric_mean(seconds[best])
    if gain < WORTH:
        return f"{used} is as fast as any: leave it as it is."
    return (
        f"{best} is {gain:.2f} times as fast: set {VARIABLE}={best} before Python starts, "
        f"as in: {VARIABLE}={best} gradlab compare. Results stay equal to rounding."
    )
