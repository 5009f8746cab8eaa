"""An eighteenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Most follow a tutorial or a library's example; the ten with a fault are in
fresh_eighteenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core. A score of -1 stands for -1 or lower.

===========================  ======  =======  =======
training                     start   end      seconds
===========================  ======  =======  =======
captions-64-digits-spelled   .000    .985     1.4
cvt-48-digits-shifted        .078    .950     3.1
olmo2-48-sentences           .044    .829     2.0
instruments-32-rare          .534    .999     4.8
rentals-64-poisson           -1.000  .972     0.4
reward-32-one-in-four-wrong  .494    .835     4.2
colbert-48-translations      .000    .680     1.4
rembert-48-topics-vera       .133    .677     4.9
flow-matching-96-moons       .386    .726     2.4
noisy-64-walk                .000    1.000    1.0
===========================  ======  =======  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend, foretold

# The tutorial of captions: a convolutional net sees a digit, and an LSTM spells its name. What is
# filled up to five letters does not count.

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@cache
def spelled() -> Any:
    """Return the ten names as letters of 1..26 (10, 6), closed and filled up with 0."""
    import torch

    rows = [[ord(letter) - 96 for letter in name] for name in NAMES]
    return torch.tensor([row + [0] * (6 - len(row)) for row in rows])


def make_captions(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Captions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.see = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(128, width),
            )
            self.embedding = nn.Embedding(27, width)
            self.lstm = nn.LSTM(width, width, batch_first=True)
            self.linear = nn.Linear(width, 27)

        def forward(self, x: Any, letters: Any) -> Any:
            before = torch.cat([self.see(x)[:, None], self.embedding(letters[:, :-1])], 1)
            return self.linear(self.lstm(before)[0])

        def spell(self, x: Any) -> Any:
            put, state, letters = self.see(x)[:, None], None, []
            for _ in range(6):
                hidden, state = self.lstm(put, state)
                letters.append(self.linear(hidden[:, 0]).argmax(1))
                put = self.embedding(letters[-1])[:, None]
            return torch.stack(letters, 1)

    torch.manual_seed(1801)
    model = Captions()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_captions(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    model.train()
    for batch in data_a.batches(len(y), 32, 250):
        letters = spelled()[y[batch]]
        past = (letters == 0).cumsum(1) > 1  # the first 0 closes a name, and counts
        wanted = letters.masked_fill(past, -100)
        loss = functional.cross_entropy(model(x[batch], letters).mT, wanted, ignore_index=-100)
        descend(optimizer, loss, recorder)


def score_captions(model: Any) -> float:
    """Return the share of digits whose names are spelled without a mistake."""
    import torch

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        told = model.spell(x)
    told = told.masked_fill((told == 0).cumsum(1) > 0, 0)
    return (told == spelled()[y]).all(1).float().mean().item()


# CvT of transformers on digits that are shifted, with label smoothing, warm-up and cosine, and
# clipping.


def make_cvt() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import CvtConfig, CvtForImageClassification

    torch.manual_seed(1802)
    sizes = CvtConfig(
        num_channels=1,
        patch_sizes=[3, 3],
        patch_stride=[2, 2],
        patch_padding=[1, 1],
        embed_dim=[24, 48],
        num_heads=[1, 3],
        depth=[1, 2],
        mlp_ratio=[2.0, 2.0],
        attention_drop_rate=[0.0, 0.0],
        drop_rate=[0.0, 0.0],
        drop_path_rate=[0.0, 0.1],
        qkv_bias=[True, True],
        cls_token=[False, True],
        qkv_projection_method=["dw_bn", "dw_bn"],
        kernel_qkv=[3, 3],
        padding_kv=[1, 1],
        stride_kv=[2, 2],
        padding_q=[1, 1],
        stride_q=[1, 1],
        num_labels=10,
    )
    model = CvtForImageClassification(sizes)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def train_cvt(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional
    from transformers import get_cosine_schedule_with_warmup

    from tests.zoo import data_a

    x, y, *_ = data_a.digits()
    scheduler = get_cosine_schedule_with_warmup(optimizer, 20, 200)
    drawn = torch.Generator().manual_seed(1803)
    model.train()
    for batch in data_a.batches(len(y), 32, 200):
        aside = int(torch.randint(-1, 2, (1,), generator=drawn))
        seen = x[batch].roll(aside, 3)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(seen).logits, y[batch], label_smoothing=0.1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        recorder.log(loss=loss.item())


def score_cvt(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    *_, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        return (model(x).logits.argmax(1) == y).float().mean().item()


# OLMo 2 of transformers with the recipe of nanoGPT: decay for matrices alone, warm-up and cosine.


def make_olmo() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import Olmo2Config, Olmo2ForCausalLM

    torch.manual_seed(1804)
    sizes = Olmo2Config(
        vocab_size=24,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        pad_token_id=None,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = Olmo2ForCausalLM(sizes)
    matrices = [each for each in model.parameters() if each.ndim > 1]
    vectors = [each for each in model.parameters() if each.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return model, torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))


def train_olmo(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from transformers import get_cosine_schedule_with_warmup

    from tests.zoo import data_a
    from tests.zoo.members.fresh_seventeenth import sentences

    words = sentences(3000, 1, back=2)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 15, 150)
    model.train()
    for batch in data_a.batches(3000, 32, 150):
        optimizer.zero_grad()
        loss = model(input_ids=words[batch], labels=words[batch]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        recorder.log(loss=loss.item())


def score_olmo(model: Any) -> float:
    from tests.zoo.members.fresh_seventeenth import sentences

    return foretold(model, sentences(200, 2, back=2))


# Which instruments play? Convolutions and a GRU read a spectrogram. Each instrument is rare, and
# pos_weight makes up for it: the loss starts high.


@cache
def recordings(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectrograms (count, 1, 16, 24), and which of 5 instruments play (count, 5)."""
    import torch

    sounds = torch.randn(5, 16, 6, generator=torch.Generator().manual_seed(1806))
    drawn = torch.Generator().manual_seed(seed)
    plays = (torch.rand(count, 5, generator=drawn) < 0.1).float()
    x = 0.7 * torch.randn(count, 1, 16, 24, generator=drawn)
    place = torch.randint(18, (count, 5), generator=drawn)
    for each in range(5):
        for step in range(6):
            heard = plays[:, each, None] * sounds[each, :, step]
            x[torch.arange(count), 0, :, place[:, each] + step] += heard
    return x, plays


