"""A ninth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Each looks odd somewhere and is right. Four of them, on pictures, are in fresh_ninth_pictures, the
ten with a fault in fresh_ninth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine. The sums of hours that were left out come right between steps 150 and 350,
those that are known by step 25.

===========================  =======  ======  =======
training                     start    end     seconds
===========================  =======  ======  =======
operator-24-fluids-complex   .005     .991    2.9
phi-48-preferences           .000     .962    4.2
automaton-8-grows-a-digit    -.252    .905    8.1
tasnet-32-two-sounds         -24.037  11.004  5.1
arcface-16-faces             .015     .840    5.7
splats-160-picture           -4.518   .920    7.0
crosses-8-rare-clicks        .488     .747    0.9
detector-48-shapes-matched   .000     .670    8.9
clock-128-weight-decay-1     .015     1.000   1.6
stablelm-48-prompt-tuned     .112     .620    1.2
===========================  =======  ======  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# A Fourier neural operator foretells a fluid: its weights are complex numbers that start near 0,
# and its loss is the sum of twenty relative errors, as its authors take it.


@cache
def fluids(count: int, seed: int) -> tuple[Any, Any]:
    """Return speeds on a ring (count, 64) now and after a while, by Burgers's equation.

    It is solved exactly by the way of Cole and Hopf.
    """
    import torch

    drawn = torch.Generator().manual_seed(seed)
    place = torch.arange(64, dtype=torch.float64) * 2 * torch.pi / 64
    turns = torch.arange(1, 4, dtype=torch.float64)
    size = torch.randn(count, 3, generator=drawn, dtype=torch.float64) / turns
    phase = 2 * torch.pi * torch.rand(count, 3, generator=drawn, dtype=torch.float64)
    angle = turns[:, None] * place + phase[..., None]
    now = (size[..., None] * angle.sin()).sum(1)
    rise = -(size[..., None] * angle.cos() / turns[:, None]).sum(1)
    heat = torch.fft.rfft(torch.exp(-rise / 0.2))
    number = torch.arange(33, dtype=torch.float64)
    heat = heat * torch.exp(-0.1 * number**2)
    slope = torch.fft.irfft(1j * number * heat, 64)
    then = -0.2 * slope / torch.fft.irfft(heat, 64)
    return now.float(), then.float()


def make_operator(*, width: int = 24, modes: int = 12) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            start = torch.rand(width, width, modes, dtype=torch.cfloat) / width**2
            self.weight = nn.Parameter(start)

        def forward(self, x: Any) -> Any:
            waves = torch.fft.rfft(x)
            kept = torch.einsum("bim,iom->bom", waves[..., :modes], self.weight)
            return torch.fft.irfft(nn.functional.pad(kept, (0, 33 - modes)), 64)

    class Operator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lift = nn.Linear(2, width)
            self.spectral = nn.ModuleList(Spectral() for _ in range(3))
            self.local = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(3))
            self.leave = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, 1))

        def forward(self, now: Any) -> Any:
            place = torch.linspace(0, 1, 64).expand_as(now)
            x = self.lift(torch.stack([now, place], 2)).transpose(1, 2)
            for spectral, local in zip(self.spectral, self.local, strict=True):
                x = nn.functional.gelu(spectral(x) + local(x))
            return self.leave(x.transpose(1, 2))[..., 0]

    torch.manual_seed(1101)
    model = Operator()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)


def train_operator(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    now, then = fluids(800, 1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 80, gamma=0.5)
    for batch in data_a.batches(len(now), 20, 300):
        missed = (model(now[batch]) - then[batch]).norm(dim=1) / then[batch].norm(dim=1)
        descend(optimizer, missed.sum(), recorder)
        scheduler.step()


def score_operator(model: Any) -> float:
    import torch

    now, then = fluids(200, 2)
    with torch.no_grad():
        return explained(model(now), then)


# Direct preference optimization of a language model (Phi of transformers): the loss starts at ln 2,
# where the model is its own reference, and falls slowly, by a small rate that warms up.


@cache
def preferences(count: int, seed: int) -> tuple[Any, Any]:
    """Return pairs of sentences (count, 12) with the same four words first: preferred, other.

    The one with more of eight words of the 32 is preferred.
    """
    import torch

    from tests.zoo import data_a

    one, two = (data_a.chains(8 * count, 12, 2 * seed + each, sharp=2.0) for each in (0, 1))
    one, two = one[one[:, 3].argsort(stable=True)], two[two[:, 3].argsort(stable=True)]
    two[:, :4] = one[:, :4]  # most of the fourth words were the same already
    liked = torch.randperm(32, generator=torch.Generator().manual_seed(5))[:8]
    more = torch.isin(one[:, 4:], liked).sum(1) - torch.isin(two[:, 4:], liked).sum(1)
    first = torch.where(more[:, None] > 0, one, two)
    second = torch.where(more[:, None] > 0, two, one)
    drawn = torch.Generator().manual_seed(seed)
    told = (more.abs() > 1).nonzero()[:, 0]
    told = told[torch.randperm(len(told), generator=drawn)][:count]
    return first[told], second[told]


def make_phi() -> tuple[Any, Any]:
    from copy import deepcopy

    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import PhiConfig, PhiForCausalLM

    torch.manual_seed(1102)
    config = PhiConfig(
        vocab_size=32,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        resid_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    model: Any = PhiForCausalLM(config)
    learner = torch.optim.AdamW(model.parameters(), lr=4e-3)
    words = data_a.chains(3000, 12, 1, sharp=2.0)
    for batch in data_a.batches(len(words), 64, 150):
        learner.zero_grad()
        model(input_ids=words[batch], labels=words[batch]).loss.backward()
        learner.step()
    model.zero_grad()
    model.references = [deepcopy(model).requires_grad_(False)]  # a list, so that it is no part
    return model, torch.optim.AdamW(model.parameters(), lr=2e-4, betas=(0.9, 0.95))


def said(model: Any, words: Any) -> Any:
    """Return the logarithm of the chance (n,) of all words after the fourth."""
    chances = model(input_ids=words[:, :-1]).logits.log_softmax(2)
    return chances.gather(2, words[:, 1:, None])[:, 3:, 0].sum(1)


def liking(model: Any, first: Any, second: Any) -> Any:
    """Return by how much (n,) the first is liked more than the second, against the reference."""
    import torch

    (reference,) = model.references
    with torch.no_grad():
        before = said(reference, first) - said(reference, second)
    return said(model, first) - said(model, second) - before


def train_phi(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    first, second = preferences(1200, 11)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=15)
    model.train()
    for batch in data_a.batches(len(first), 24, 150):
        loss = -functional.logsigmoid(0.1 * liking(model, first[batch], second[batch])).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())
        warmup.step()


def score_phi(model: Any) -> float:
    """Return how often the preferred one of a pair is liked more; at the start, never."""
    import torch

    first, second = preferences(400, 21)
    model.eval()
    with torch.no_grad():
        return (liking(model, first, second) > 0).float().mean().item()


# Conv-TasNet separates two sounds: the loss is minus a ratio in decibels, starts above 0 and ends
# far below it, and whichever order of the two fits better is taken.


def sounds(count: int, drawn: Any) -> Any:
    """Return pairs (count, 2, 512): a tone with overtones that swells, and bursts of noise."""
    import torch

    time = torch.arange(512.0)
    pitch = 0.02 + 0.05 * torch.rand(count, 1, 1, generator=drawn)
    phase = 6.2832 * torch.rand(count, 4, 1, generator=drawn)
    over = torch.arange(1.0, 5)[:, None]
    tone = ((6.2832 * pitch * over * time + phase).sin() / over).sum(1)
    tone = tone * (1 + 0.5 * (6.2832 * time / 512 + phase[:, 0]).sin())
    loud = (torch.randn(count, 16, generator=drawn) > 0).float().repeat_interleave(32, 1)
    noise = torch.randn(count, 512, generator=drawn).diff(dim=1, prepend=torch.zeros(count, 1))
    both = torch.stack([tone, (loud + 0.05) * noise], 1)
    return both / both.square().mean(2, keepdim=True).sqrt()


def make_tasnet(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv1d(width, 2 * width, 1),
                nn.PReLU(),
                nn.GroupNorm(1, 2 * width),
                nn.Conv1d(
                    2 * width,
                    2 * width,
                    3,
                    padding=dilation,
                    dilation=dilation,
                    groups=2 * width,
                ),
                nn.PReLU(),
                nn.GroupNorm(1, 2 * width),
                nn.Conv1d(2 * width, width, 1),
            )

        def forward(self, x: Any) -> Any:
            return x + self.body(x)

    class TasNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Conv1d(1, 48, 16, stride=8, bias=False)
            self.enter = nn.Sequential(nn.GroupNorm(1, 48), nn.Conv1d(48, width, 1))
            self.blocks = nn.Sequential(*(Block(2**each) for each in range(4)))
            self.masks = nn.Sequential(nn.PReLU(), nn.Conv1d(width, 96, 1))
            self.decoder = nn.ConvTranspose1d(48, 1, 16, stride=8, bias=False)

        def forward(self, mixed: Any) -> Any:
            heard = self.encoder(mixed[:, None]).relu()
            masks = self.masks(self.blocks(self.enter(heard))).sigmoid()
            parts = masks.unflatten(1, (2, 48)) * heard[:, None]
            return self.decoder(parts.flatten(0, 1)).view(len(mixed), 2, -1)

    torch.manual_seed(1106)
    model = TasNet()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def clearness(told: Any, true: Any) -> Any:
    """Return the ratio of signal to error, in decibels and free of scale, over the last axis."""
    told, true = (each - each.mean(-1, keepdim=True) for each in (told, true))
    share = (told * true).sum(-1, keepdim=True) / (true.square().sum(-1, keepdim=True) + 1e-8)
    wanted, left = share * true, told - share * true
    return 10 * ((wanted.square().sum(-1) + 1e-8) / (left.square().sum(-1) + 1e-8)).log10()


def separated(model: Any, both: Any) -> Any:
    """Return the decibels (n,) of the better of the two orders."""
    import torch

    told = model(both.sum(1))
    orders = [clearness(told, both).mean(1), clearness(told, both.flip(1)).mean(1)]
    return torch.stack(orders).amax(0)


def train_tasnet(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(51)
    for _ in range(220):
        loss = -separated(model, sounds(8, drawn)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_tasnet(model: Any) -> float:
    """Return by how many decibels the two are clearer than in the mixture."""
    import torch

    both = sounds(100, torch.Generator().manual_seed(52))
    with torch.no_grad():
        before = clearness(both.sum(1, keepdim=True).expand_as(both), both).mean()
        return (separated(model, both).mean() - before).item()


# Clicks, as DCN-v2 foretells them: four in a hundred, so that the last bias starts at -3.2, and all
# that can be known takes the loss from 0.165 to 0.149 and no further.


@cache
def clicks(count: int, seed: int) -> tuple[Any, Any]:
    """Return which of fifty things eight fields name (count, 8), and whether there was a click."""
    import torch

    drawn = torch.Generator().manual_seed(63)
    alone = 0.35 * torch.randn(8, 50, generator=drawn)
    hidden = torch.randn(8, 50, 3, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    chosen = (50 * torch.rand(count, 8, generator=drawn).square()).long()
    fields = torch.arange(8)
    one, two = hidden[0, chosen[:, 0]], hidden[1, chosen[:, 1]]
    logits = alone[fields, chosen].sum(1) + 0.5 * (one * two).sum(1) - 3.9
    return chosen, (torch.rand(count, generator=drawn) < logits.sigmoid()).float()


def make_crosses(*, width: int = 8) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Crosses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            tables = [nn.Embedding(50, width) for _ in range(8)]
            self.tables = nn.ModuleList(tables)
            self.crosses = nn.ModuleList(nn.Linear(8 * width, 8 * width) for _ in range(2))
            self.deep = stack(8 * width, 64, 32)
            self.leave = nn.Linear(8 * width + 32, 1)
            for table in tables:
                nn.init.normal_(table.weight, std=0.1)
            nn.init.constant_(self.leave.bias, -3.2)

        def forward(self, chosen: Any) -> Any:
            x = [table(each) for table, each in zip(self.tables, chosen.T, strict=True)]
            x = crossed = torch.cat(x, 1)
            for cross in self.crosses:
                crossed = x * cross(crossed) + crossed
            return self.leave(torch.cat([crossed, self.deep(x).relu()], 1))[:, 0]

    torch.manual_seed(1109)
    model = Crosses()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_crosses(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    chosen, clicked = clicks(120_000, 1)
    for batch in data_a.batches(len(chosen), 512, 234):
        missed = functional.binary_cross_entropy_with_logits(model(chosen[batch]), clicked[batch])
        descend(optimizer, missed, recorder)


def score_crosses(model: Any) -> float:
    """Return how often a click gets more than none."""
    import torch

    chosen, clicked = clicks(20_000, 2)
    with torch.no_grad():
        told = model(chosen)
    return (told[clicked > 0][:, None] > told[clicked == 0]).float().mean().item()


# Sums of a clock's hours, in the manner of "grokking": all pairs that are known are one batch, the
# weight decay is 1, and pairs that were left out come right long after those that are known.


@cache
def hours(known: bool) -> tuple[Any, Any]:
    """Return pairs of hours (n, 2) of a day of 31, and their sum on the clock."""
    import torch

    pairs = torch.cartesian_prod(torch.arange(31), torch.arange(31))
    pairs = pairs[torch.randperm(961, generator=torch.Generator().manual_seed(64))]
    pairs = pairs[:620] if known else pairs[620:]
    return pairs, pairs.sum(1) % 31


def make_clock(*, width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Clock(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hours = nn.Embedding(31, width)
            self.enter = nn.Linear(width, 2 * width, bias=False)
            self.leave = nn.Linear(2 * width, 31, bias=False)

        def forward(self, pairs: Any) -> Any:
            return self.leave(self.enter(self.hours(pairs).sum(1)).relu())

    torch.manual_seed(1111)
    model = Clock()
    adam = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.98), weight_decay=1.0)
    return model, adam


def train_clock(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    pairs, sums = hours(True)
    for _ in range(500):
        descend(optimizer, functional.cross_entropy(model(pairs), sums), recorder)


def score_clock(model: Any) -> float:
    import torch

    pairs, sums = hours(False)
    with torch.no_grad():
        return (model(pairs).argmax(1) == sums).float().mean().item()


# Prompt tuning by peft: nothing of a language model (StableLM of transformers) learns but six words
# that are put before each sentence, at a rate of 0.05, to tell which of four languages it is.


def tongues(count: int, seed: int, *, languages: tuple[int, ...], told: bool) -> Any:
    """Return sentences of seven words in four languages; `told`: a first word says which."""
    import torch

    from tests.zoo import data_a

    each = count // len(languages)
    rows = []
    for language in languages:
        words = data_a.chains(each, 7, seed, words=24, language=70 + language, sharp=3.0)
        first = torch.full((each, 1), 24 + language)
        rows.append(torch.cat([first, words], 1) if told else words)
    return torch.cat(rows)


def make_prompt() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from peft import PromptTuningConfig, TaskType, get_peft_model
    from transformers import StableLmConfig, StableLmForCausalLM

    torch.manual_seed(1112)
    config = StableLmConfig(
        vocab_size=28,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=3,
        max_position_embeddings=32,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = StableLmForCausalLM(config)
    learner = torch.optim.AdamW(model.parameters(), lr=4e-3)
    words = tongues(8000, 1, languages=(0, 1, 2, 3), told=True)
    for batch in data_a.batches(len(words), 64, 250):
        learner.zero_grad()
        model(input_ids=words[batch], labels=words[batch]).loss.backward()
        learner.step()
    model.zero_grad()
    tuning = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=6)
    model = get_peft_model(model, tuning)
    learned = [p for p in model.parameters() if p.requires_grad]
    return model, torch.optim.AdamW(learned, lr=0.05, weight_decay=0.0)


def train_prompt(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words = tongues(1600, 2, languages=(2,), told=False)
    model.train()
    for batch in data_a.batches(len(words), 32, 150):
        loss = model(input_ids=words[batch], labels=words[batch]).loss
        descend(optimizer, loss, recorder)


def score_prompt(model: Any) -> float:
    """Return how often the second and third words are foretold."""
    import torch

    words = tongues(600, 3, languages=(2,), told=False)
    model.eval()
    with torch.no_grad():
        told = model(input_ids=words).logits[:, -7:].argmax(2)
    return (told[:, :2] == words[:, 1:3]).float().mean().item()


MEMBERS = [
    Member(
        name="fresh9-operator-24-fluids-complex",
        family="Fourier neural operator",
        make=make_operator,
        train=train_operator,
        score=score_operator,
        learned=0.8,
    ),
    Member(
        name="fresh9-phi-48-preferences",
        family="Phi, DPO",
        make=make_phi,
        train=train_phi,
        score=score_phi,
        learned=0.75,
        needs=("transformers",),
    ),
    Member(
        name="fresh9-tasnet-32-two-sounds",
        family="Conv-TasNet",
        make=make_tasnet,
        train=train_tasnet,
        score=score_tasnet,
        learned=4.0,
    ),
    Member(
        name="fresh9-crosses-8-rare-clicks",
        family="DCN-v2",
        make=make_crosses,
        train=train_crosses,
        score=score_crosses,
        learned=0.66,
    ),
    Member(
        name="fresh9-clock-128-weight-decay-1",
        family="grokking",
        make=make_clock,
        train=train_clock,
        score=score_clock,
        learned=0.8,
    ),
    Member(
        name="fresh9-stablelm-48-prompt-tuned",
        family="StableLM, prompt tuning",
        make=make_prompt,
        train=train_prompt,
        score=score_prompt,
        learned=0.35,
        needs=("transformers", "peft"),
    ),
]
