"""T5 of transformers: turning rows round with Adafactor, sorting them with AdamW."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("transformers", "sklearn")
LENGTH = 8
SHIFT = 2  # word 0 fills and starts the decoder, word 1 ends a row


def make_t5(*, width: int = 64, dropout: float = 0.0, seed: int = 0) -> Any:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=12,
        d_model=width,
        d_kv=16,
        d_ff=2 * width,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=32,
        dropout_rate=dropout,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return T5ForConditionalGeneration(config)


def make_reverser() -> tuple[Any, Any]:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import Adafactor

    model = make_t5(seed=0)
    optimizer = Adafactor(
        model.parameters(),
        lr=2e-3,
        scale_parameter=False,
        relative_step=False,
        warmup_init=False,
    )
    return model, optimizer


def make_sorter() -> tuple[Any, Any]:
    import torch

    model = make_t5(width=48, dropout=0.05, seed=1)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_reverser(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    without_gradient: bool = False,
    shuffled_apart: bool = False,
) -> None:
    """The user calls the encoder himself, as one does to keep its output for several decoders.

    `shuffled_apart`: inputs and targets come from two loaders, each of which shuffles for itself.
    """
    import torch

    from tests.zoo import data_a

    x = data_a.numbers(4000, LENGTH, seed=1) + SHIFT
    y = x.flip(1)
    if shuffled_apart:
        y = y[torch.randperm(len(y), generator=data_a.generator(5))]
    model.train()
    for chosen in data_a.batches(len(x), 32, 280):
        with torch.set_grad_enabled(not without_gradient):
            encoded = model.get_encoder()(input_ids=x[chosen])
        loss = model(encoder_outputs=encoded, labels=y[chosen]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        recorder.log(loss=loss.item())


def train_sorter(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    steps = 240
    x = data_a.numbers(4000, LENGTH, seed=1) + SHIFT
    y = x.sort(1).values
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=100, gamma=0.5)
    model.train()
    for chosen in data_a.batches(len(x), 32, steps):
        optimizer.zero_grad()
        loss = model(input_ids=x[chosen], labels=y[chosen]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss)


def score_rows(model: Any, *, sort: bool) -> float:
    """Return how many numbers are right, each after the right ones before it; guessing: 0.1."""
    import torch

    from tests.zoo import data_a

    x = data_a.numbers(300, LENGTH, seed=2) + SHIFT
    y = x.sort(1).values if sort else x.flip(1)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x, labels=y).logits.argmax(-1) == y).float().mean().item()


MEMBERS = [
    Member(
        name="t5-64-reverse-adafactor",
        family="T5",
        make=make_reverser,
        train=train_reverser,
        score=partial(score_rows, sort=False),
        learned=0.5,
        needs=NEEDS,
    ),
    Member(
        name="t5-64-reverse-encoder-without-gradient",
        family="T5",
        make=make_reverser,
        train=partial(train_reverser, without_gradient=True),
        score=partial(score_rows, sort=False),
        learned=0.5,
        fault="encoder run without gradient",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where=r"^encoder",
        counterpart="t5-64-reverse-adafactor",
        needs=NEEDS,
    ),
    Member(
        name="t5-48-sort-adamw",
        family="T5",
        make=make_sorter,
        train=train_sorter,
        score=partial(score_rows, sort=True),
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="t5-64-reverse-shuffled-apart",
        family="T5",
        make=make_reverser,
        train=partial(train_reverser, shuffled_apart=True),
        score=partial(score_rows, sort=False),
        learned=0.5,
        fault="labels shuffled",
        root=("GL402",),
        counterpart="t5-64-reverse-adafactor",
        needs=NEEDS,
    ),
]
