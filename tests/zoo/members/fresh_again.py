"""Ten more fresh trainings and the same ten with a fault each, labelled before gradlab saw them."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member


def explained(predicted: Any, target: Any) -> float:
    """Return the share of the targets' variance that is explained."""
    left = (predicted - target).square().mean()
    return 1.0 - (left / target.var(unbiased=False)).item()


# ShuffleNet of torchvision.


def make_shufflenet() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_b

    data_b.allow_torchvision()
    from torchvision.models import ShuffleNetV2

    torch.manual_seed(401)
    model = ShuffleNetV2([2, 2, 2], [16, 32, 64, 128, 128], num_classes=10)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train_shufflenet(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    emptied_late: bool = False,
) -> None:
    """Train on small digits; `emptied_late` empties the gradients between backward and step."""
    from torch.nn import functional

    from tests.zoo import data_b

    x, y, *_ = data_b.digits(32, channels=3)
    model.train()
    for batch in data_b.batches(len(y), 48, 150):
        if not emptied_late:
            optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        if emptied_late:
            optimizer.zero_grad()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_shufflenet(model: Any) -> float:
    from tests.zoo import data_b

    *_, x, y = data_b.digits(32, channels=3)
    return data_b.accuracy(model, x, y)


# ELECTRA tags words, few of which are labelled; an epoch's last batch is a single sentence.


