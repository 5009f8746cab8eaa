"""A twelfth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. The ten with a fault are in fresh_twelfth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core. Glow's score is in nats a pixel; of the palindromes' hidden letters, .83 can be known.

======================================  =====  =====  =======
training                                start  end    seconds
======================================  =====  =====  =======
sasrec-32-histories-filled              .080   .581   3.7
listener-96-half-hidden                 .125   .491   1.5
pixels-32-digits-masked                 -.757  .153   3.3
glow-32-digits                          -.259  .788   4.1
masked-48-palindromes-any-share-hidden  .136   .808   4.5
voices-64-summed-gains-slowed           .188   1.000  2.2
xcit-48-digits-layerscale               .131   .847   4.4
longformer-48-topics                    .175   .850   5.1
codec-32-sounds-three-books             -.009  .884   2.2
fixmatch-32-digits-thirty-labels        .175   .928   4.3
======================================  =====  =====  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fourth import descend
from tests.zoo.members.fresh_tenth import score_digits, swings

# SASRec foretells what a visitor takes next. Short histories are filled with item 0 on the left,
# more than half of all places; the table of items reads the answers too; one item that was not
# taken is drawn beside each that was.


@cache
def histories(count: int, seed: int) -> Any:
    """Return histories (count, 17) of items 1 to 60, filled with 0 on the left."""
    import torch

    from tests.zoo import data_a

    rows = data_a.chains(count, 17, seed, words=60, language=12, sharp=2.5) + 1
    kept = torch.randint(3, 18, (count, 1), generator=torch.Generator().manual_seed(seed + 9))
    return torch.where(torch.arange(17) >= 17 - kept, rows, 0)


def make_sasrec(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sasrec(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.items = nn.Embedding(61, width, padding_idx=0)
            self.places = nn.Embedding(16, width)
            layer = nn.TransformerEncoderLayer(
                width, 2, width, 0.2, batch_first=True, norm_first=True
            )
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.norm = nn.LayerNorm(width)

        def forward(self, rows: Any) -> Any:
            x = width**0.5 * self.items(rows) + self.places.weight
            x = x * (rows > 0)[..., None]
            mask = nn.Transformer.generate_square_subsequent_mask(16)
            return self.norm(self.body(x, mask=mask, is_causal=True))

    torch.manual_seed(1401)
    model = Sasrec()
    with torch.no_grad():
        model.items.weight.normal_(0, 0.02)
        model.items.weight[0] = 0
    return model, torch.optim.Adam(model.parameters(), lr=5e-3, betas=(0.9, 0.98))


def train_sasrec(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    rows = histories(4000, 1)
    drawn = torch.Generator().manual_seed(141)
    model.train()
    for batch in data_a.batches(len(rows), 32, 350):
        before, after = rows[batch, :-1], rows[batch, 1:]
        others = torch.randint(1, 61, after.shape, generator=drawn)
        seen = model(before)
        taken = (seen * model.items(after)).sum(2)
        left = (seen * model.items(others)).sum(2)
        missed = functional.softplus(-taken) + functional.softplus(left)
        descend(optimizer, missed[before > 0].mean(), recorder)


def score_sasrec(model: Any) -> float:
    """Return how often what comes next is among the five items of 60 that are foretold."""
    import torch

    rows = histories(800, 2)
    model.eval()
    with torch.no_grad():
        told = model(rows[:, :-1])[:, -1] @ model.items.weight[1:].T
    return (told.topk(5).indices + 1 == rows[:, -1:]).any(1).float().mean().item()


# Mult-VAE: half of what a listener heard is hidden from the net, which is to tell all of it. The
# loss is a sum over some twenty pieces, and the divergence's share of it grows from 0.


@cache
def listeners(count: int, seed: int) -> Any:
    """Return who heard which of 200 pieces (count, 200), by two of twelve styles."""
    import torch

    drawn = torch.Generator().manual_seed(142)
    styles = (2 * torch.randn(12, 200, generator=drawn)).softmax(1)
    drawn = torch.Generator().manual_seed(seed)
    liked = torch.rand(count, 12, generator=drawn).argsort(1)[:, :2]
    heard = torch.multinomial(styles[liked].mean(1), 24, generator=drawn)
    return torch.zeros(count, 200).scatter_(1, heard, 1.0)


def make_listener(*, width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Listener(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hide = nn.Dropout(0.5)
            self.encoder = nn.Sequential(nn.Linear(200, width), nn.Tanh(), nn.Linear(width, 48))
            self.decoder = nn.Sequential(nn.Linear(24, width), nn.Tanh(), nn.Linear(width, 200))

        def forward(self, x: Any) -> tuple[Any, Any, Any]:
            mean, spread = self.encoder(self.hide(nn.functional.normalize(x))).chunk(2, 1)
            code = mean
            if self.training:
                code = mean + (spread / 2).exp() * torch.randn_like(mean)
            return self.decoder(code), mean, spread

    torch.manual_seed(1402)
    model = Listener()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_listener(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    x = listeners(3000, 1)
    model.train()
    for step, batch in enumerate(data_a.batches(len(x), 100, 500)):
        told, mean, spread = model(x[batch])
        missed = -(told.log_softmax(1) * x[batch]).sum(1).mean()
        apart = (mean.square() + spread.exp() - 1 - spread).sum(1).mean() / 2
        descend(optimizer, missed + min(0.3, step / 1000) * apart, recorder)


def score_listener(model: Any) -> float:
    """Return the share of twelve hidden pieces among the 24 that are told of the other twelve."""
    import torch

    x = listeners(500, 2)
    drawn = torch.Generator().manual_seed(143)
    known = torch.zeros_like(x)
    known.scatter_(1, (x + torch.rand(x.shape, generator=drawn)).topk(12).indices, 1.0)
    model.eval()
    with torch.no_grad():
        told = model(known)[0] - 1e9 * known
    return (x - known).gather(1, told.topk(24).indices).sum(1).mean().item() / 12


# PixelCNN draws digits pixel by pixel: a mask hides from each convolution what comes later, so
# that nearly half of all weights have a gradient of 0 for ever.


@cache
def levels() -> tuple[Any, Any]:
    """Return digits of four grey levels (n, 8, 8): known and held out."""
    from tests.zoo import data_a

    x, _, held_out, _ = data_a.digits()
    return (3.999 * x.view(-1, 8, 8)).long(), (3.999 * held_out.view(-1, 8, 8)).long()


def make_pixels(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Masked(nn.Conv2d):
        mask: Any

        def __init__(self, fan_in: int, fan_out: int, size: int, *, own: bool) -> None:
            super().__init__(fan_in, fan_out, size, padding=size // 2)
            mask = torch.ones(size * size)
            mask[size * size // 2 + own :] = 0
            self.register_buffer("mask", mask.view(size, size))

        def forward(self, input: Any) -> Any:
            return self._conv_forward(input, self.weight * self.mask, self.bias)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(width, width // 2, 1),
                nn.ReLU(),
                Masked(width // 2, width // 2, 3, own=True),
                nn.ReLU(),
                nn.Conv2d(width // 2, width, 1),
            )

        def forward(self, x: Any) -> Any:
            return x + self.body(x)

    torch.manual_seed(1403)
    model = nn.Sequential(
        Masked(1, width, 5, own=False),
        *(Block() for _ in range(4)),
        nn.ReLU(),
        nn.Conv2d(width, 4, 1),
    )
    return model, torch.optim.RMSprop(model.parameters(), lr=1e-3)


def train_pixels(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, _ = levels()
    for batch in data_a.batches(len(x), 24, 350):
        told = model(x[batch, None] / 1.5 - 1)
        descend(optimizer, functional.cross_entropy(told, x[batch]), recorder)


def score_pixels(model: Any) -> float:
    """Return by how much the loss is below that of each pixel's frequencies; 1: nothing is left."""
    import torch
    from torch.nn import functional

    known, x = levels()
    usual = functional.one_hot(known, 4).float().mean(0).clamp(min=1e-4)
    usual = usual.log().permute(2, 0, 1).expand(len(x), -1, -1, -1)
    with torch.no_grad():
        left = functional.cross_entropy(model(x[:, None] / 1.5 - 1), x)
    return 1 - (left / functional.nll_loss(usual, x)).item()