def make_instruments(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Instruments(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolutions = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1),
                nn.BatchNorm2d(16),
                nn.ELU(),
                nn.MaxPool2d((2, 1)),
                nn.Conv2d(16, 16, 3, padding=1),
                nn.BatchNorm2d(16),
                nn.ELU(),
                nn.MaxPool2d((2, 2)),
                nn.Dropout(0.1),
            )
            self.gru = nn.GRU(64, width, batch_first=True, bidirectional=True)
            self.out = nn.Linear(2 * width, 5)

        def forward(self, x: Any) -> Any:
            x = self.convolutions(x).flatten(1, 2).mT
            return self.out(self.gru(x)[0].amax(1))

    torch.manual_seed(1807)
    model = Instruments()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_instruments(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, plays = recordings(2000, 1)
    weight = torch.full((5,), 9.0)
    model.train()
    for batch in data_a.batches(2000, 32, 250):
        told = model(x[batch])
        loss = functional.binary_cross_entropy_with_logits(told, plays[batch], pos_weight=weight)
        descend(optimizer, loss, recorder)


def score_instruments(model: Any) -> float:
    """Return the mean of how many of the playing and of the silent instruments are told."""
    import torch

    x, plays = recordings(500, 2)
    model.eval()
    with torch.no_grad():
        told = model(x) > 0
    return (told[plays == 1].float().mean() + (~told)[plays == 0].float().mean()).item() / 2


# How many bicycles are lent in an hour? Poisson regression of counts near 150: its loss goes far
# below 0.


@cache
def rentals(count: int, seed: int) -> tuple[Any, Any]:
    """Return hours (count, 12), standardized, and what is lent (count, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    hour = 6.2832 * torch.rand(count, generator=drawn)
    day = torch.randint(7, (count,), generator=drawn)
    warm = torch.randn(count, generator=drawn)
    wet = torch.randn(count, generator=drawn)
    free = (day > 4).float()
    rate = 4.6 + 0.8 * (hour - 3).cos() * (1 - free) + 0.5 * (hour - 4).cos() * free
    rate = rate + 0.4 * warm - 0.3 * wet.relu()
    days = torch.nn.functional.one_hot(day, 7).float()
    x = torch.cat([torch.stack([hour.cos(), hour.sin(), warm, wet, free], 1), days], 1)
    return x, torch.poisson(rate.exp(), generator=drawn)[:, None]


def make_rentals(*, width: int = 64) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(1808)
    model = stack(12, width, width, 1)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_rentals(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_a

    x, lent = rentals(4000, 1)
    for batch in data_a.batches(4000, 64, 400):
        loss = functional.poisson_nll_loss(model(x[batch]), lent[batch], log_input=True)
        descend(optimizer, loss, recorder)


def score_rentals(model: Any) -> float:
    import torch

    x, lent = rentals(800, 2)
    with torch.no_grad():
        return max(-1.0, explained(model(x).exp(), lent))


# A reward model: which of two answers would people like better? One time in four they say the
# opposite, so that the loss stays close to that of no opinion.


@cache
def answers(count: int, seed: int, *, doubt: bool = True) -> Any:
    """Return pairs of answers (count, 2, 12) of 40 words; the first is said to be better."""
    import torch

    worth = torch.randn(40, generator=torch.Generator().manual_seed(1809))
    drawn = torch.Generator().manual_seed(seed)
    pairs = torch.randint(40, (count, 2, 12), generator=drawn)
    total = worth[pairs].sum(2)
    wrong = torch.rand(count, generator=drawn) < (0.25 if doubt else 0.0)
    second = (total[:, 1] > total[:, 0]) ^ wrong
    return torch.where(second[:, None, None], pairs.flip(1), pairs)


def make_reward(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Reward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(40, width), nn.Embedding(12, width)
            layer = nn.TransformerEncoderLayer(
                width, 4, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1, bias=False)

        def forward(self, words: Any) -> Any:
            x = self.encoder(self.words(words) + self.places.weight)
            return self.head(self.norm(x[:, -1]))[:, 0]

    torch.manual_seed(1810)
    model = Reward()
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_reward(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    pairs = answers(6000, 1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 250)
    model.train()
    for batch in data_a.batches(6000, 32, 250):
        better, worse = model(pairs[batch].flatten(0, 1)).view(-1, 2).unbind(1)
        descend(optimizer, -functional.logsigmoid(better - worse).mean(), recorder)
        scheduler.step()


def score_reward(model: Any) -> float:
    """Return how often the better answer is told where nobody errs."""
    import torch

    pairs = answers(1000, 2, doubt=False)
    model.eval()
    with torch.no_grad():
        better, worse = model(pairs.flatten(0, 1)).view(-1, 2).unbind(1)
    return (better > worse).float().mean().item()


# ColBERT: each word of a question looks for the closest word of a text. All other texts of a batch
# are wrong ones.


@cache
def questions(count: int, seed: int) -> tuple[Any, Any]:
    """Return questions of four words (count, 4), and texts (count, 16) with their translations."""
    import torch

    meaning = torch.randperm(100, generator=torch.Generator().manual_seed(1811))
    drawn = torch.Generator().manual_seed(seed)
    question = torch.randint(100, (count, 4), generator=drawn)
    other = torch.randint(100, (count, 12), generator=drawn)
    text = torch.cat([100 + meaning[question], 100 + other], 1)
    order = torch.rand(count, 16, generator=drawn).argsort(1)
    return question, text.gather(1, order)


def make_colbert(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class ColBert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(200, width)
            self.mix = nn.Conv1d(width, width, 3, padding=1)
            self.linear = nn.Linear(width, 32, bias=False)

        def forward(self, words: Any) -> Any:
            x = self.embedding(words)
            x = x + self.mix(x.mT).mT.relu()
            return nn.functional.normalize(self.linear(x), dim=2)

    torch.manual_seed(1812)
    model = ColBert()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-2)


def closeness(model: Any, question: Any, text: Any) -> Any:
    """Return how well each text fits each question: sums of the words' highest products."""
    import torch

    words = torch.einsum("qwd,tvd->qtwv", model(question), model(text))
    return words.amax(3).sum(2)


def train_colbert(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    question, text = questions(4000, 1)
    for batch in data_a.batches(4000, 32, 400):
        told = closeness(model, question[batch], text[batch]) / 0.1
        descend(optimizer, functional.cross_entropy(told, torch.arange(32)), recorder)


def score_colbert(model: Any) -> float:
    """Return how often a question finds its text among two hundred."""
    import torch

    question, text = questions(200, 2)
    with torch.no_grad():
        return (
            (closeness(model, question, text).argmax(1) == torch.arange(200)).float().mean().item()
        )


# RemBERT of transformers, trained on topics of one language, learns those of another through VeRA
# of peft: random matrices that stay as they are, and vectors of which one starts at 0.


def make_vera() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from peft import VeraConfig, get_peft_model
    from transformers import RemBertConfig, RemBertForSequenceClassification

    torch.manual_seed(1813)
    sizes = RemBertConfig(
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        input_embedding_size=24,
        max_position_embeddings=32,
        classifier_dropout_prob=0.0,
        num_labels=6,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = RemBertForSequenceClassification(sizes)
    words, topic = data_a.topics(2500, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for batch in data_a.batches(2500, 32, 150):
        optimizer.zero_grad()
        model(input_ids=words[batch], labels=topic[batch]).loss.backward()
        optimizer.step()
    settings = VeraConfig(
        r=32,
        target_modules=["query", "value", "dense"],
        modules_to_save=["classifier"],
        task_type="SEQ_CLS",
    )
    model = get_peft_model(model, settings)
    trained = [each for each in model.parameters() if each.requires_grad]
    return model, torch.optim.AdamW(trained, lr=3e-2)


def train_vera(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    words, topic = data_a.topics(2000, 3, language=8)
    model.train()
    for batch in data_a.batches(2000, 32, 200):
        descend(optimizer, model(input_ids=words[batch], labels=topic[batch]).loss, recorder)


def score_vera(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words, topic = data_a.topics(300, 4, language=8)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(1) == topic).float().mean().item()


# Flow matching, as the tutorials on two moons have it. What noise goes to which point is by chance:
# most of the loss stays for good.


def moons(count: int, drawn: Any) -> Any:
    """Return points (count, 2) on two half circles that reach into each other."""
    import torch

    angle = 3.1416 * torch.rand(count, generator=drawn)
    side = torch.where(torch.rand(count, generator=drawn) < 0.5, 1.0, -1.0)
    points = torch.stack([angle.cos() - side / 2, side * (angle.sin() - 0.25)], 1)
    return 1.5 * points + 0.07 * torch.randn(count, 2, generator=drawn)


def make_matching(*, width: int = 96) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            act = nn.SiLU
            one, two, three = nn.Linear(3, width), nn.Linear(width, width), nn.Linear(width, width)
            self.net = nn.Sequential(one, act(), two, act(), three, act(), nn.Linear(width, 2))

        def forward(self, x: Any, time: Any) -> Any:
            return self.net(torch.cat([x, time], 1))

    torch.manual_seed(1814)
    model = Flow()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_matching(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(1815)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1200)
    for _ in range(1200):
        noise, point = torch.randn(256, 2, generator=drawn), moons(256, drawn)
        time = torch.rand(256, 1, generator=drawn)
        told = model((1 - time) * noise + time * point, time)
        descend(optimizer, (told - (point - noise)).square().mean(), recorder)
        scheduler.step()


def score_matching(model: Any) -> float:
    """Return the share of sixty steps' points that lie within 0.15 of a moon; of noise .39 do."""
    import torch

    drawn = torch.Generator().manual_seed(2)
    x, real = torch.randn(500, 2, generator=drawn), moons(2000, drawn)
    with torch.no_grad():
        for step in range(60):
            x = x + model(x, torch.full((500, 1), step / 60)) / 60
    return (torch.cdist(x, real).amin(1) < 0.15).float().mean().item()


# A DQN with noisy layers on a walk of ten places: to stay at the near end pays a little, and the
# far end pays well. The noise's lengths are learned too; nothing else explores.


def make_noisy(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Noisy(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            edge = inputs**-0.5
            self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-edge, edge))
            self.bias = nn.Parameter(torch.empty(outputs).uniform_(-edge, edge))
            self.weight_noise = nn.Parameter(torch.full((outputs, inputs), 0.5 * edge))
            self.bias_noise = nn.Parameter(torch.full((outputs,), 0.5 * edge))

        def forward(self, x: Any) -> Any:
            if not self.training:
                return nn.functional.linear(x, self.weight, self.bias)
            along, across = torch.randn(x.shape[1]), torch.randn(len(self.bias))
            along = along.sign() * along.abs().sqrt()
            across = across.sign() * across.abs().sqrt()
            weight = self.weight + self.weight_noise * torch.outer(across, along)
            return nn.functional.linear(x, weight, self.bias + self.bias_noise * across)

    torch.manual_seed(1816)
    model = nn.Sequential(nn.Linear(10, width), nn.ReLU(), Noisy(width, width), nn.ReLU())
    model.append(Noisy(width, 2))
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def walk(place: Any, ahead: Any) -> tuple[Any, Any, Any]:
    """Return the next places (n,), what the steps pay (n,), and whether the walk is over (n,)."""
    after = (place + 2 * ahead - 1).clamp(0, 9)
    pays = (after == 9).float() + 0.02 * ((after == 0) & (ahead == 0)).float()
    return after, pays, after == 9


def train_noisy(model: Any, optimizer: Any, recorder: Any) -> None:
    import copy

    import torch
    from torch.nn import functional

    seen = torch.eye(10)
    waiting = copy.deepcopy(model)
    place = torch.randint(9, (16,))
    memory: list[Any] = []
    model.train()
    for step in range(600):
        if step % 50 == 0:
            waiting.load_state_dict(model.state_dict())
        with torch.no_grad():
            ahead = model(seen[place]).argmax(1)
        after, pays, over = walk(place, ahead)
        memory = [*memory[-199:], (place, ahead, pays, after, over)]
        place = torch.where(over | (torch.rand(16) < 0.1), torch.randint(9, (16,)), after)
        chosen = torch.randint(len(memory), (8,)).tolist()
        rows = zip(*[memory[each] for each in chosen], strict=True)
        before, ahead, pays, after, over = (torch.cat(each) for each in rows)
        with torch.no_grad():
            target = pays + 0.95 * waiting(seen[after]).amax(1) * (~over)
        told = model(seen[before]).gather(1, ahead[:, None])[:, 0]
        descend(optimizer, functional.smooth_l1_loss(told, target), recorder)


def score_noisy(model: Any) -> float:
    """Return the share of places from which the best answer leads ahead."""
    import torch

    model.eval()
    with torch.no_grad():
        return (model(torch.eye(10)[:9]).argmax(1) == 1).float().mean().item()


MEMBERS = [
    Member(
        name="fresh18-captions-64-digits-spelled",
        family="CNN and LSTM for captions",
        make=make_captions,
        train=train_captions,
        score=score_captions,
        learned=0.8,
        needs=("sklearn",),
    ),
    Member(
        name="fresh18-cvt-48-digits-shifted",
        family="CvT",
        make=make_cvt,
        train=train_cvt,
        score=score_cvt,
        learned=0.75,
        needs=("transformers", "sklearn"),
    ),
    Member(
        name="fresh18-olmo2-48-sentences",
        family="OLMo 2",
        make=make_olmo,
        train=train_olmo,
        score=score_olmo,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh18-instruments-32-rare",
        family="convolutions and GRU",
        make=make_instruments,
        train=train_instruments,
        score=score_instruments,
        learned=0.8,
    ),
    Member(
        name="fresh18-rentals-64-poisson",
        family="Poisson regression",
        make=make_rentals,
        train=train_rentals,
        score=score_rentals,
        learned=0.8,
    ),
    Member(
        name="fresh18-reward-32-one-in-four-wrong",
        family="reward model",
        make=make_reward,
        train=train_reward,
        score=score_reward,
        learned=0.7,
    ),
    Member(
        name="fresh18-colbert-48-translations",
        family="ColBERT",
        make=make_colbert,
        train=train_colbert,
        score=score_colbert,
        learned=0.5,
    ),
    Member(
        name="fresh18-rembert-48-topics-vera",
        family="RemBERT, VeRA",
        make=make_vera,
        train=train_vera,
        score=score_vera,
        learned=0.5,
        needs=("transformers", "peft"),
    ),
    Member(
        name="fresh18-flow-matching-96-moons",
        family="flow matching",
        make=make_matching,
        train=train_matching,
        score=score_matching,
        learned=0.6,
    ),
    Member(
        name="fresh18-noisy-64-walk",
        family="noisy DQN",
        make=make_noisy,
        train=train_noisy,
        score=score_noisy,
        learned=0.9,
    ),
]
