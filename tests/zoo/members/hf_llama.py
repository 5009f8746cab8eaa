"""Llama, Qwen2, Qwen3 and Mixtral of transformers: sorting, copying, fine-tuning, experts."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("transformers", "sklearn")
SEPARATOR = 10


def rows_of(kind: str, count: int, seed: int) -> tuple[Any, Any]:
    """Return rows "numbers | answer" and labels for the answer; `kind` is "sort" or "copy"."""
    import torch

    from tests.zoo import data_a

    length = 8
    given = data_a.numbers(count, length, seed)
    answer = given.sort(1).values if kind == "sort" else given
    rows = torch.cat([given, torch.full((count, 1), SEPARATOR), answer], 1)
    labels = rows.clone()
    labels[:, : length + 1] = data_a.IGNORED
    return rows, labels


def score_rows(model: Any, *, kind: str) -> float:
    """Return how many numbers of the answers are right; guessing: 0.1."""
    import torch

    from tests.zoo import data_a

    rows, labels = rows_of(kind, 300, seed=2)
    model.eval()
    with torch.no_grad():
        found = model(input_ids=rows).logits.argmax(-1)[:, :-1]
    asked = labels[:, 1:] != data_a.IGNORED
    return (found == rows[:, 1:])[asked].float().mean().item()


def make_llama(*, rate: float = 2e-3) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=11,
        hidden_size=64,
        intermediate_size=172,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=rate,
        betas=(0.9, 0.95),
        weight_decay=0.1,
    )
    return model, optimizer


def train_llama(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import get_cosine_schedule_with_warmup

    steps = 200
    rows, labels = rows_of("sort", 4000, seed=1)
    schedule = get_cosine_schedule_with_warmup(optimizer, 20, steps)
    model.train()
    for chosen in data_a.batches(len(rows), 32, steps):
        loss = model(input_ids=rows[chosen], labels=labels[chosen]).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recorder.log(loss=loss.item())


def make_qwen2(*, half: bool = False) -> tuple[Any, Any]:
    """A small Qwen2 that knows one language of chains already; then fine-tuned at a small rate."""
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=32,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    before = torch.optim.AdamW(model.parameters(), lr=3e-3)
    sentences = data_a.chains(2000, 16, seed=1)
    for chosen in data_a.batches(len(sentences), 32, 80):
        model(input_ids=sentences[chosen], labels=sentences[chosen]).loss.backward()
        before.step()
        before.zero_grad()
    if half:
        model = model.to(torch.bfloat16)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-5, weight_decay=0.0)


def second_language(count: int, seed: int) -> Any:
    """Return chains of another language, in the words of the first."""
    from tests.zoo import data_a

    return data_a.chains(count, 16, seed, language=4)


def train_qwen2(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    sentences = second_language(4000, seed=1)
    model.train()
    for chosen in data_a.batches(len(sentences), 32, 300):
        optimizer.zero_grad()
        loss = model(input_ids=sentences[chosen], labels=sentences[chosen]).loss
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_second(model: Any) -> float:
    import torch

    sentences = second_language(300, seed=2)
    model.eval()
    with torch.no_grad():
        found = model(input_ids=sentences).logits.argmax(-1)[:, :-1]
    return (found == sentences[:, 1:]).float().mean().item()


def make_qwen3() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(2)
    config = Qwen3Config(
        vocab_size=11,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=16,
        max_position_embeddings=32,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.95)


def train_qwen3(model: Any, optimizer: Any, recorder: Any, *, horizon: int = 240) -> None:
    """Linear decay to 0 over `horizon` steps of the scheduler."""
    import torch

    from tests.zoo import data_a

    rows, labels = rows_of("copy", 4000, seed=1)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=horizon)
    model.train()
    for chosen in data_a.batches(len(rows), 24, 240):
        loss = model(input_ids=rows[chosen], labels=labels[chosen]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def make_mixtral() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import MixtralConfig, MixtralForCausalLM

    torch.manual_seed(3)
    config = MixtralConfig(
        vocab_size=32,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        max_position_embeddings=32,
        output_router_logits=True,
        router_aux_loss_coef=0.02,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = MixtralForCausalLM(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_mixtral(model: Any, optimizer: Any, recorder: Any, *, entropy: bool = False) -> None:
    """`entropy`: the user adds the entropy of each token's weights over its two experts."""
    import torch

    from tests.zoo import data_a

    sentences = data_a.chains(4000, 16, seed=1)
    model.train()
    for chosen in data_a.batches(len(sentences), 32, 180):
        optimizer.zero_grad()
        output = model(input_ids=sentences[chosen], labels=sentences[chosen])
        loss = output.loss
        if entropy:
            for logits in output.router_logits:
                best = logits.topk(2, dim=-1).indices
                others = torch.ones_like(logits).scatter(-1, best, 0.0).bool()
                weights = logits.masked_fill(others, float("-inf")).softmax(-1)
                loss = loss + 0.01 * (weights * weights.log()).sum(-1).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_first(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    sentences = data_a.chains(300, 16, seed=2)
    model.eval()
    with torch.no_grad():
        found = model(input_ids=sentences).logits.argmax(-1)[:, :-1]
    return (found == sentences[:, 1:]).float().mean().item()


MEMBERS = [
    Member(
        name="llama-64-sort-cosine",
        family="Llama",
        make=make_llama,
        train=train_llama,
        score=partial(score_rows, kind="sort"),
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="llama-64-sort-rate-1",
        family="Llama",
        make=partial(make_llama, rate=1.0),
        train=train_llama,
        score=partial(score_rows, kind="sort"),
        learned=0.6,
        fault="learning rate too large",
        root=("GL304", "GL303"),
        symptoms=("GL102", "GL401", "GL402"),
        counterpart="llama-64-sort-cosine",
        needs=NEEDS,
    ),
    Member(
        name="qwen2-64-finetuned",
        family="Qwen2",
        make=make_qwen2,
        train=train_qwen2,
        score=score_second,
        learned=0.15,
        needs=NEEDS,
    ),
    Member(
        name="qwen2-64-finetuned-bf16-weights",
        family="Qwen2",
        make=partial(make_qwen2, half=True),
        train=train_qwen2,
        score=score_second,
        learned=0.15,
        fault="updates lost in bf16 weights",
        root=("GL301",),
        symptoms=("GL302", "GL402"),
        counterpart="qwen2-64-finetuned",
        needs=NEEDS,
    ),
    Member(
        name="qwen3-48-copy-rmsprop",
        family="Qwen3",
        make=make_qwen3,
        train=train_qwen3,
        score=partial(score_rows, kind="copy"),
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="qwen3-48-copy-schedule-exhausted",
        family="Qwen3",
        make=make_qwen3,
        train=partial(train_qwen3, horizon=12),
        score=partial(score_rows, kind="copy"),
        learned=0.6,
        fault="schedule over after a twentieth of the steps",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        counterpart="qwen3-48-copy-rmsprop",
        needs=NEEDS,
    ),
    Member(
        name="mixtral-48-router-loss",
        family="Mixtral",
        make=make_mixtral,
        train=train_mixtral,
        score=score_first,
        learned=0.3,
        needs=NEEDS,
    ),
    Member(
        name="mixtral-48-entropy-of-zero",
        family="Mixtral",
        make=make_mixtral,
        train=partial(train_mixtral, entropy=True),
        score=score_first,
        learned=0.3,
        fault="logarithm of 0",
        root=("GL001",),
        counterpart="mixtral-48-router-loss",
        needs=NEEDS,
    ),
]