# Glow: couplings whose last convolution starts at 0, 1 x 1 convolutions that start as rotations,
# and scales that the first batch sets. The loss is a log-density: it passes through 0.


def make_glow(*, width: int = 32, steps: int = 5) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Step(nn.Module):
        known: Any

        def __init__(self) -> None:
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(4, 1, 1))
            self.shift = nn.Parameter(torch.zeros(4, 1, 1))
            self.register_buffer("known", torch.tensor(False))
            self.turn = nn.Parameter(torch.linalg.qr(torch.randn(4, 4))[0])
            last = nn.Conv2d(width, 4, 3, padding=1)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.net = nn.Sequential(
                nn.Conv2d(2, width, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, width, 1),
                nn.ReLU(),
                last,
            )

        def forward(self, x: Any) -> tuple[Any, Any]:
            if not self.known:
                with torch.no_grad():
                    spread = x.std((0, 2, 3)).view(4, 1, 1)
                    self.log_scale.copy_(-spread.log())
                    self.shift.copy_(-x.mean((0, 2, 3)).view(4, 1, 1) / spread)
                    self.known.fill_(True)
            x = x * self.log_scale.exp() + self.shift
            x = nn.functional.conv2d(x, self.turn[..., None, None])
            left, right = x.chunk(2, 1)
            shift, scale = self.net(left).chunk(2, 1)
            scale = (scale + 2).sigmoid()
            volume = self.log_scale.sum() + torch.linalg.slogdet(self.turn)[1]
            x = torch.cat([left, right * scale + shift], 1)
            return x, 16 * volume + scale.log().sum((1, 2, 3))

    class Glow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.ModuleList(Step() for _ in range(steps))

        def forward(self, x: Any) -> Any:
            """Return each picture's log-density, in nats a pixel."""
            x, total = nn.functional.pixel_unshuffle(x, 2), torch.zeros(len(x))
            for step in self.steps:
                x, volume = step(x)
                total = total + volume
            return (total - (x.square() / 2 + 0.919).sum((1, 2, 3))) / 64

    torch.manual_seed(1404)
    model = Glow()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_glow(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    x = data_a.digits()[0].view(-1, 1, 8, 8)
    drawn = torch.Generator().manual_seed(144)
    for batch in data_a.batches(len(x), 32, 300):
        seen = x[batch] + torch.rand(len(batch), 1, 8, 8, generator=drawn) / 16
        descend(optimizer, -model(seen).mean(), recorder)


def score_glow(model: Any) -> float:
    """Return the log-density of held-out digits, in nats a pixel."""
    import torch

    x = data_digits_held_out()
    seen = x + torch.rand(x.shape, generator=torch.Generator().manual_seed(145)) / 16
    with torch.no_grad():
        return model(seen).mean().item()


def data_digits_held_out() -> Any:
    """Return held-out digits (n, 1, 8, 8)."""
    from tests.zoo import data_a

    return data_a.digits()[2].view(-1, 1, 8, 8)


# A language model by masked diffusion: how much of a row is hidden is drawn anew for each, from
# nearly nothing to all of it, and errors are divided by that share. Single losses lie far apart,
# and most of them cannot come to 0: a number whose twin is hidden too can only be guessed.


def palindromes(count: int, seed: int) -> Any:
    """Return rows (count, 12) of six of eight letters and the same six backwards."""
    import torch

    row = torch.randint(8, (count, 6), generator=torch.Generator().manual_seed(seed))
    return torch.cat([row, row.flip(1)], 1)


def make_masked(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters = nn.Embedding(9, width)
            self.places = nn.Parameter(torch.randn(12, width))
            layer = nn.TransformerEncoderLayer(
                width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 8))

        def forward(self, x: Any) -> Any:
            return self.head(self.body(self.letters(x) + self.places))

    torch.manual_seed(1405)
    model = Masked()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.04)


