"""A third fresh batch, labelled before gradlab saw it: words, sounds, signals."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member

# Mamba of transformers; the rate falls, or by a slip rises, tenfold at each milestone.


def make_mamba() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(501)
    config = MambaConfig(
        vocab_size=24,
        hidden_size=48,
        state_size=8,
        num_hidden_layers=2,
        use_cache=False,
    )
    model = MambaForCausalLM(config)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_mamba(model: Any, optimizer: Any, recorder: Any, *, gamma: float = 0.1) -> None:
    """Multiply the rate by `gamma` after 110 and after 150 of 180 steps."""
    import torch

    from tests.zoo import data_a

    sentences = data_a.chains(2000, 12, seed=1, words=24, sharp=4.0)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [110, 150], gamma)
    model.train()
    for batch in data_a.batches(len(sentences), 24, 180):
        loss = model(input_ids=sentences[batch], labels=sentences[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_mamba(model: Any) -> float:
    """Return how often the next word is the one foretold."""
    import torch

    from tests.zoo import data_a

    words = data_a.chains(300, 12, seed=2, words=24, sharp=4.0)
    model.eval()
    with torch.no_grad():
        foretold = model(input_ids=words).logits[:, :-1].argmax(-1)
    return (foretold == words[:, 1:]).float().mean().item()


# DeBERTa of transformers, trained on six topics, then fine-tuned on pairs of them: small rates.


def make_deberta(*, steps: int = 150) -> tuple[Any, Any]:
    """Train it on six topics for `steps` steps, then give it a new head for three."""
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    torch.manual_seed(510)
    config = DebertaV2Config(
        vocab_size=60,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
        relative_attention=True,
        position_biased_input=False,
        pos_att_type=["p2c", "c2p"],
        pooler_hidden_size=64,
        num_labels=6,
    )
    model = DebertaV2ForSequenceClassification(config)
    before = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = data_a.topics(2000, seed=3, spread=1.5)
    model.train()
    for batch in data_a.batches(len(y), 32, steps, seed=3):
        before.zero_grad()
        model(input_ids=x[batch], labels=y[batch]).loss.backward()
        before.step()
    model.zero_grad()
    model.classifier = torch.nn.Linear(64, 3)
    torch.nn.init.normal_(model.classifier.weight, std=0.02)
    torch.nn.init.zeros_(model.classifier.bias)
    model.num_labels = 3
    model.config.num_labels = 3
    model.deberta.embeddings.requires_grad_(False)
    groups = [
        {"params": model.deberta.encoder.parameters(), "lr": 2e-5},
        {"params": model.pooler.parameters(), "lr": 2e-5},
        {"params": model.classifier.parameters(), "lr": 1e-3},
    ]
    return model, torch.optim.AdamW(groups)


def train_deberta(model: Any, optimizer: Any, recorder: Any) -> None:
    """Fine-tune with dropout while one label in ten is wrong."""
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(1000, seed=1, spread=1.5)
    drawn = torch.Generator().manual_seed(21)
    wrong = torch.rand(len(y), generator=drawn) < 0.1
    label = torch.where(wrong, torch.randint(3, y.shape, generator=drawn), y // 2)
    model.train()
    for batch in data_a.batches(len(y), 16, 180):
        loss = model(input_ids=x[batch], labels=label[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_deberta(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(500, seed=2, spread=1.5)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(-1) == y // 2).float().mean().item()


# Whisper of transformers writes down six tones; AdamW's fourth argument is no weight decay.


@cache
def melodies(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectrograms (count, 8, 24) of six tones, and the tones (count, 6) from 3 to 12."""
    import torch

    sound = torch.randn(10, 8, generator=torch.Generator().manual_seed(22))
    drawn = torch.Generator().manual_seed(seed)
    tones = torch.randint(10, (count, 6), generator=drawn)
    heard = sound[tones].repeat_interleave(4, 1).mT
    return heard + 0.4 * torch.randn(heard.shape, generator=drawn), tones + 3


