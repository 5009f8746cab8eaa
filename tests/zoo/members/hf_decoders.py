"""GPT-2, OPT and GPT-NeoX of transformers: text by characters, sorting, chains of words."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("transformers", "sklearn")
SEPARATOR = 10


def make_writer(
    *, width: int = 64, layers: int = 3, dropout: float = 0.05, rate: float = 5e-3, seed: int = 0
) -> tuple[Any, Any]:
    """GPT-2 over characters; weight decay for matrices alone, as nanoGPT does."""
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=data_a.text()[2],
        n_positions=48,
        n_embd=width,
        n_layer=layers,
        n_head=4,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
    )
    model = GPT2LMHeadModel(config)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    return model, torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))


def train_writer(model: Any, optimizer: Any, recorder: Any, *, twice: bool = False) -> None:
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_a

    steps = 260
    codes, _, _ = data_a.text()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=1e-5)
    model.train()
    for batch in data_a.pieces(codes, 16, 33, steps):
        logits = model(input_ids=batch[:, :-1]).logits
        if twice:
            logits = logits.softmax(dim=-1)
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss)


def train_autocast(model: Any, optimizer: Any, recorder: Any, *, view: bool = False) -> None:
    """Forward pass in bf16, clipping, warm-up; the criterion wants classes in dimension 1."""
    import torch

    from tests.zoo import data_a

    steps = 120
    codes, _, _ = data_a.text()
    criterion = torch.nn.CrossEntropyLoss()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 20))
    model.train()
    for batch in data_a.pieces(codes, 16, 33, steps, seed=1):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=batch[:, :-1]).logits
            count, length, kinds = logits.shape
            turned = logits.view(count, kinds, length) if view else logits.transpose(1, 2)
            loss = criterion(turned, batch[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_writer(model: Any) -> float:
    """Return how often the next character of the text held out is guessed; always a blank: 0.21."""
    import torch

    from tests.zoo import data_a

    _, codes, _ = data_a.text()
    model.eval()
    with torch.no_grad():
        batch = next(data_a.pieces(codes, 100, 33, 1, seed=4))
        found = model(input_ids=batch[:, :-1]).logits.argmax(-1)
    return (found == batch[:, 1:]).float().mean().item()


def sorted_rows(count: int, seed: int, *, length: int = 8) -> tuple[Any, Any]:
    """Return rows "numbers | the same, sorted" and labels that ask for the sorted part alone."""
    import torch

    from tests.zoo import data_a

    given = data_a.numbers(count, length, seed)
    bar = torch.full((count, 1), SEPARATOR)
    rows = torch.cat([given, bar, given.sort(1).values], 1)
    labels = rows.clone()
    labels[:, : length + 1] = data_a.IGNORED
    return rows, labels


def make_sorter() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=11,
        n_positions=20,
        n_embd=96,
        n_layer=3,
        n_head=3,
        activation_function="gelu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
    )
    model = GPT2LMHeadModel(config)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model, torch.optim.AdamW(model.parameters(), lr=1.5e-3)


def train_sorter(model: Any, optimizer: Any, recorder: Any, **scaling: Any) -> None:
    """Gradient checkpointing, two batches a step, fp16 logits; `scaling`: the scaler's options."""
    import torch

    from tests.zoo import data_a

    rows, labels = sorted_rows(4000, seed=1)
    criterion = torch.nn.CrossEntropyLoss(ignore_index=data_a.IGNORED)
    scaler = torch.amp.GradScaler("cpu", **scaling)
    model.train()
    total = 0.0
    for number, chosen in enumerate(data_a.batches(len(rows), 24, 360), start=1):
        logits = model(input_ids=rows[chosen]).logits[:, :-1].half()
        loss = criterion(logits.float().flatten(0, 1), labels[chosen, 1:].flatten()) / 2
        scaler.scale(loss).backward()
        total += loss.item()
        if number % 2:
            continue
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        recorder.log(loss=total)
        total = 0.0