def train_masked(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x = palindromes(3000, 1)
    drawn = torch.Generator().manual_seed(146)
    for step, batch in enumerate(data_a.batches(len(x), 32, 450)):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 40)
        share = 0.05 + 0.95 * torch.rand(32, 1, generator=drawn)
        hidden = torch.rand(32, 12, generator=drawn) < share
        told = model(x[batch].masked_fill(hidden, 8))
        missed = functional.cross_entropy(told.transpose(1, 2), x[batch], reduction="none")
        descend(optimizer, (missed * hidden / share).mean(), recorder)


def score_masked(model: Any) -> float:
    """Return how often a hidden letter is told where a fifth is hidden; .83 at best."""
    import torch

    x = palindromes(500, 2)
    hidden = torch.rand(x.shape, generator=torch.Generator().manual_seed(147)) < 0.2
    with torch.no_grad():
        told = model(x.masked_fill(hidden, 8)).argmax(2)
    return (told == x)[hidden].float().mean().item()


# GE2E: voices are told apart by an LSTM. The loss is a sum over a batch, the map behind the LSTM
# gets a half of its gradient, and scale and shift of the cosines a hundredth, as was published.


def voices(band: Any, spoken: int, drawn: Any) -> Any:
    """Return what people say (people, spoken, 20, 12): the loudness of twelve bands in 20 frames.

    A voice is which bands (people, 12) grow loud together; how loud they are on average is the
    room's doing.
    """
    import torch

    people = len(band)
    beat = torch.randn(people, spoken, 20, 1, generator=drawn)
    room = 0.4 * torch.randn(people, spoken, 1, 12, generator=drawn)
    noise = 0.3 * torch.randn(people, spoken, 20, 12, generator=drawn)
    return band[:, None, None] * beat + room + noise


