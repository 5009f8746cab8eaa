"""A tiny GPT-2, rewarded for its completions relative to their group (GRPO)."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member


def make_writer(rate: float = 1e-3, width: int = 64) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_c

    data_c.without_torchvision_operators()
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(30)
    config = GPT2Config(
        vocab_size=12,
        n_positions=8,
        n_embd=width,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    return model, torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)


def complete(model: Any, prompt: Any) -> tuple[Any, Any]:
    """Sample six tokens after each prompt; return all, and the share that repeats the prompt."""
    import torch

    tokens = prompt[:, None]
    model.eval()
    with torch.no_grad():
        for _ in range(6):
            chance = model(tokens).logits[:, -1].softmax(-1)
            tokens = torch.cat((tokens, chance.multinomial(1)), 1)
    return tokens, (tokens[:, 1:] == prompt[:, None]).float().mean(1)


def train_writer(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    for _ in range(120):
        prompt = torch.randint(12, (12,)).repeat_interleave(8)
        tokens, reward = complete(model, prompt)
        group = reward.view(12, 8)
        gain = group - group.mean(1, keepdim=True)
        gain = (gain / (group.std(1, keepdim=True) + 1e-4)).flatten()
        model.train()
        log_chance = model(tokens[:, :-1]).logits.log_softmax(-1)
        log_chance = log_chance.gather(2, tokens[:, 1:, None])[:, :, 0]
        ratio = (log_chance - log_chance.detach()).exp()
        loss = -(ratio * gain[:, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss)


def score_writer(model: Any) -> float:
    """Return the mean reward of fresh completions (guessing gives 1 / 12)."""
    import torch

    torch.manual_seed(31)
    return complete(model, torch.arange(12).repeat(20))[1].mean().item()


WRITER = {
    "family": "GPT-2 with GRPO",
    "train": train_writer,
    "score": score_writer,
    "learned": 0.4,
    "watch": {"objective": "moving"},
    "needs": ("transformers",),
}

MEMBERS = [
    Member(name="gpt2-64-grpo", make=make_writer, **WRITER),
    Member(
        name="gpt2-64-grpo-rate-1e-6",
        make=partial(make_writer, 1e-6),
        fault="learning rate of 1e-6",
        root=("GL302", "GL312"),
        symptoms=("GL402",),
        counterpart="gpt2-64-grpo",
        **WRITER,
    ),
]