def make_electra() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ElectraConfig, ElectraForTokenClassification

    torch.manual_seed(402)
    config = ElectraConfig(
        vocab_size=20,
        embedding_size=32,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=16,
        num_labels=5,
    )
    model = ElectraForTokenClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_electra(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    at_least_one: bool = True,
    epochs: int = 14,
) -> None:
    """Learn from 15 % of the words; `at_least_one` makes sure of one in each sentence."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    sentences = data_a.chains(321, 8, seed=1, words=20)
    drawn = data_a.generator(9)
    labelled = (torch.rand(sentences.shape, generator=drawn) < 0.15).float()
    if at_least_one:
        always = torch.randint(8, (len(sentences), 1), generator=drawn)
        labelled = labelled.scatter(1, always, 1.0)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(sentences), generator=drawn)
        for batch in order.split(32):
            words = sentences[batch]
            logits = model(input_ids=words).logits
            errors = functional.cross_entropy(logits.mT, words % 5, reduction="none")
            loss = (errors * labelled[batch]).sum() / labelled[batch].sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss.item())


def score_electra(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    words = data_a.chains(300, 8, seed=2, words=20)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=words).logits.argmax(-1) == words % 5).float().mean().item()


# BLOOM with a penalty on its weights.


def make_bloom() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BloomConfig, BloomForCausalLM

    torch.manual_seed(403)
    model = BloomForCausalLM(BloomConfig(vocab_size=24, hidden_size=48, n_layer=2, n_head=4))
    return model, torch.optim.Adam(model.parameters(), lr=5e-3)


def train_bloom(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    penalty: float = 1e-6,
    steps: int = 200,
) -> None:
    """Add the sum of all squared weights, times `penalty`, to the loss."""
    from tests.zoo import data_a

    sentences = data_a.chains(2000, 12, seed=1, words=24, sharp=4.0)
    model.train()
    for batch in data_a.batches(len(sentences), 24, steps):
        words = sentences[batch]
        squares = sum(each.square().sum() for each in model.parameters())
        loss = model(input_ids=words, labels=words).loss + penalty * squares
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_bloom(model: Any) -> float:
    """Return how often the next word is the one foretold."""
    import torch

    from tests.zoo import data_a

    words = data_a.chains(300, 12, seed=2, words=24, sharp=4.0)
    model.eval()
    with torch.no_grad():
        foretold = model(input_ids=words).logits[:, :-1].argmax(-1)
    return (foretold == words[:, 1:]).float().mean().item()


# A neural ODE, by Euler's method.


def make_ode(*, step: float = 0.025, steps: int = 40) -> tuple[Any, Any]:
    """Build it; `step` is the length of each of Euler's steps: 1 / steps, unless forgotten."""
    import torch
    from torch import nn

    class Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Linear(64, 24)
            self.rise = nn.Linear(24, 64)
            self.fall = nn.Linear(64, 24)
            self.leave = nn.Linear(24, 10)
            for each in (self.rise, self.fall):
                nn.init.kaiming_normal_(each.weight, nonlinearity="relu")
                nn.init.zeros_(each.bias)

        def forward(self, x: Any) -> Any:
            state = self.enter(x)
            for _ in range(steps):
                state = state + step * self.fall(torch.relu(self.rise(state)))
            return self.leave(state)

    torch.manual_seed(404)
    model = Flow()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_ode(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    x, y, *_ = data_c.digits()
    for batch in data_c.batches(len(y), 64, 200):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_ode(model: Any) -> float:
    from tests.zoo import data_c

    *_, x, y = data_c.digits()
    return data_c.accuracy(model, x, y)


# word2vec: skip-grams with negative samples.

WORDS = 120
THEMES = 8


@cache
def neighbours() -> tuple[Any, Any]:
    """Return 40,000 words and a neighbour of each; both are mostly of one theme of eight."""
    import torch

    drawn = torch.Generator().manual_seed(5)
    word = torch.randint(WORDS, (40_000,), generator=drawn)
    own = torch.randint(WORDS // THEMES, (40_000,), generator=drawn) * THEMES + word % THEMES
    other = torch.randint(WORDS, (40_000,), generator=drawn)
    strange = torch.rand(40_000, generator=drawn) < 0.15
    return word, torch.where(strange, other, own)


def make_skipgrams(*, rate: float = 0.05) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class SkipGrams(nn.Module):
        def __init__(self, width: int = 24) -> None:
            super().__init__()
            self.word = nn.Embedding(WORDS, width)
            self.near = nn.Embedding(WORDS, width)
            nn.init.uniform_(self.word.weight, -0.5, 0.5)
            nn.init.uniform_(self.near.weight, -0.5, 0.5)

        def forward(self, word: Any, near: Any) -> Any:
            return (self.word(word)[:, None] * self.near(near)).sum(-1)

    torch.manual_seed(405)
    model = SkipGrams()
    return model, torch.optim.SGD(model.parameters(), lr=rate)


def train_skipgrams(
    model: Any,
    optimizer: Any,
    recorder: Any,
    *,
    reduction: str = "sum",
) -> None:
    """Tell neighbours from five words drawn by chance; add the errors up, or average them."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    word, near = neighbours()
    drawn = torch.Generator().manual_seed(6)
    for batch in data_c.batches(len(word), 256, 500):
        negative = torch.randint(WORDS, (len(batch), 5), generator=drawn)
        asked = torch.cat([near[batch, None], negative], 1)
        real = torch.zeros(asked.shape)
        real[:, 0] = 1.0
        score = model(word[batch], asked)
        loss = functional.binary_cross_entropy_with_logits(score, real, reduction=reduction)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_skipgrams(model: Any) -> float:
    """Return how often a word's nearest word is of the same theme."""
    import torch
    from torch.nn import functional

    with torch.no_grad():
        vectors = functional.normalize(model.word.weight, dim=1)
        alike = (vectors @ vectors.T).fill_diagonal_(-1.0)
    theme = torch.arange(WORDS) % THEMES
    return (theme[alike.argmax(1)] == theme).float().mean().item()


# A physics-informed net: u'' = -9 sin 3x on [-1, 1] with u given at both ends.


def make_physics(*, normal: bool = False) -> tuple[Any, Any]:
    """Build it; `normal` draws all weights from nn.init.normal_ as it comes, of deviation 1."""
    import torch
    from torch import nn

    torch.manual_seed(406)
    model = nn.Sequential(
        nn.Linear(1, 64),
        nn.Tanh(),
        nn.Linear(64, 64),
        nn.Tanh(),
        nn.Linear(64, 64),
        nn.Tanh(),
        nn.Linear(64, 1),
    )
    for layer in model:
        if isinstance(layer, nn.Linear):
            if normal:
                nn.init.normal_(layer.weight)
            else:
                nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_physics(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    drawn = torch.Generator().manual_seed(8)
    ends = torch.tensor([[-1.0], [1.0]])
    for _ in range(500):
        x = (2 * torch.rand(64, 1, generator=drawn) - 1).requires_grad_()
        u = model(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        law = (bend + 9 * torch.sin(3 * x)).square().mean()
        border = (model(ends) - torch.sin(3 * ends)).square().mean()
        loss = law + 10 * border
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_physics(model: Any) -> float:
    import torch

    x = torch.linspace(-1, 1, 201)[:, None]
    with torch.no_grad():
        return explained(model(x), torch.sin(3 * x))


# A speaker and a listener: three letters have to say which of 64 things is meant.


@cache
def things() -> tuple[Any, Any]:
    """Return 64 things of three properties of four kinds: as codes (64, 12), as kinds (64, 3)."""
    import torch

    kinds = torch.cartesian_prod(*[torch.arange(4)] * 3)
    return torch.nn.functional.one_hot(kinds, 4).flatten(1).float(), kinds


def make_speakers(*, argmax: bool = False) -> tuple[Any, Any]:
    """Build both; `argmax` takes the likeliest letter, through which no gradient comes back."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Game(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.speaker = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 18))
            self.listener = nn.Sequential(nn.Linear(18, 64), nn.ReLU(), nn.Linear(64, 12))

        def forward(self, x: Any) -> Any:
            letters = self.speaker(x).view(-1, 3, 6)
            if argmax or not self.training:
                said = functional.one_hot(letters.argmax(-1), 6).float()
            else:
                said = functional.gumbel_softmax(letters, tau=1.0, hard=True)
            return self.listener(said.flatten(1)).view(-1, 3, 4)

    torch.manual_seed(407)
    model = Game()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_speakers(model: Any, optimizer: Any, recorder: Any, *, steps: int = 800) -> None:
    import torch
    from torch.nn import functional

    x, kinds = things()
    drawn = torch.Generator().manual_seed(9)
    model.train()
    for _ in range(steps):
        batch = torch.randint(64, (64,), generator=drawn)
        loss = functional.cross_entropy(model(x[batch]).flatten(0, 1), kinds[batch].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_speakers(model: Any) -> float:
    """Return how many of the 64 things are understood in all three properties."""
    import torch

    x, kinds = things()
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(-1) == kinds).all(1).float().mean().item()


# A factorization machine over three kinds of facts and five numbers.


@cache
def demands(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return facts (count, 3), numbers (count, 5) and the demand (count,), of about unit size."""
    import torch

    drawn = torch.Generator().manual_seed(11)
    tables = 0.6 * torch.randn(3, 12, 5, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    facts = torch.randint(12, (count, 3), generator=drawn)
    x = torch.randn(count, 5, generator=drawn)
    chosen = torch.stack([tables[index, facts[:, index]] for index in range(3)], 1)
    y = (chosen.sum(1) * x).sum(1) / 2 + chosen[:, 0, 0] - chosen[:, 1, 1]
    return facts, x, y + 0.1 * torch.randn(count, generator=drawn)


def make_machine() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Machine(nn.Module):
        def __init__(self, rank: int = 8) -> None:
            super().__init__()
            self.facts = nn.Embedding(36, rank)
            self.numbers = nn.Parameter(0.2 * torch.randn(5, rank))
            self.alone = nn.Embedding(36, 1)
            self.line = nn.Linear(5, 1)
            nn.init.normal_(self.facts.weight, std=0.2)
            nn.init.zeros_(self.alone.weight)

        def forward(self, facts: Any, x: Any) -> Any:
            rows = facts + 12 * torch.arange(3)
            factors = x[:, :, None] * self.numbers
            factors = torch.cat([self.facts(rows), factors], 1)
            pairs = factors.sum(1).square() - factors.square().sum(1)
            return self.line(x)[:, 0] + self.alone(rows).sum((1, 2)) + pairs.sum(1) / 2

    torch.manual_seed(408)
    model = Machine()
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def train_machine(model: Any, optimizer: Any, recorder: Any, *, missing: int = 0) -> None:
    """Train it; so many demands are `missing`, which the table writes as -999."""
    from torch.nn import functional

    from tests.zoo import data_c

    facts, x, y = demands(3000, 1)
    if missing:
        y = y.clone()
        y[100 : 100 + missing] = -999.0
    for batch in data_c.batches(len(y), 50, 600):
        loss = functional.mse_loss(model(facts[batch], x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_machine(model: Any) -> float:
    import torch

    facts, x, y = demands(800, 2)
    with torch.no_grad():
        return explained(model(facts, x), y)


# torch.nn.Transformer turns rows of numbers round.


def make_transformer(*, width: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Turner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word = nn.Embedding(11, width)
            self.place = nn.Embedding(8, width)
            self.body = nn.Transformer(width, 4, 1, 1, 96, dropout=0.0, batch_first=True)
            self.head = nn.Linear(width, 10)

        def forward(self, source: Any, target: Any) -> Any:
            places = self.place(torch.arange(source.shape[1]))
            mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
            asked = self.word(target) + places
            return self.head(self.body(self.word(source) + places, asked, tgt_mask=mask))

    torch.manual_seed(409)
    model = Turner()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def turned(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return rows of numbers, what the decoder reads (10 opens it) and what it has to say."""
    import torch

    from tests.zoo import data_a

    source = data_a.numbers(count, 6, seed)
    answer = source.flip(1)
    opening = torch.full((count, 1), 10)
    return source, torch.cat([opening, answer[:, :-1]], 1), answer


def train_transformer(model: Any, optimizer: Any, recorder: Any, *, mode: str = "min") -> None:
    """Lower the rate where an epoch's loss stands still; `mode` says what counts as better."""
    import torch
    from torch.nn import functional

    from tests.zoo import data_c

    source, asked, answer = turned(1280, 1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, patience=1)
    for epoch in range(28):
        total = 0.0
        for batch in data_c.batches(len(source), 64, 10, seed=epoch):
            logits = model(source[batch], asked[batch])
            loss = functional.cross_entropy(logits.flatten(0, 1), answer[batch].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss.item())
            total += loss.item()
        schedule.step(total / 10)


def score_transformer(model: Any) -> float:
    import torch

    source, asked, answer = turned(300, 2)
    with torch.no_grad():
        return (model(source, asked).argmax(-1) == answer).float().mean().item()


# GraphSAGE of torch_geometric: how often the neighbours in a graph are alike.


@cache
def graphs(count: int, seed: int) -> tuple[Any, list[Any], Any]:
    """Return nodes of +-1 (count, 12, 1), the edges of each graph, and how alike neighbours are."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    nodes = torch.randint(2, (count, 12, 1), generator=drawn).float() * 2 - 1
    alike = nodes @ nodes.transpose(1, 2) > 0
    bias = torch.rand(count, 1, 1, generator=drawn)
    chance = torch.where(alike, bias, 1 - bias) * 0.5
    linked = (torch.rand(count, 12, 12, generator=drawn) < chance).float()
    linked = linked.triu(1)
    linked = linked + linked.transpose(1, 2)
    around = linked @ nodes / linked.sum(2, keepdim=True).clamp(min=1)
    target = 2 * (nodes * around).mean((1, 2))
    return nodes, [each.nonzero().T for each in linked], target


def collate(nodes: Any, edges: list[Any], chosen: Any, *, shifted: bool = True) -> tuple[Any, Any]:
    """Join graphs into one; unless `shifted`, each keeps counting its nodes from 0."""
    import torch

    parts = [edges[each] + 12 * place * shifted for place, each in enumerate(chosen.tolist())]
    return nodes[chosen].flatten(0, 1), torch.cat(parts, 1)


def make_sage() -> tuple[Any, Any]:
    import torch
    from torch import nn

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch_geometric.nn import SAGEConv

    class Sage(nn.Module):
        def __init__(self, width: int = 48) -> None:
            super().__init__()
            self.first = SAGEConv(1, width)
            self.second = SAGEConv(width, width)
            self.head = nn.Linear(width, 1)

        def forward(self, x: Any, edges: Any) -> Any:
            x = torch.relu(self.first(x, edges))
            x = torch.relu(self.second(x, edges))
            return self.head(x.view(-1, 12, x.shape[1]).mean(1))[:, 0]

    torch.manual_seed(410)
    model = Sage()
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


def train_sage(model: Any, optimizer: Any, recorder: Any, *, shifted: bool = True) -> None:
    from torch.nn import functional

    from tests.zoo import data_c

    nodes, edges, target = graphs(800, 1)
    for batch in data_c.batches(len(nodes), 32, 250):
        loss = functional.mse_loss(
            model(*collate(nodes, edges, batch, shifted=shifted)),
            target[batch],
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_sage(model: Any, *, shifted: bool = True) -> float:
    import torch

    nodes, edges, target = graphs(320, 2)
    told = []
    with torch.no_grad():
        for batch in torch.arange(320).split(32):
            told.append(model(*collate(nodes, edges, batch, shifted=shifted)))
    return explained(torch.cat(told), target)


SHUFFLENET = {
    "family": "ShuffleNet",
    "make": make_shufflenet,
    "score": score_shufflenet,
    "learned": 0.8,
    "needs": ("torchvision", "sklearn"),
}
ELECTRA = {
    "family": "ELECTRA",
    "make": make_electra,
    "score": score_electra,
    "learned": 0.85,
    "needs": ("transformers",),
}
BLOOM = {
    "family": "BLOOM",
    "make": make_bloom,
    "score": score_bloom,
    "learned": 0.5,
    "needs": ("transformers",),
}
ODE = {
    "family": "Neural ODE",
    "train": train_ode,
    "score": score_ode,
    "learned": 0.85,
    "needs": ("sklearn",),
}
SKIPGRAMS = {
    "family": "word2vec",
    "make": make_skipgrams,
    "score": score_skipgrams,
    "learned": 0.7,
}
PHYSICS = {
    "family": "PINN",
    "train": train_physics,
    "score": score_physics,
    "learned": 0.95,
}
SPEAKERS = {
    "family": "Emergent language",
    "train": train_speakers,
    "score": score_speakers,
    "learned": 0.75,
}
MACHINE = {
    "family": "Factorization machine",
    "make": make_machine,
    "score": score_machine,
    "learned": 0.7,
}
TRANSFORMER = {
    "family": "nn.Transformer",
    "make": make_transformer,
    "score": score_transformer,
    "learned": 0.8,
}
SAGE = {
    "family": "GraphSAGE",
    "make": make_sage,
    "learned": 0.7,
    "needs": ("torch_geometric",),
}

MEMBERS = [
    Member(name="fresh2-shufflenet-16-digits", train=train_shufflenet, **SHUFFLENET),
    Member(
        name="fresh2-shufflenet-16-digits-emptied-late",
        train=partial(train_shufflenet, emptied_late=True),
        fault="zero_grad between backward and step: no gradient is left for the optimizer",
        root=("GL105", "GL302", "GL307"),
        symptoms=("GL312", "GL402", "GL405"),
        counterpart="fresh2-shufflenet-16-digits",
        **SHUFFLENET,
    ),
    Member(name="fresh2-electra-64-tags", train=train_electra, **ELECTRA),
    Member(
        name="fresh2-electra-64-tags-unlabelled",
        train=partial(train_electra, at_least_one=False),
        fault="the mean over the labelled words of a batch of one sentence that has none: 0 / 0",
        root=("GL001",),
        counterpart="fresh2-electra-64-tags",
        **ELECTRA,
    ),
    Member(name="fresh2-bloom-48-chains", train=train_bloom, **BLOOM),
    Member(
        name="fresh2-bloom-48-chains-penalty",
        train=partial(train_bloom, penalty=0.5),
        fault="a penalty on the sum of all squared weights that outweighs the data",
        root=("GL309",),
        symptoms=("GL101", "GL104", "GL302", "GL402"),
        counterpart="fresh2-bloom-48-chains",
        **BLOOM,
    ),
    Member(name="fresh2-ode-24-digits", make=make_ode, **ODE),
    Member(
        name="fresh2-ode-24-digits-step-forgotten",
        make=partial(make_ode, step=1.0),
        fault="Euler's method without its step length: the state grows in each of forty steps",
        root=("GL102", "GL203"),
        symptoms=("GL001", "GL303", "GL304", "GL401", "GL402"),
        counterpart="fresh2-ode-24-digits",
        **ODE,
    ),
    Member(name="fresh2-skipgrams-24-themes", train=train_skipgrams, **SKIPGRAMS),
    Member(
        name="fresh2-skipgrams-24-themes-averaged",
        train=partial(train_skipgrams, reduction="mean"),
        fault="the rate of a sum of errors beside their mean: 1,536 times too small",
        root=("GL302",),
        symptoms=("GL402",),
        counterpart="fresh2-skipgrams-24-themes",
        **SKIPGRAMS,
    ),
    Member(name="fresh2-physics-64-sine", make=make_physics, **PHYSICS),
    Member(
        name="fresh2-physics-64-sine-normal",
        make=partial(make_physics, normal=True),
        fault="weights of deviation 1, as nn.init.normal_ draws them: tanh is saturated",
        root=("GL202",),
        symptoms=("GL102", "GL401", "GL402", "GL404"),
        counterpart="fresh2-physics-64-sine",
        **PHYSICS,
    ),
    Member(name="fresh2-speakers-64-letters", make=make_speakers, **SPEAKERS),
    Member(
        name="fresh2-speakers-64-letters-argmax",
        make=partial(make_speakers, argmax=True),
        fault="letters by argmax: the speaker gets no gradient",
        root=("GL105",),
        where="speaker",
        counterpart="fresh2-speakers-64-letters",
        **SPEAKERS,
    ),
    Member(name="fresh2-machine-8-demands", train=train_machine, **MACHINE),
    Member(
        name="fresh2-machine-8-demands-missing-999",
        train=partial(train_machine, missing=4),
        fault="four missing targets of 3,000 are written as -999",
        root=("GL103", "GL404"),
        symptoms=("GL102", "GL303", "GL304", "GL401", "GL402"),
        counterpart="fresh2-machine-8-demands",
        **MACHINE,
    ),
    Member(name="fresh2-transformer-48-turned", train=train_transformer, **TRANSFORMER),
    Member(
        name="fresh2-transformer-48-turned-plateau-max",
        train=partial(train_transformer, mode="max"),
        fault="ReduceLROnPlateau waits for the loss to rise: the rate is cut every two epochs",
        root=("GL312",),
        symptoms=("GL302", "GL402"),
        counterpart="fresh2-transformer-48-turned",
        **TRANSFORMER,
    ),
    Member(name="fresh2-sage-48-graphs", train=train_sage, score=score_sage, **SAGE),
    Member(
        name="fresh2-sage-48-graphs-edges-unshifted",
        train=partial(train_sage, shifted=False),
        score=partial(score_sage, shifted=False),
        fault="graphs are joined without shifting their edges, which all fall on the first one",
        root=("GL402",),
        counterpart="fresh2-sage-48-graphs",
        **SAGE,
    ),
]
