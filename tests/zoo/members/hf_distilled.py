"""A teacher distilled into a smaller student: BERT into DistilBERT, ViT into ViT."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("transformers", "sklearn")
TEMPERATURE = 2.0


@cache
def bert_teacher() -> Any:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(10)
    config = BertConfig(
        vocab_size=60,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
        num_labels=6,
    )
    model = BertForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = data_a.topics(2000, seed=1)
    for chosen in data_a.batches(len(y), 32, 180):
        model(input_ids=x[chosen], labels=y[chosen]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def make_student() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    bert_teacher()
    data_a.allow_torchvision()
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(11)
    config = DistilBertConfig(
        vocab_size=60,
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        max_position_embeddings=32,
        num_labels=6,
    )
    model = DistilBertForSequenceClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_student(model: Any, optimizer: Any, recorder: Any, *, other_order: bool = False) -> None:
    """The teacher's answers are computed once; `other_order`: by a loader that shuffles."""
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_a

    x, _ = data_a.topics(2000, seed=1)
    order = torch.arange(len(x))
    if other_order:
        order = torch.randperm(len(x), generator=data_a.generator(4))
    with torch.no_grad():
        answers = bert_teacher()(input_ids=x[order]).logits
    model.train()
    for chosen in data_a.batches(len(x), 32, 250):
        optimizer.zero_grad()
        logits = model(input_ids=x[chosen]).logits
        loss = TEMPERATURE**2 * F.kl_div(
            (logits / TEMPERATURE).log_softmax(-1),
            (answers[chosen] / TEMPERATURE).softmax(-1),
            reduction="batchmean",
        )
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_student(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(500, seed=2)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(-1) == y).float().mean().item()


def make_vit(width: int, layers: int, seed: int) -> Any:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        num_labels=10,
    )
    return ViTForImageClassification(config)


@cache
def vit_teacher() -> Any:
    import torch

    from tests.zoo import data_a

    model = make_vit(64, 2, seed=12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y, _, _ = data_a.digits()
    for chosen in data_a.batches(len(y), 32, 200):
        model(pixel_values=2 * x[chosen] - 1, labels=y[chosen]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def make_small_vit() -> tuple[Any, Any]:
    import torch

    vit_teacher()
    model = make_vit(64, 1, seed=13)
    return model, torch.optim.NAdam(model.parameters(), lr=1e-3)


def train_small_vit(model: Any, optimizer: Any, recorder: Any, *, detached: bool = False) -> None:
    """The student follows the teacher's answers and its last hidden states."""
    import torch
    import torch.nn.functional as F

    from tests.zoo import data_a

    x, _, _, _ = data_a.digits()
    teacher = vit_teacher()
    model.train()
    for chosen in data_a.batches(len(x), 32, 250):
        images = 2 * x[chosen] - 1
        with torch.no_grad():
            wanted = teacher(pixel_values=images, output_hidden_states=True)
        output = model(pixel_values=images, output_hidden_states=True)
        logits = output.logits.detach() if detached else output.logits
        likeness = F.mse_loss(output.hidden_states[-1], wanted.hidden_states[-1])
        answers = F.kl_div(logits.log_softmax(-1), wanted.logits.softmax(-1), reduction="batchmean")
        loss = answers + 0.1 * likeness
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_small_vit(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    _, _, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        return (model(pixel_values=2 * x - 1).logits.argmax(-1) == y).float().mean().item()


MEMBERS = [
    Member(
        name="distilled-bert-32",
        family="distillation",
        make=make_student,
        train=train_student,
        score=score_student,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="distilled-bert-32-other-order",
        family="distillation",
        make=make_student,
        train=partial(train_student, other_order=True),
        score=score_student,
        learned=0.6,
        fault="teacher's answers belong to other examples",
        root=("GL402",),
        counterpart="distilled-bert-32",
        needs=NEEDS,
    ),
    Member(
        name="distilled-vit-64",
        family="distillation",
        make=make_small_vit,
        train=train_small_vit,
        score=score_small_vit,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="distilled-vit-64-answers-detached",
        family="distillation",
        make=make_small_vit,
        train=partial(train_small_vit, detached=True),
        score=score_small_vit,
        learned=0.6,
        fault="student's answers detached",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where=r"classifier",
        counterpart="distilled-vit-64",
        needs=NEEDS,
    ),
]
