"""One training step against the matrix products it is made of, PyTorch, JAX and scikit-learn.

    python -m benchmarks.training [--rounds 15]

tanh, SGD, float32. Each competitor is a process of its own, on one core, with one BLAS thread; they
take turns in bursts. Every figure is the median of ratios within a round, with its quartiles.
"""

from __future__ import annotations

import argparse

from benchmarks._pairs import Measured, goal
from benchmarks._workers import Worker, taking_turns

SHAPES = ((3, 32, 32), (10, 64, 64), (20, 64, 64), (50, 64, 128), (10, 256, 128))
PEERS = {"eager": "torch_eager", "jit": "jax_jit", "scan": "jax_scan", "sklearn": "scikit_learn"}
KERNELS = ("Haswell", "SkylakeX")  # of OpenBLAS: without AVX-512, and with


def steps(shape: tuple[int, ...], rounds: int) -> Measured:
    """Measure one net's step and its competitors."""
    made = {"bare": "bare", "products": "products", "again": "bare", **PEERS}
    return taking_turns(
        {name: Worker(f"benchmarks.nets:{each}", *shape) for name, each in made.items()}, rounds
    )


def kernels(rounds: int) -> None:
    """Print what the two kernels of OpenBLAS make of a step, where the processor has AVX-512."""
    workers = {
        name: Worker("benchmarks.nets:bare", 20, 64, 64, environment={"OPENBLAS_CORETYPE": name})
        for name in KERNELS
    }
    workers["default"] = Worker("benchmarks.nets:bare", 20, 64, 64)
    measured = taking_turns(workers, rounds)
    print("OpenBLAS kernel, step of 20 x 64 over the default's:", end="")
    print("".join(f"   {name} {measured.told(name, 'default')}" for name in KERNELS))


def main() -> int:
    """Print the tables and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(
        f"{'a step':<22}{'us':>7}   over its products   over torch eager    over jax.jit        "
        "over jax scan       over scikit-learn   twice"
    )
    for shape in SHAPES:
        measured = steps(shape, rounds)
        against = ("products", *PEERS)
        told = "".join(f"{measured.told('bare', name):<20}" for name in against)
        quiet = measured.quiet("again", "bare")
        apart = f"{measured.ratio('again', 'bare')[0]:.3f}{'' if quiet else ' INCONCLUSIVE'}"
        print(
            f"{'{} x {}, batch {}'.format(*shape):<22}{1e6 * measured.median('bare'):7.0f}   "
            f"{told}{apart}",
            flush=True,
        )
        if shape == (20, 64, 64):
            goal(
                "step 20 x 64 x 64 over its matrix products",
                measured.ratio("bare", "products")[0],
                1.35,
                quiet=quiet,
            )
            eager = measured.ratio("bare", "eager")[0] if "eager" in measured else None
            goal("step 20 x 64 x 64 over PyTorch eager", eager, 0.30, quiet=quiet)
            floor = measured.told("products", "eager")
            print(f"      (its products alone are {floor} of PyTorch eager on this machine)")
    kernels(rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