def make_voices(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Voices(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(12, width, batch_first=True)
            self.leave = nn.Linear(width, 32)
            self.scale = nn.Parameter(torch.tensor(10.0))
            self.shift = nn.Parameter(torch.tensor(-5.0))

        def forward(self, x: Any) -> Any:
            states, _ = self.lstm(x.flatten(0, 1))
            told = nn.functional.normalize(self.leave(states.mean(1)), dim=1)
            return told.unflatten(0, x.shape[:2])

    torch.manual_seed(1406)
    model = Voices()
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def alike(model: Any, told: Any) -> Any:
    """Return how much each utterance (people x spoken) is like each person's others (people)."""
    import torch
    from torch.nn import functional

    people, spoken = told.shape[:2]
    whole = told.sum(1)
    middle = functional.normalize(whole, dim=1)
    others = functional.normalize(whole[:, None] - told, dim=2)
    cosine = told @ middle.T
    own = torch.eye(people, dtype=torch.bool)[:, None].expand(-1, spoken, -1)
    cosine = torch.where(own, (told * others).sum(2, keepdim=True), cosine)
    return (model.scale.clamp(min=1e-6) * cosine + model.shift).flatten(0, 1)


def train_voices(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    drawn = torch.Generator().manual_seed(148)
    person = torch.arange(8).repeat_interleave(5)
    for _ in range(350):
        optimizer.zero_grad()
        told = alike(model, model(voices(torch.randn(8, 12, generator=drawn), 5, drawn)))
        loss = functional.cross_entropy(told, person, reduction="sum")
        loss.backward()
        for weight in model.leave.parameters():
            weight.grad.mul_(0.5)
        model.scale.grad.mul_(0.01)
        model.shift.grad.mul_(0.01)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_voices(model: Any) -> float:
    """Return how often one of sixteen new voices is known by its other utterances."""
    import torch

    drawn = torch.Generator().manual_seed(149)
    x = voices(torch.randn(16, 12, generator=drawn), 8, drawn)
    with torch.no_grad():
        known = alike(model, model(x)).argmax(1)
    return (known == torch.arange(16).repeat_interleave(8)).float().mean().item()


# XCiT of timm: attention between channels, and LayerScale from 1e-5 in all branches.


def make_xcit() -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from timm.models.xcit import Xcit

    torch.manual_seed(1407)
    net = Xcit(
        img_size=32,
        patch_size=8,
        in_chans=1,
        num_classes=10,
        embed_dim=48,
        depth=2,
        num_heads=4,
        cls_attn_layers=1,
        eta=1e-5,
    )
    model = nn.Sequential(nn.Upsample(scale_factor=4, mode="bilinear"), net)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def train_xcit(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=150)
    model.train()
    for batch in data_b.batches(len(y), 32, 150):
        descend(optimizer, functional.cross_entropy(model(x[batch]), y[batch]), recorder)
        scheduler.step()


# Longformer of transformers: each word looks at eight neighbours, and only the first at all of
# them: its own projections for that are used by one word in forty.


def make_longformer() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import LongformerConfig, LongformerForSequenceClassification

    torch.manual_seed(1408)
    config = LongformerConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=64,
        attention_window=8,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=6,
        pad_token_id=0,
    )
    model: Any = LongformerForSequenceClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_longformer(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, topic = data_a.topics(2000, 1, length=40)
    model.train()
    for step, batch in enumerate(data_a.batches(len(words), 24, 150)):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, (step + 1) / 30)
        descend(optimizer, model(input_ids=words[batch], labels=topic[batch]).loss, recorder)


def score_longformer(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(400, 2, length=40)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits
    return (told.argmax(1) == topic).float().mean().item()


# A codec for sounds: three books of 32 codes, each for what the one before leaves over. The books
# are no parameters but averages of what was coded, and codes without use are drawn anew.


def make_codec(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Codec(nn.Module):
        books: Any
        counts: Any

        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv1d(1, width, 8, 4, 2),
                nn.ELU(),
                nn.Conv1d(width, width, 8, 4, 2),
                nn.ELU(),
                nn.Conv1d(width, 16, 3, 1, 1),
            )
            self.decoder = nn.Sequential(
                nn.Conv1d(16, width, 3, 1, 1),
                nn.ELU(),
                nn.ConvTranspose1d(width, width, 8, 4, 2),
                nn.ELU(),
                nn.ConvTranspose1d(width, 1, 8, 4, 2),
            )
            self.register_buffer("books", 0.1 * torch.randn(3, 32, 16))
            self.register_buffer("counts", torch.zeros(3, 32))

        def follow(self, number: int, left: Any, code: Any) -> None:
            used = nn.functional.one_hot(code, 32).float()
            count = used.sum(0)
            middle = used.T @ left / count.clamp(min=1)[:, None]
            book = self.books[number]
            book[count > 0] += 0.2 * (middle - book)[count > 0]
            self.counts[number].mul_(0.9).add_(0.1 * count)
            idle = self.counts[number] < 0.05
            book[idle] = left[torch.randint(len(left), (int(idle.sum()),))]

        def forward(self, x: Any) -> tuple[Any, Any]:
            code = self.encoder(x)
            left = code.transpose(1, 2).flatten(0, 1)
            coded, apart = torch.zeros_like(left), torch.zeros(())
            for number in range(3):
                book = self.books[number].clone()
                nearest = torch.cdist(left.detach(), book).argmin(1)
                if self.training:
                    self.follow(number, left.detach(), nearest)
                apart = apart + (left - book[nearest]).square().mean()
                coded = coded + book[nearest]
                left = left - book[nearest]
            coded = coded.unflatten(0, (len(x), -1)).transpose(1, 2)
            return self.decoder(code + (coded - code).detach()), apart

    torch.manual_seed(1409)
    model = Codec()
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.8, 0.99))


def sounds(count: int, seed: int) -> Any:
    """Return short sounds (count, 1, 128)."""
    return swings(count, seed)[0].flatten(1)[:, None]


def train_codec(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x = sounds(1500, 21)
    model.train()
    for batch in data_a.batches(len(x), 32, 350):
        told, apart = model(x[batch])
        descend(optimizer, functional.l1_loss(told, x[batch]) + 0.25 * apart, recorder)


def score_codec(model: Any) -> float:
    """Return how much of new sounds comes through."""
    import torch

    x = sounds(300, 22)
    model.eval()
    with torch.no_grad():
        return explained(model(x)[0], x)


# FixMatch: thirty labelled digits, and 1,200 without a label, which count only where the net is
# sure of them: not at all at first, so that this part of the loss rises from 0.


def moved(x: Any, drawn: Any) -> Any:
    """Return pictures (n, 1, 8, 8) moved by up to a pixel."""
    import torch
    from torch.nn import functional

    wide = functional.pad(x, (1, 1, 1, 1))
    down, right = torch.randint(3, (2,), generator=drawn).tolist()
    return wide[:, :, down : down + 8, right : right + 8]


def covered(x: Any, drawn: Any) -> Any:
    """Return pictures (n, 1, 8, 8) moved, noisy, and with 3 x 3 pixels covered."""
    import torch

    x = moved(x, drawn) + 0.2 * torch.randn(x.shape, generator=drawn)
    corner = torch.randint(6, (2, len(x), 1, 1), generator=drawn)
    line = torch.arange(8)
    down = (line[:, None] >= corner[0]) & (line[:, None] < corner[0] + 3)
    right = (line >= corner[1]) & (line < corner[1] + 3)
    return x * ~(down & right)[:, None]


def make_fixmatch(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1410)
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.GroupNorm(4, width),
        nn.LeakyReLU(0.1),
        nn.Conv2d(width, width, 3, padding=1),
        nn.GroupNorm(4, width),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.GroupNorm(4, 2 * width),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Linear(32 * width, 10),
    )
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    return model, optimizer


def train_fixmatch(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits()
    known = torch.cat([(y == digit).nonzero()[:3, 0] for digit in range(10)])
    drawn = torch.Generator().manual_seed(150)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    model.train()
    for batch in data_b.batches(len(y), 48, 300):
        with torch.no_grad():
            chance, guess = model(moved(x[batch], drawn)).softmax(1).max(1)
        told = model(torch.cat([moved(x[known], drawn), covered(x[batch], drawn)]))
        missed = functional.cross_entropy(told[30:], guess, reduction="none")
        loss = functional.cross_entropy(told[:30], y[known]) + (missed * (chance > 0.95)).mean()
        descend(optimizer, loss, recorder)
        scheduler.step()


MEMBERS = [
    Member(
        name="fresh12-sasrec-32-histories-filled",
        family="SASRec",
        make=make_sasrec,
        train=train_sasrec,
        score=score_sasrec,
        learned=0.3,
    ),
    Member(
        name="fresh12-listener-96-half-hidden",
        family="Mult-VAE",
        make=make_listener,
        train=train_listener,
        score=score_listener,
        learned=0.35,
    ),
    Member(
        name="fresh12-pixels-32-digits-masked",
        family="PixelCNN",
        make=make_pixels,
        train=train_pixels,
        score=score_pixels,
        learned=0.1,
    ),
    Member(
        name="fresh12-glow-32-digits",
        family="Glow",
        make=make_glow,
        train=train_glow,
        score=score_glow,
        learned=0.5,
    ),
    Member(
        name="fresh12-masked-48-palindromes-any-share-hidden",
        family="masked diffusion",
        make=make_masked,
        train=train_masked,
        score=score_masked,
        learned=0.5,
    ),
    Member(
        name="fresh12-voices-64-summed-gains-slowed",
        family="GE2E",
        make=make_voices,
        train=train_voices,
        score=score_voices,
        learned=0.6,
    ),
    Member(
        name="fresh12-xcit-48-digits-layerscale",
        family="XCiT",
        make=make_xcit,
        train=train_xcit,
        score=score_digits,
        learned=0.7,
        needs=("timm",),
    ),
    Member(
        name="fresh12-longformer-48-topics",
        family="Longformer",
        make=make_longformer,
        train=train_longformer,
        score=score_longformer,
        learned=0.6,
        needs=("transformers",),
    ),
    Member(
        name="fresh12-codec-32-sounds-three-books",
        family="residual vector quantization",
        make=make_codec,
        train=train_codec,
        score=score_codec,
        learned=0.5,
    ),
    Member(
        name="fresh12-fixmatch-32-digits-thirty-labels",
        family="FixMatch",
        make=make_fixmatch,
        train=train_fixmatch,
        score=score_digits,
        learned=0.7,
    ),
]
