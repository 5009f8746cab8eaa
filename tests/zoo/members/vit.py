"""Vision transformers of timm: LayerScale, warm-up; distillation; a rate of SGD."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("timm", "torchvision", "sklearn")


def make_vit(*, rate: float = 2e-3) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=16,
        patch_size=4,
        in_chans=1,
        num_classes=10,
        embed_dim=64,
        depth=3,
        num_heads=4,
        init_values=1e-3,
        drop_path_rate=0.05,
    )
    return model, torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)


def train_vit(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(16)
    steps = 300
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.05, total_iters=20)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps - 20)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm_up, decay], milestones=[20])
    criterion = nn.CrossEntropyLoss()
    model.train()
    for batch in data_b.batches(len(y), 48, steps):
        loss = criterion(model(x[batch]), y[batch])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss)


def score(model: Any) -> float:
    from tests.zoo import data_b

    _, _, x, y = data_b.digits(16)
    return data_b.accuracy(model, x, y)


def make_deit() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from timm.models.deit import VisionTransformerDistilled

    torch.manual_seed(1)
    model = VisionTransformerDistilled(
        img_size=16, patch_size=4, in_chans=1, num_classes=10, embed_dim=48, depth=3, num_heads=3
    )
    model.set_distilled_training(True)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98))


def train_deit(model: Any, optimizer: Any, recorder: Any) -> None:
    """Teach one head by labels, the other by the soft answers of a logistic regression."""
    import torch
    import torch.nn.functional as F
    from sklearn.linear_model import LogisticRegression

    from tests.zoo import data_b

    x, y, _, _ = data_b.digits(16)
    teacher = LogisticRegression(max_iter=100).fit(x.flatten(1).numpy(), y.numpy())
    soft = torch.from_numpy(teacher.predict_proba(x.flatten(1).numpy())).float()
    model.train()
    for batch in data_b.batches(len(y), 48, 300, seed=1):
        by_label, by_teacher = model(x[batch])
        distance = F.kl_div(F.log_softmax(by_teacher, 1), soft[batch], reduction="batchmean")
        loss = 0.5 * F.cross_entropy(by_label, y[batch]) + 0.5 * distance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


MEMBERS = [
    Member(
        name="vit-64-layerscale-warm-up",
        family="ViT",
        make=make_vit,
        train=train_vit,
        score=score,
        learned=0.7,
        needs=NEEDS,
    ),
    Member(
        name="vit-64-rate-of-sgd-for-adamw",
        family="ViT",
        make=partial(make_vit, rate=0.1),
        train=train_vit,
        score=score,
        learned=0.7,
        fault="learning rate 0.1 for AdamW",
        root=("GL304", "GL303", "GL401"),
        symptoms=("GL402", "GL102", "GL203", "GL101"),
        counterpart="vit-64-layerscale-warm-up",
        needs=NEEDS,
    ),
    Member(
        name="deit-48-distilled",
        family="DeiT",
        make=make_deit,
        train=train_deit,
        score=score,
        learned=0.7,
        needs=NEEDS,
    ),
]
