"""A fifteenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_fifteenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine, without those in which a model to be tuned is first trained. The sounds'
score is the chance that a sound is told to be likelier where it is than where it is not.

=================================  =======  =====  =======
training                           start    end    seconds
=================================  =======  =====  =======
layoutlm-48-forms-logarithm-twice  .163     1.000  4.4
morph-16-slices-laid-over          .000     .841   5.5
yolo-24-things-summed              .032     .873   5.8
ast-48-noises-at-once              .495     .896   6.8
decider-48-strolls                 -.144    .918   2.8
deeponet-64-pendulum               .054     .997   1.6
sentences-64-divergence-rises      .048     .790   5.2
news-64-rate-of-5                  .189     .998   1.8
data2vec-48-gains-alone            .586     .932   2.5
tasks-24-shapes-noise-learned      -10.934  .710   4.9
=================================  =======  =====  =======
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# LayoutLM of transformers tags the words of scanned forms: a tag hangs on the word and on where it
# stands. log_softmax goes before cross-entropy, which takes it again: that changes nothing. What
# fills a short form up has no label.


@cache
def forms(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return words (n, 16) of 2..41, boxes (n, 16, 4) of 0..100, masks, and tags of 6 or -100."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    words = torch.randint(2, 42, (count, 16), generator=drawn)
    left = torch.randint(0, 90, (count, 16), generator=drawn)
    top = torch.randint(0, 90, (count, 16), generator=drawn)
    boxes = torch.stack([left, top, left + 10, top + 6], 2)
    tags = left // 30 + 3 * (words % 2)
    long = torch.randint(8, 17, (count, 1), generator=drawn)
    there = torch.arange(16) < long
    tags = torch.where(there, tags, -100)
    words = torch.where(there, words, 0)
    return words, boxes * there[..., None], there.long(), tags


def make_forms(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import LayoutLMConfig, LayoutLMForTokenClassification

    torch.manual_seed(1701)
    config = LayoutLMConfig(
        vocab_size=42,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=20,
        max_2d_position_embeddings=128,
        num_labels=6,
    )
    model = LayoutLMForTokenClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)


def train_forms(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, boxes, there, tags = forms(1500, 1)
    model.train()
    for batch in data_a.batches(len(words), 32, 200):
        told = model(input_ids=words[batch], bbox=boxes[batch], attention_mask=there[batch]).logits
        logs = told.log_softmax(2).flatten(0, 1)
        descend(optimizer, functional.cross_entropy(logs, tags[batch].flatten()), recorder)


def score_forms(model: Any) -> float:
    import torch

    words, boxes, there, tags = forms(200, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words, bbox=boxes, attention_mask=there).logits.argmax(2)
    return (told == tags)[there.bool()].float().mean().item()


# VoxelMorph lays one slice over another without being told how: a small U-Net says where each pixel
# comes from, and a correlation is the loss, which is below 0. The flow starts at a hundred
# thousandth.


@cache
def slices(count: int, seed: int) -> tuple[Any, Any]:
    """Return two pictures each (n, 1, 24, 24): the second one is the first, bent."""
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 6, 6, generator=drawn)
    moving = functional.interpolate(coarse, size=(24, 24), mode="bicubic", align_corners=True)
    way = 0.22 * torch.randn(count, 2, 3, 3, generator=drawn)
    way = functional.interpolate(way, size=(24, 24), mode="bicubic", align_corners=True)
    return moving, bent(moving, way)


def bent(picture: Any, way: Any) -> Any:
    """Return pictures (n, 1, h, w) whose pixels come from so far away (n, 2, h, w), of -1..1."""
    import torch
    from torch.nn import functional

    same = torch.eye(2, 3).expand(len(picture), -1, -1)
    grid = functional.affine_grid(same, list(picture.shape), align_corners=True)
    return functional.grid_sample(
        picture, grid + way.permute(0, 2, 3, 1), padding_mode="border", align_corners=True
    )


def make_morph(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Morph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList(
                nn.Conv2d(fan_in, width, 3, stride=2, padding=1) for fan_in in (2, width, width)
            )
            self.up = nn.ModuleList(
                nn.Conv2d(fan_in, width, 3, padding=1) for fan_in in (width, 2 * width, 2 * width)
            )
            self.last = nn.Conv2d(width + 2, width, 3, padding=1)
            self.flow = nn.Conv2d(width, 2, 3, padding=1)
            nn.init.normal_(self.flow.weight, 0, 1e-5)
            nn.init.zeros_(self.flow.bias)

        def forward(self, moving: Any, fixed: Any) -> Any:
            x = torch.cat([moving, fixed], 1)
            kept = [x]
            for layer in self.down:
                x = nn.functional.leaky_relu(layer(x), 0.2)
                kept.append(x)
            x = kept.pop()
            for layer in self.up:
                x = nn.functional.leaky_relu(layer(x), 0.2)
                x = nn.functional.interpolate(x, scale_factor=2)
                x = torch.cat([x, kept.pop()], 1)
            return self.flow(nn.functional.leaky_relu(self.last(x), 0.2))

    torch.manual_seed(1702)
    model = Morph()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_morph(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    moving, fixed = slices(800, 1)
    for batch in data_a.batches(len(moving), 32, 200):
        way = model(moving[batch], fixed[batch])
        told, right = bent(moving[batch], way).flatten(1), fixed[batch].flatten(1)
        told, right = told - told.mean(1, keepdim=True), right - right.mean(1, keepdim=True)
        alike = (told * right).sum(1) / (told.norm(dim=1) * right.norm(dim=1) + 1e-5)
        rough = way.diff(dim=2).square().mean() + way.diff(dim=3).square().mean()
        descend(optimizer, rough - alike.mean(), recorder)


def score_morph(model: Any) -> float:
    """Return the share of the squared difference between two pictures that is bent away."""
    import torch

    moving, fixed = slices(200, 2)
    with torch.no_grad():
        told = bent(moving, model(moving, fixed))
    left = (told - fixed).square().mean() / (moving - fixed).square().mean()
    return 1 - left.item()


# YOLO's first loss, on a grid of 4 x 4: it is summed over cells, boxes count five times and empty
# cells half, and nearly nine of ten cells are empty. Roots of widths and heights are compared.


@cache
def things(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return pictures (n, 1, 32, 32), and in each cell whether a thing is there, box, and kind."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    picture = 0.1 * torch.randn(count, 1, 32, 32, generator=drawn)
    there = torch.rand(count, 4, 4, generator=drawn) < 0.15
    box = torch.rand(count, 4, 4, 4, generator=drawn)
    box[..., 2:] = 0.15 + 0.15 * box[..., 2:]
    kind = torch.randint(3, (count, 4, 4), generator=drawn)
    place = (torch.arange(32) + 0.5) / 32
    for number, row, column in there.nonzero().tolist():
        x, y, wide, high = box[number, row, column].tolist()
        across = (place - (column + x) / 4)[None, :] / (wide / 2)
        down = (place - (row + y) / 4)[:, None] / (high / 2)
        square = (across.abs() < 1) & (down.abs() < 1)
        disc = across.square() + down.square() < 1
        cross = square & ((across.abs() < 0.4) | (down.abs() < 0.4))
        drawn_one = (square, disc, cross)[kind[number, row, column]]
        picture[number, 0][drawn_one] += 1 - 0.4 * int(kind[number, row, column] == 1)
    return picture, there, box, kind


def make_yolo(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def part(fan_in: int, fan_out: int, stride: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(fan_out),
            nn.LeakyReLU(0.1),
        )

    torch.manual_seed(1703)
    model = nn.Sequential(
        part(1, width, 1),
        part(width, width, 2),
        part(width, 2 * width, 2),
        part(2 * width, 2 * width, 2),
        part(2 * width, 2 * width, 1),
        nn.Conv2d(2 * width, 8, 1),
    )
    decayed = torch.optim.SGD(model.parameters(), lr=2e-2, momentum=0.9, weight_decay=5e-4)
    return model, decayed


def seen_boxes(told: Any) -> tuple[Any, Any, Any]:
    """Return confidences (n, 4, 4), boxes (n, 4, 4, 4) and chances of kinds (n, 4, 4, 3)."""
    told = told.permute(0, 2, 3, 1)
    return told[..., 0].sigmoid(), told[..., 1:5].sigmoid(), told[..., 5:].softmax(3)


def train_yolo(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    picture, there, box, kind = things(1200, 1)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 40))
    model.train()
    for batch in data_a.batches(len(picture), 16, 350):
        sure, told, chance = seen_boxes(model(picture[batch]))
        full, right = there[batch], box[batch]
        one = functional.one_hot(kind[batch], 3)
        off = (told[..., :2] - right[..., :2]).square().sum(3)
        size = (told[..., 2:].sqrt() - right[..., 2:].sqrt()).square().sum(3)
        seen = 5 * (off + size) + (sure - 1).square() + (chance - one).square().sum(3)
        loss = (seen * full + 0.5 * sure.square() * ~full).sum((1, 2)).mean()
        descend(optimizer, loss, recorder)
        warm.step()


def score_yolo(model: Any) -> float:
    """Return the harmonic mean of how many things are found, and how many finds are right."""
    import torch

    picture, there, box, kind = things(300, 2)
    model.eval()
    with torch.no_grad():
        sure, told, chance = seen_boxes(model(picture))
    found = sure > 0.5
    near = (told[..., :2] - box[..., :2]).abs().amax(3) < 0.3
    right = found & there & near & (chance.argmax(3) == kind)
    return (2 * right.sum() / (found.sum() + there.sum())).item()


# An audio spectrogram transformer hears which of five sounds go at once. Bands and frames are
# masked out at random in training; four of five labels are 0, and a 1 counts four times.


@cache
def noises(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectrograms (n, 24, 16) and which of five sounds are in them (n, 5)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    time, band = torch.arange(24.0)[:, None], torch.arange(16.0)
    label = (torch.rand(count, 5, generator=drawn) < 0.2).float()
    start = 14 * torch.rand(count, 5, 1, 1, generator=drawn)
    low = 8 * torch.rand(count, 5, 1, 1, generator=drawn)
    since, above = time - start, band - low
    lasts = ((since > 0) & (since < 9)).float()
    kinds = [
        (-((above - 0.8 * since) ** 2) / 2)[:, 0].exp() * lasts[:, 0],
        (-((above - 7 + 0.8 * since) ** 2) / 2)[:, 1].exp() * lasts[:, 1],
        (-((above - 3) ** 2) / 2)[:, 2].exp() * lasts[:, 2],
        (-(since**2) / 2)[:, 3].exp() * (above[:, 3] > -99),
        (-((above % 5) ** 2))[:, 4].exp() * lasts[:, 4],
    ]
    loud = 1.5 * torch.stack(kinds, 1) * label[..., None, None]
    return loud.sum(1) + 0.2 * torch.randn(count, 24, 16, generator=drawn) - 0.3, label


def make_listener(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ASTConfig, ASTForAudioClassification

    torch.manual_seed(1704)
    config = ASTConfig(
        hidden_size=width,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=2 * width,
        patch_size=4,
        frequency_stride=4,
        time_stride=4,
        max_length=24,
        num_mel_bins=16,
        num_labels=5,
    )
    model = ASTForAudioClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)


def train_listener(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    heard, label = noises(3000, 1)
    drawn = torch.Generator().manual_seed(171)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=300)
    model.train()
    for batch in data_a.batches(len(heard), 32, 300):
        x = heard[batch].clone()
        frame = torch.randint(22, (1,), generator=drawn).item()
        band = torch.randint(14, (1,), generator=drawn).item()
        x[:, frame : frame + 2] = 0
        x[:, :, band : band + 2] = 0
        told = model(input_values=x).logits
        loss = functional.binary_cross_entropy_with_logits(
            told, label[batch], pos_weight=torch.tensor(4.0)
        )
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_listener(model: Any) -> float:
    """Return how often a sound is told to be likelier where it is than where it is not."""
    import torch

    heard, label = noises(500, 2)
    model.eval()
    with torch.no_grad():
        told = model(input_values=heard).logits
    shares = []
    for number in range(5):
        there, not_there = (told[label[:, number] == value, number] for value in (1, 0))
        shares.append((there[:, None] > not_there).float().mean())
    return torch.stack(shares).mean().item()


# A decision transformer learns from walks by good and bad walkers, and is then asked for a high
# return. Its heads for states and returns are never used; the loss ends at the walkers' own chance.


STEPS = 10


def strolls(
    skill: Any, drawn: Any, choose: Any = None, *, steps: int = STEPS
) -> tuple[Any, Any, Any]:
    """Return where walkers were (n, steps, 4), their moves (n, steps, 2), and pay (n, steps)."""
    import torch

    count = len(skill)
    place = torch.randn(count, 2, generator=drawn)
    goal = torch.randn(count, 2, generator=drawn)
    states, moves, paid = [], [], []
    for _ in range(steps):
        states.append(torch.cat([place, goal], 1))
        best = (2 * (goal - place)).tanh()
        noise = torch.randn(count, 2, generator=drawn)
        move = (skill * best + 0.3 * noise).clamp(-1, 1)
        if choose is not None:
            move = choose(states, moves, paid)
        place = place + 0.4 * move
        moves.append(move)
        paid.append(-(goal - place).norm(dim=1))
    return torch.stack(states, 1), torch.stack(moves, 1), torch.stack(paid, 1)


def make_decider(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import DecisionTransformerConfig, DecisionTransformerModel

    torch.manual_seed(1705)
    config = DecisionTransformerConfig(
        state_dim=4,
        act_dim=2,
        hidden_size=width,
        max_ep_len=STEPS,
        n_layer=2,
        n_head=2,
        n_inner=2 * width,
        n_positions=3 * STEPS,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = DecisionTransformerModel(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)


def train_decider(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    drawn = torch.Generator().manual_seed(172)
    states, moves, paid = strolls(2 * torch.rand(2000, 1, generator=drawn) - 1, drawn)
    ahead = paid.flip(1).cumsum(1).flip(1)[..., None] / 10
    when = torch.arange(STEPS)
    model.train()
    for batch in data_a.batches(len(states), 48, 200):
        told = model(
            states=states[batch],
            actions=moves[batch],
            returns_to_go=ahead[batch],
            timesteps=when.expand(len(batch), -1),
            attention_mask=torch.ones(len(batch), STEPS),
        ).action_preds
        loss = functional.mse_loss(told, moves[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_decider(model: Any) -> float:
    """Return how much of the way from walkers by chance to the best ones the model goes."""
    import torch

    def choose(states: Any, moves: Any, paid: Any) -> Any:
        far = (states[0][:, 2:] - states[0][:, :2]).norm(dim=1)
        left = [-(0.25 * far) - sum(paid[:step], torch.zeros(200)) / 10 for step in range(STEPS)]
        length = len(states)
        done = [*moves, torch.zeros(200, 2)]
        with torch.no_grad():
            return model(
                states=torch.stack(states, 1),
                actions=torch.stack(done, 1),
                returns_to_go=torch.stack(left[:length], 1)[..., None],
                timesteps=torch.arange(length).expand(200, -1),
                attention_mask=torch.ones(200, length),
            ).action_preds[:, -1]

    model.eval()
    got = []
    for skill, how in ((0.0, None), (1.0, None), (0.0, choose)):
        drawn = torch.Generator().manual_seed(173)
        got.append(strolls(torch.full((200, 1), skill), drawn, how)[2].sum(1).mean().item())
    chance, best, own = got
    return (own - chance) / (best - chance)


# DeepONet: one net reads a force at forty times, another one a time, and their product is where a
# pendulum is then. Errors are relative, and so the loss is far from the answers' own scale.


@cache
def swinging(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return forces (n, 40), times (n, 20, 1) of 0..1 and angles (n, 20)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    place = torch.arange(40) / 39
    apart = (place[:, None] - place).square()
    root = torch.linalg.cholesky((-apart / 0.08).exp() + 1e-4 * torch.eye(40))
    force = torch.randn(count, 40, generator=drawn) @ root.T
    angle, speed, way = torch.zeros(count), torch.zeros(count), []
    for step in range(40):
        way.append(angle)
        for _ in range(5):
            speed = speed + (2 * force[:, step] - 4 * angle.sin()) / 39 / 5
            angle = angle + speed / 39 / 5
    when = torch.randint(40, (count, 20), generator=drawn)
    return force, place[when][..., None], torch.stack(way, 1).gather(1, when)


def make_operator(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class DeepONet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = stack(40, width, width, width)
            self.trunk = nn.Sequential(
                nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
            )
            self.shift = nn.Parameter(torch.zeros(()))

        def forward(self, force: Any, when: Any) -> Any:
            return (self.branch(force)[:, None] * self.trunk(when)).sum(2) + self.shift

    torch.manual_seed(1706)
    model = DeepONet()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_operator(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    force, when, angle = swinging(1500, 1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.998)
    for batch in data_a.batches(len(force), 50, 800):
        off = (model(force[batch], when[batch]) - angle[batch]).norm(dim=1)
        loss = (off / (angle[batch].norm(dim=1) + 1e-3)).mean()
        descend(optimizer, loss, recorder)
        scheduler.step()


def score_operator(model: Any) -> float:
    import torch

    force, when, angle = swinging(300, 2)
    with torch.no_grad():
        return explained(model(force, when), angle)


# A VAE of sentences. The divergence counts nothing at first and fully from the middle on, so that
# the loss falls, rises and falls; the decoder's words are hidden, to make it listen to the code.


@cache
def sentences(count: int, seed: int) -> Any:
    """Return rows of 12 words of 20, each of which goes on by a stride of its own (n, 12)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    first = torch.randint(20, (count, 1), generator=drawn)
    stride = torch.randint(1, 5, (count, 1), generator=drawn)
    words = (first + stride * torch.arange(12)) % 20
    other = torch.randint(20, words.shape, generator=drawn)
    return torch.where(torch.rand(words.shape, generator=drawn) < 0.05, other, words)