def score_sorter(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    rows, labels = sorted_rows(300, seed=2)
    model.eval()
    with torch.no_grad():
        found = model(input_ids=rows).logits.argmax(-1)[:, :-1]
    asked = labels[:, 1:] != data_a.IGNORED
    return (found == rows[:, 1:])[asked].float().mean().item()


def make_opt() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(3)
    config = OPTConfig(
        vocab_size=32,
        hidden_size=64,
        num_hidden_layers=2,
        ffn_dim=256,
        num_attention_heads=4,
        max_position_embeddings=32,
        word_embed_proj_dim=64,
        dropout=0.0,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = OPTForCausalLM(config)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train_chains(model: Any, optimizer: Any, recorder: Any, *, divided: bool = True) -> None:
    """Eight small batches a step."""
    from tests.zoo import data_a

    parts = 8
    sentences = data_a.chains(4000, 24, seed=1)
    model.train()
    seen = 0.0
    for number, chosen in enumerate(data_a.batches(len(sentences), 4, 100 * parts), start=1):
        loss = model(input_ids=sentences[chosen], labels=sentences[chosen]).loss
        if divided:
            loss = loss / parts
        loss.backward()
        seen += loss.item()
        if number % parts == 0:
            optimizer.step()
            optimizer.zero_grad()
            recorder.log(loss=seen)
            seen = 0.0


def make_neox() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(4)
    config = GPTNeoXConfig(
        vocab_size=32,
        hidden_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=160,
        max_position_embeddings=32,
        bos_token_id=0,
        eos_token_id=1,
    )
    model = GPTNeoXForCausalLM(config)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)


def train_neox(model: Any, optimizer: Any, recorder: Any, *, empty: bool = True) -> None:
    from tests.zoo import data_a

    sentences = data_a.chains(4000, 20, seed=1)
    model.train()
    for chosen in data_a.batches(len(sentences), 32, 150):
        if empty:
            optimizer.zero_grad()
        loss = model(input_ids=sentences[chosen], labels=sentences[chosen]).loss
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_chains(model: Any) -> float:
    """Return how often the next word is guessed; the frequencies alone give about 0.09."""
    import torch

    from tests.zoo import data_a

    sentences = data_a.chains(200, 20, seed=2)
    model.eval()
    with torch.no_grad():
        found = model(input_ids=sentences).logits.argmax(-1)[:, :-1]
    return (found == sentences[:, 1:]).float().mean().item()


MEMBERS = [
    Member(
        name="gpt2-64-chars-adamw",
        family="GPT-2",
        make=make_writer,
        train=train_writer,
        score=score_writer,
        learned=0.25,
        needs=NEEDS,
    ),
    Member(
        name="gpt2-64-chars-softmax-twice",
        family="GPT-2",
        make=make_writer,
        train=partial(train_writer, twice=True),
        score=score_writer,
        learned=0.25,
        fault="softmax before cross-entropy",
        root=("GL106",),
        symptoms=("GL101", "GL402"),
        counterpart="gpt2-64-chars-adamw",
        needs=NEEDS,
    ),
    Member(
        name="gpt2-128-chars-bf16-autocast",
        family="GPT-2",
        make=partial(make_writer, width=128, layers=2, dropout=0.0, rate=2e-3, seed=1),
        train=train_autocast,
        score=score_writer,
        learned=0.25,
        needs=NEEDS,
    ),
    Member(
        name="gpt2-128-chars-view-for-transpose",
        family="GPT-2",
        make=partial(make_writer, width=128, layers=2, dropout=0.0, rate=2e-3, seed=1),
        train=partial(train_autocast, view=True),
        score=score_writer,
        learned=0.25,
        fault="view in place of transpose before the loss",
        root=("GL402",),
        counterpart="gpt2-128-chars-bf16-autocast",
        needs=NEEDS,
    ),
    Member(
        name="gpt2-96-sort-scaled-checkpointed",
        family="GPT-2",
        make=make_sorter,
        train=train_sorter,
        score=score_sorter,
        learned=0.75,
        needs=NEEDS,
    ),
    Member(
        name="gpt2-96-sort-steps-skipped",
        family="GPT-2",
        make=make_sorter,
        train=partial(train_sorter, growth_interval=1, growth_factor=2.0**16),
        score=score_sorter,
        learned=0.75,
        fault="a scaler that grows too fast skips nearly every step",
        root=("GL307",),
        symptoms=("GL302", "GL402"),
        counterpart="gpt2-96-sort-scaled-checkpointed",
        needs=NEEDS,
    ),
    Member(
        name="opt-64-chains-accumulated",
        family="OPT",
        make=make_opt,
        train=train_chains,
        score=score_chains,
        learned=0.3,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="opt-64-chains-accumulated-not-divided",
        family="OPT",
        make=make_opt,
        train=partial(train_chains, divided=False),
        score=score_chains,
        learned=0.3,
        fault="losses of an accumulation summed",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL102", "GL402"),
        counterpart="opt-64-chains-accumulated",
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="neox-80-chains-nesterov",
        family="GPT-NeoX",
        make=make_neox,
        train=train_neox,
        score=score_chains,
        learned=0.3,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="neox-80-chains-gradients-kept",
        family="GPT-NeoX",
        make=make_neox,
        train=partial(train_neox, empty=False),
        score=score_chains,
        learned=0.3,
        fault="zero_grad forgotten",
        root=("GL104",),
        symptoms=("GL303", "GL304", "GL401", "GL402"),
        counterpart="neox-80-chains-nesterov",
        needs=NEEDS,
        fast=True,
    ),
]
