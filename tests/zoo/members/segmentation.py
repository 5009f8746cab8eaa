"""A U-Net by hand finds discs in noise; a sigmoid before the loss that has its own."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member


def scenes(examples: int, seed: int) -> tuple[Any, Any]:
    """Draw one to three discs on 24 x 24 noisy pixels; return images and masks."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    masks = torch.zeros(examples, 1, 24, 24)
    for number in range(examples):
        for _ in range(int(torch.randint(1, 4, (1,), generator=generator))):
            row, column = (4 + 16 * torch.rand(2, generator=generator)).tolist()
            radius = float(1.5 + 2.0 * torch.rand(1, generator=generator))
            inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
            masks[number, 0][inside] = 1.0
    images = masks + 0.6 * torch.randn(masks.shape, generator=generator)
    return images, masks


def make() -> tuple[Any, Any]:
    import torch
    from torch import nn

    def double(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1 = double(1, 16)
            self.down2 = double(16, 32)
            self.middle = double(32, 64)
            self.rise2 = nn.ConvTranspose2d(64, 32, 2, stride=2)
            self.up2 = double(64, 32)
            self.rise1 = nn.ConvTranspose2d(32, 16, 2, stride=2)
            self.up1 = double(32, 16)
            self.output = nn.Conv2d(16, 1, 1)
            self.pool = nn.MaxPool2d(2)

        def forward(self, x: Any) -> Any:
            first = self.down1(x)
            second = self.down2(self.pool(first))
            deep = self.middle(self.pool(second))
            second = self.up2(torch.cat([second, self.rise2(deep)], dim=1))
            first = self.up1(torch.cat([first, self.rise1(second)], dim=1))
            return self.output(first)

    torch.manual_seed(0)
    model = UNet()
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)


def train(model: Any, optimizer: Any, recorder: Any, *, twice: bool = False) -> None:
    import torch
    from torch import nn

    from tests.zoo import data_b

    images, masks = scenes(256, seed=1)
    criterion = nn.BCEWithLogitsLoss()
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=120, power=0.9)
    model.train()
    for batch in data_b.batches(256, 16, 120):
        output = model(images[batch])
        if twice:
            output = torch.sigmoid(output)
        loss = criterion(output, masks[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score(model: Any, *, twice: bool = False) -> float:
    """Return the intersection over union of 64 held-out scenes."""
    import torch

    images, masks = scenes(64, seed=2)
    model.eval()
    with torch.no_grad():
        output = model(images)
        found = torch.sigmoid(output.sigmoid() if twice else output) > 0.5
    model.train()
    wanted = masks > 0.5
    return ((found & wanted).sum() / (found | wanted).sum()).item()


MEMBERS = [
    Member(
        name="unet-16-discs-sgd-poly",
        family="U-Net",
        make=make,
        train=train,
        score=score,
        learned=0.5,
    ),
    Member(
        name="unet-16-sigmoid-twice",
        family="U-Net",
        make=make,
        train=partial(train, twice=True),
        score=partial(score, twice=True),
        learned=0.5,
        fault="sigmoid before a loss that applies its own",
        root=("GL106",),
        symptoms=("GL402", "GL101", "GL202"),
        counterpart="unet-16-discs-sgd-poly",
    ),
]