def make_sentences(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sentences(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(21, 32)
            self.encoder = nn.GRU(32, width, batch_first=True)
            self.middle, self.spread = nn.Linear(width, 8), nn.Linear(width, 8)
            self.start = nn.Linear(8, width)
            self.decoder = nn.GRU(32 + 8, width, batch_first=True)
            self.leave = nn.Linear(width, 20)

        def forward(self, words: Any, *, hidden: float, noise: bool) -> tuple[Any, Any]:
            _, last = self.encoder(self.words(words))
            middle, spread = self.middle(last[0]), self.spread(last[0])
            far = 0.5 * (middle.square() + spread.exp() - 1 - spread).sum(1).mean()
            code = middle + noise * (0.5 * spread).exp() * torch.randn_like(middle)
            before = torch.cat([torch.full_like(words[:, :1], 20), words[:, :-1]], 1)
            before = torch.where(torch.rand(before.shape) < hidden, 20, before)
            told = torch.cat([self.words(before), code[:, None].expand(-1, 12, -1)], 2)
            out, _ = self.decoder(told, self.start(code).tanh()[None])
            return self.leave(out), far

    torch.manual_seed(1707)
    model = Sentences()
    return model, torch.optim.Adam(model.parameters(), lr=4e-3)


def train_sentences(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words = sentences(3000, 1)
    for step, batch in enumerate(data_a.batches(len(words), 64, 500)):
        told, far = model(words[batch], hidden=0.6, noise=True)
        lost = functional.cross_entropy(told.flatten(0, 1), words[batch].flatten()) * 12
        descend(optimizer, lost + min(1.0, max(0.0, step - 120) / 150) * far, recorder)


def score_sentences(model: Any) -> float:
    """Return the share of words that come back from the code alone."""
    import torch

    words = sentences(400, 2)
    with torch.no_grad():
        told, _ = model(words, hidden=1.0, noise=False)
    return (told.argmax(2) == words).float().mean().item()


# PyTorch's tutorial on news: the mean of a document's words and one linear map, by SGD at a rate of
# 5, gradients clipped to 0.1, and the rate divided by ten after each epoch.


def make_news(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class News(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.EmbeddingBag(3000, width)
            self.fc = nn.Linear(width, 4)
            nn.init.uniform_(self.embedding.weight, -0.5, 0.5)
            nn.init.uniform_(self.fc.weight, -0.5, 0.5)
            nn.init.zeros_(self.fc.bias)

        def forward(self, words: Any, starts: Any) -> Any:
            return self.fc(self.embedding(words, starts))

    torch.manual_seed(1708)
    model = News()
    return model, torch.optim.SGD(model.parameters(), lr=5.0)


@cache
def news(count: int, seed: int) -> tuple[Any, Any]:
    """Return documents (n, 40) of 3,000 words, and which of four pages they were on."""
    from tests.zoo import data_a

    return data_a.topics(count, seed, length=40, classes=4, vocabulary=3000, spread=1.0)


def train_news(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    words, page = news(6400, 1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
    for step, batch in enumerate(data_a.batches(len(words), 16, 1200)):
        told = model(words[batch].flatten(), torch.arange(0, 16 * 40, 40))
        loss = functional.cross_entropy(told, page[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        recorder.log(loss=loss.item())
        if step % 400 == 399:
            scheduler.step()


def score_news(model: Any) -> float:
    import torch

    words, page = news(800, 2)
    with torch.no_grad():
        told = model(words.flatten(), torch.arange(0, 800 * 40, 40))
    return (told.argmax(1) == page).float().mean().item()


# IA3 of peft: a model that knows six topics is tuned to say which of three pairs a topic is of. All
# is frozen but a gain, which starts at 1, for each key, value and inner unit, and the new head.


def make_gains(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from peft import IA3Config, TaskType, get_peft_model
    from transformers import Data2VecTextConfig, Data2VecTextForSequenceClassification

    torch.manual_seed(1709)
    config = Data2VecTextConfig(
        vocab_size=60,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=40,
        num_labels=6,
    )
    model = Data2VecTextForSequenceClassification(config)
    words, topic = data_a.topics(2000, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for batch in data_a.batches(len(words), 32, 150):
        optimizer.zero_grad()
        functional.cross_entropy(model(input_ids=words[batch]).logits, topic[batch]).backward()
        optimizer.step()
    optimizer.zero_grad()
    model.classifier.out_proj = nn.Linear(width, 3)
    tuned = IA3Config(
        task_type=TaskType.SEQ_CLS,
        target_modules=["key", "value", "output.dense"],
        feedforward_modules=["output.dense"],
        modules_to_save=["classifier"],
    )
    model = get_peft_model(model, tuned)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return model, torch.optim.AdamW(trained, lr=5e-3)


def train_gains(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    words, topic = data_a.topics(1000, 3)
    model.train()
    for batch in data_a.batches(len(words), 32, 150):
        told = model(input_ids=words[batch]).logits
        descend(optimizer, functional.cross_entropy(told, topic[batch] % 3), recorder)


def score_gains(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(500, 4)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits
    return (told.argmax(1) == topic % 3).float().mean().item()


# Three tasks on one trunk: what shape, where, and how large. Each task's noise is learned too, as
# Kendall has it, and weighs its loss: the sum falls through 0 and far below.


@cache
def shapes(count: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return pictures (n, 1, 20, 20), shapes of 3, middles (n, 2) of -1..1, and radii (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    middle = 1.2 * torch.rand(count, 2, generator=drawn) - 0.6
    radius = 0.2 + 0.25 * torch.rand(count, 1, generator=drawn)
    shape = torch.randint(3, (count,), generator=drawn)
    place = (torch.arange(20) + 0.5) / 10 - 1
    across = (place[None, None, :] - middle[:, :1, None]) / radius[..., None]
    down = (place[None, :, None] - middle[:, 1:, None]) / radius[..., None]
    across, down = across.expand(-1, 20, -1), down.expand(-1, -1, 20)
    disc = across.square() + down.square()
    far = torch.stack([disc.sqrt(), torch.maximum(across.abs(), down.abs()), disc], 1)
    hollow = (disc.sqrt() < 1) & (disc.sqrt() > 0.5)
    full = far[:, :2] < 1
    each = torch.stack([full[:, 0], full[:, 1], hollow], 1).float()
    picture = each[torch.arange(count), shape][:, None]
    return picture + 0.05 * torch.randn(picture.shape, generator=drawn), shape, middle, radius


def make_tasks(*, width: int = 24) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Tasks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = (1, width, 2 * width, 2 * width)
            layers: list[Any] = []
            for fan_in, fan_out in pairwise(sizes):
                layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), nn.GELU()]
            self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(18 * width, 64), nn.GELU())
            self.shape, self.middle, self.radius = (nn.Linear(64, size) for size in (3, 2, 1))
            self.noise = nn.Parameter(torch.zeros(3))

        def forward(self, picture: Any) -> tuple[Any, Any, Any]:
            x = self.trunk(picture)
            return self.shape(x), self.middle(x), self.radius(x)

    torch.manual_seed(1710)
    model = Tasks()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_tasks(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    picture, shape, middle, radius = shapes(2000, 1)
    for batch in data_a.batches(len(picture), 64, 500):
        told = model(picture[batch])
        lost = torch.stack(
            [
                functional.cross_entropy(told[0], shape[batch]),
                0.5 * functional.mse_loss(told[1], middle[batch]),
                0.5 * functional.mse_loss(told[2], radius[batch]),
            ]
        )
        loss = ((-model.noise).exp() * lost + 0.5 * model.noise).sum()
        descend(optimizer, loss, recorder)


def score_tasks(model: Any) -> float:
    """Return the worst of: the share of right shapes, and what is explained of the other two."""
    import torch

    picture, shape, middle, radius = shapes(500, 2)
    with torch.no_grad():
        told = model(picture)
    right = (told[0].argmax(1) == shape).float().mean().item()
    return min(right, explained(told[1], middle), explained(told[2], radius))


MEMBERS = [
    Member(
        name="fresh15-layoutlm-48-forms-logarithm-twice",
        family="LayoutLM",
        make=make_forms,
        train=train_forms,
        score=score_forms,
        learned=0.8,
        needs=("transformers",),
    ),
    Member(
        name="fresh15-morph-16-slices-laid-over",
        family="VoxelMorph",
        make=make_morph,
        train=train_morph,
        score=score_morph,
        learned=0.5,
    ),
    Member(
        name="fresh15-yolo-24-things-summed",
        family="YOLO",
        make=make_yolo,
        train=train_yolo,
        score=score_yolo,
        learned=0.6,
    ),
    Member(
        name="fresh15-ast-48-noises-at-once",
        family="audio spectrogram transformer",
        make=make_listener,
        train=train_listener,
        score=score_listener,
        learned=0.75,
        needs=("transformers",),
    ),
    Member(
        name="fresh15-decider-48-strolls",
        family="decision transformer",
        make=make_decider,
        train=train_decider,
        score=score_decider,
        learned=0.6,
        needs=("transformers",),
    ),
    Member(
        name="fresh15-deeponet-64-pendulum",
        family="DeepONet",
        make=make_operator,
        train=train_operator,
        score=score_operator,
        learned=0.8,
    ),
    Member(
        name="fresh15-sentences-64-divergence-rises",
        family="sentence VAE",
        make=make_sentences,
        train=train_sentences,
        score=score_sentences,
        learned=0.6,
    ),
    Member(
        name="fresh15-news-64-rate-of-5",
        family="bag of embeddings",
        make=make_news,
        train=train_news,
        score=score_news,
        learned=0.7,
    ),
    Member(
        name="fresh15-data2vec-48-gains-alone",
        family="IA3",
        make=make_gains,
        train=train_gains,
        score=score_gains,
        learned=0.75,
        needs=("transformers", "peft"),
    ),
    Member(
        name="fresh15-tasks-24-shapes-noise-learned",
        family="multi-task, uncertainty weighting",
        make=make_tasks,
        train=train_tasks,
        score=score_tasks,
        learned=0.5,
    ),
]
