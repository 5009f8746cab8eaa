"""What watching adds to a step in PyTorch, beside what TensorBoard, wandb and Lightning add.

    python -m benchmarks.torch_watch [--rounds 15] [--gpt-rounds 3] [--model mlp|gpt|both]

(a) an MLP of 20 x 64, batch 64, SGD; (b) a GPT of 10.8 million parameters, 8 x 128 tokens, AdamW;
float32, one thread.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks._pairs import Measured, gate, goal
from benchmarks._workers import Steps, Worker, taking_turns

WATCHED = {
    "default": {},
    "every=1": {"every": 1},
    "gradient norms only": {"modules": False, "updates": False, "every": 10**9},
}
PEERS = {
    "TensorBoard histograms": "tensorboard",
    "wandb.watch": "wandb_watch",
    "Lightning grad_norm": "lightning_norms",
}
GOALS = {"mlp": (1.20, 2.0), "gpt": (1.03, 1.08)}  # default cadence, everything at every step
HISTOGRAMS = 1 / 20  # of their overhead
GPT_SHARE = 2  # a worker is asked for 20 steps at least; of these long ones, for half as many


class Training:
    """A model, its optimizer, and a step; `after` is called with the loss, before `zero_grad`."""

    def __init__(self, kind: str):
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.share = 1 if kind == "mlp" else GPT_SHARE
        self.model, self.optimizer, self.loss = _mlp(torch) if kind == "mlp" else _gpt(torch)

    def steps(self, after: Callable[[Any], object] | None = None) -> Steps:
        """Return a function that makes so many steps."""

        def steps(count: int) -> None:
            for _ in range(-(-count // self.share)):
                loss = self.loss()
                loss.backward()
                self.optimizer.step()
                if after is not None:
                    after(loss)
                self.optimizer.zero_grad()

        return steps


def _mlp(torch: Any) -> tuple[Any, Any, Callable[[], Any]]:
    layers = [layer for _ in range(20) for layer in (torch.nn.Linear(64, 64), torch.nn.Tanh())]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10))
    x, y = torch.randn(64, 64), torch.randint(0, 10, (64,))
    loss = torch.nn.functional.cross_entropy
    return model, torch.optim.SGD(model.parameters(), 0.03), lambda: loss(model(x), y)


def _gpt(
    torch: Any, words: int = 256, width: int = 384, depth: int = 6
) -> tuple[Any, Any, Callable[[], Any]]:
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            q, k, v = (
                t.unflatten(-1, (6, -1)).transpose(1, 2)
                for t in self.qkv(self.norm1(x)).chunk(3, -1)
            )
            heads = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.project(heads.transpose(1, 2).flatten(2))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.word, self.place = nn.Embedding(words, width), nn.Embedding(128, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)

        def forward(self, tokens: Any) -> Any:
            x = self.word(tokens) + self.place(torch.arange(tokens.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    model, tokens = Gpt(), torch.randint(0, words, (8, 129))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-4)
    return (
        model,
        optimizer,
        lambda: functional.cross_entropy(
            model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()
        ),
    )


def bare(kind: str) -> Steps:
    """Nobody looks."""
    return Training(kind).steps()


def watched(kind: str, options: dict[str, Any]) -> Steps:
    """gradlab looks."""
    from gradlab.adapters.torch import watch

    training = Training(kind)
    recorder = watch(training.model, training.optimizer, **options)
    recorder.__enter__()
    training.steps()(10 * training.share)  # the first ten iterations are measured in full
    return training.steps(lambda loss: recorder.log(loss=loss))


def tensorboard(kind: str) -> Steps:
    """Histograms of all weights and gradients in every step."""
    from torch.utils.tensorboard import SummaryWriter

    training, number = Training(kind), iter(range(10**9))
    writer = SummaryWriter(tempfile.mkdtemp(prefix="gradlab-benchmark-"))

    def write(loss: Any) -> None:
        step = next(number)
        writer.add_scalar("loss", loss, step)
        for name, parameter in training.model.named_parameters():
            writer.add_histogram(name, parameter, step)
            writer.add_histogram(f"{name}.grad", parameter.grad, step)

    return training.steps(write)


def wandb_watch(kind: str) -> Steps:
    """The histograms of wandb, offline, in every step."""
    import wandb  # pyright: ignore[reportMissingImports]

    training = Training(kind)
    run = wandb.init(mode="offline", dir=tempfile.mkdtemp(prefix="gradlab-benchmark-"))
    run.watch(training.model, log="all", log_freq=1)
    return training.steps(lambda loss: run.log({"loss": loss}))


def lightning_norms(kind: str) -> Steps:
    """Lightning's norms of all gradients in every step, on the host, as a logger takes them."""
    from lightning.pytorch.utilities import grad_norm  # pyright: ignore[reportMissingImports]

    training = Training(kind)
    return training.steps(
        lambda loss: [float(norm) for norm in grad_norm(training.model, 2).values()]
    )


def table(kind: str, rounds: int) -> Measured:
    """Measure and print all rows of one model."""
    workers = {name: Worker("benchmarks.torch_watch:bare", kind) for name in ("bare", "bare again")}
    workers |= {
        name: Worker("benchmarks.torch_watch:watched", kind, kw) for name, kw in WATCHED.items()
    }
    workers |= {
        name: Worker(f"benchmarks.torch_watch:{made}", kind) for name, made in PEERS.items()
    }
    measured = taking_turns(workers, rounds)
    share = 1 if kind == "mlp" else GPT_SHARE
    print(
        f"{kind}: {1e3 * share * measured.median('bare'):.2f} ms a step; over the bare step, "
        "median (quartiles)"
    )
    for name in ("bare again", *WATCHED, *PEERS):
        print(f"  {name:<24}{measured.told(name, 'bare') if name in measured else 'not installed'}")
    print(f"  {gate(measured, 'bare again', 'bare')}", flush=True)
    return measured


def main() -> int:
    """Print the tables and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--gpt-rounds", type=int, default=3)
    parser.add_argument("--model", choices=("mlp", "gpt", "both"), default="both")
    options = parser.parse_args()
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        print("PyTorch is not installed: nothing to watch")
        return 0
    for kind, rounds in (("mlp", options.rounds), ("gpt", options.gpt_rounds)):
        if options.model not in (kind, "both"):
            continue
        measured = table(kind, rounds)
        quiet, most = measured.quiet("bare again", "bare"), GOALS[kind]
        goal(
            f"watch, {kind}, default cadence",
            measured.ratio("default", "bare")[0],
            most[0],
            quiet=quiet,
        )
        goal(
            f"watch, {kind}, everything at every step",
            measured.ratio("every=1", "bare")[0],
            most[1],
            quiet=quiet,
        )
        share = None
        if "TensorBoard histograms" in measured:
            share = (measured.ratio("default", "bare")[0] - 1) / (
                measured.ratio("TensorBoard histograms", "bare")[0] - 1
            )
        goal(f"watch, {kind}, of what TensorBoard histograms add", share, HISTOGRAMS, quiet=quiet)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