def make_whisper(*, fourth: float = 1e-8) -> tuple[Any, Any]:
    """Build it; the `fourth` argument of AdamW is epsilon."""
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(526)
    config = WhisperConfig(
        vocab_size=13,
        num_mel_bins=8,
        d_model=48,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=96,
        decoder_ffn_dim=96,
        max_source_positions=12,
        max_target_positions=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
        use_cache=False,
    )
    model = WhisperForConditionalGeneration(config)
    return model, torch.optim.AdamW(model.parameters(), 3e-3, (0.9, 0.98), fourth)


def train_whisper(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    x, tones = melodies(2000, 1)
    model.train()
    for batch in data_a.batches(len(x), 32, 250):
        loss = model(input_features=x[batch], labels=tones[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_whisper(model: Any) -> float:
    import torch

    x, tones = melodies(300, 2)
    model.eval()
    with torch.no_grad():
        return (
            (model(input_features=x, labels=tones).logits.argmax(-1) == tones).float().mean().item()
        )


# FNet of transformers; LambdaLR is given a rate where it wants a factor.

RATE = 2e-3


def make_fnet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import FNetConfig, FNetForSequenceClassification

    torch.manual_seed(527)
    config = FNetConfig(
        vocab_size=60,
        hidden_size=64,
        num_hidden_layers=3,
        intermediate_size=128,
        max_position_embeddings=32,
        num_labels=6,
    )
    model = FNetForSequenceClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=RATE)


def train_fnet(model: Any, optimizer: Any, recorder: Any, *, peak: float = 1.0) -> None:
    """Warm up over 20 steps to `peak` times the optimizer's rate, then let it fall evenly."""
    import torch

    from tests.zoo import data_a

    steps = 200
    x, y = data_a.topics(2000, seed=1, spread=1.5)

    def course(step: int) -> float:
        return peak * min((step + 1) / 20, (steps - step) / (steps - 20))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, course)
    model.train()
    for batch in data_a.batches(len(y), 32, steps):
        loss = model(input_ids=x[batch], labels=y[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_fnet(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(500, seed=2, spread=1.5)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(-1) == y).float().mean().item()


# A bidirectional GRU says which of three kinds of pulse came first; batch_first is forgotten.


@cache
def pulses(count: int, seed: int) -> tuple[Any, Any]:
    """Return noisy series (count, 16, 3) with a pulse in each of three rows, and the first one."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    when = torch.rand(count, 13, generator=drawn).topk(3, 1).indices
    x = 0.2 * torch.randn(count, 16, 3, generator=drawn)
    x[torch.arange(count)[:, None], when, torch.arange(3)] += 2.0
    return x, when.argmin(1)


def make_pulses(*, batch_first: bool = True) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class FirstPulse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(3, 32, bidirectional=True, batch_first=batch_first)
            self.norm = nn.LayerNorm(64)
            self.head = nn.Linear(64, 3)

        def forward(self, x: Any) -> Any:
            read, _ = self.gru(x)
            return self.head(self.norm(read[:, -1]))

    torch.manual_seed(525)
    model = FirstPulse()
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


def train_pulses(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, first = pulses(4000, 1)
    for batch in data_c.batches(len(x), 48, 300):
        loss = functional.cross_entropy(model(x[batch]), first[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_pulses(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *pulses(960, 2))


# EEGNet on the signals of two devices of different offset; batch by batch from one of them.


@cache
def signals(count: int, seed: int) -> tuple[Any, Any]:
    """Return signals (count, 1, 6, 64) and their kind of four; every second is of device two."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(4, (count,), generator=drawn)
    time = torch.arange(64) / 64
    rate = torch.where(kind % 2 == 0, 6.0, 11.0)[:, None, None]
    phase = 6.2832 * torch.rand(count, 1, 1, generator=drawn)
    source = torch.sin(6.2832 * rate * time + phase)
    places = torch.tensor([[1.0, 0.8, 0.5, 0.2, 0.0, 0.0], [0.0, 0.0, 0.2, 0.5, 0.8, 1.0]])
    signal = places[kind // 2][:, :, None] * source
    signal = signal + 0.5 * torch.randn(count, 6, 64, generator=drawn)
    offset = torch.where(torch.arange(count) % 2 == 0, 4.0, -4.0)
    return (signal + offset[:, None, None])[:, None], kind


def make_eegnet() -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(524)
    model = nn.Sequential(
        nn.Conv2d(1, 8, (1, 15), padding="same", bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, (6, 1), groups=8, bias=False),
        nn.BatchNorm2d(16),
        nn.ELU(),
        nn.AvgPool2d((1, 4)),
        nn.Dropout(0.25),
        nn.Conv2d(16, 16, (1, 7), padding="same", groups=16, bias=False),
        nn.Conv2d(16, 16, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ELU(),
        nn.AvgPool2d((1, 4)),
        nn.Flatten(),
        nn.Linear(64, 4),
    )
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_eegnet(model: Any, optimizer: Any, recorder: Any, *, apart: bool = False) -> None:
    """Train on batches of both devices; `apart`: of one and the other in turn."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    x, kind = signals(1600, 1)
    both = data_c.batches(len(x), 40, 250)
    half = data_c.batches(len(x) // 2, 40, 250)
    model.train()
    for step in range(250):
        batch = 2 * next(half) + step % 2 if apart else next(both)
        loss = functional.cross_entropy(model(x[batch]), kind[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_eegnet(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.accuracy(model, *signals(600, 2))


MAMBA = {
    "family": "Mamba",
    "make": make_mamba,
    "score": score_mamba,
    "learned": 0.5,
    "needs": ("transformers",),
}

MEMBERS = [
    Member(name="fresh3-mamba-48-chains", train=train_mamba, **MAMBA),
    Member(
        name="fresh3-mamba-48-chains-gamma-10",
        train=partial(train_mamba, gamma=10.0),
        fault="gamma=10 for gamma=0.1: the rate rises tenfold at each milestone",
        root=("GL303", "GL304", "GL401"),
        symptoms=("GL001", "GL102", "GL103", "GL202", "GL203", "GL402"),
        counterpart="fresh3-mamba-48-chains",
        **MAMBA,
    ),
    Member(
        name="fresh3-deberta-64-finetuned",
        family="DeBERTa",
        make=make_deberta,
        train=train_deberta,
        score=score_deberta,
        learned=0.75,
        needs=("transformers", "sklearn"),
    ),
    Member(
        name="fresh3-whisper-48-fourth-argument",
        family="Whisper",
        make=partial(make_whisper, fourth=0.1),
        train=train_whisper,
        score=score_whisper,
        learned=0.6,
        fault="AdamW's fourth argument, meant as weight decay 0.1, is epsilon",
        root=("GL306", "GL312"),
        symptoms=("GL302", "GL402"),
        needs=("transformers",),
    ),
    Member(
        name="fresh3-fnet-64-rate-for-factor",
        family="FNet",
        make=make_fnet,
        train=partial(train_fnet, peak=RATE),
        score=score_fnet,
        learned=0.7,
        fault="LambdaLR gets the rate where it wants a factor: 2e-3 times 2e-3",
        root=("GL302", "GL312"),
        symptoms=("GL402",),
        needs=("transformers", "sklearn"),
    ),
    Member(
        name="fresh3-gru-32-pulses-time-first",
        family="bidirectional GRU",
        make=partial(make_pulses, batch_first=False),
        train=train_pulses,
        score=score_pulses,
        learned=0.7,
        fault="batch_first forgotten: the GRU runs over the examples",
        root=("GL402",),
    ),
    Member(
        name="fresh3-eegnet-8-devices-apart",
        family="EEGNet",
        make=make_eegnet,
        train=partial(train_eegnet, apart=True),
        score=score_eegnet,
        learned=0.7,
        fault="each batch is of one of two devices: BatchNorm's averages fit neither",
        root=("GL405",),
        symptoms=("GL403",),
    ),
]
