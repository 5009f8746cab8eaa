"""A sixteenth fresh batch, labelled before gradlab saw it: ten trainings without a fault.

Most are what tutorials and libraries' examples train, with their recipes. The ten with a fault are
in fresh_sixteenth_faulty.

Scores without gradlab, on a CPU: of the net at its start, and after the training; seconds of one
core of a busy machine.

===========================  ======  ====  =======
training                     start   end   seconds
===========================  ======  ====  =======
nano-64-letters              .174    .325  3.3
davit-24-digits              .078    .892  3.6
columns-200-sales-one-cycle  -.012   .905  0.9
decisions-48-walks           .021    .678  3.2
seasons-24-student           -7.503  .938  2.8
spectrograms-48-blanked      .135    .930  2.9
appnp-64-papers              .185    .880  1.9
modernbert-48-questions      .005    .860  5.4
yolo-16-things-summed        .000    .963  2.6
simsiam-32-beats             .608    .895  4.3
===========================  ======  ====  =======
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.zoo.member import Member
from tests.zoo.members.fresh import explained
from tests.zoo.members.fresh_fifth import stack
from tests.zoo.members.fresh_fourth import descend

# A small GPT by hand, as its best known tutorial has it: tied words, projections that start
# smaller the more blocks there are, decay on matrices alone, clipping, warm-up and cosine.


def make_letters(*, width: int = 64, context: int = 48) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional

    from tests.zoo import data_a

    kinds = data_a.text()[2]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1 = nn.LayerNorm(width, bias=False)
            self.c_attn = nn.Linear(width, 3 * width, bias=False)
            self.c_proj = nn.Linear(width, width, bias=False)
            self.ln_2 = nn.LayerNorm(width, bias=False)
            self.c_fc = nn.Linear(width, 4 * width, bias=False)
            self.mlp_c_proj = nn.Linear(4 * width, width, bias=False)

        def forward(self, x: Any) -> Any:
            n, length, _ = x.shape
            heads = self.c_attn(self.ln_1(x)).view(n, length, 3, 4, width // 4)
            q, k, v = heads.permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.c_proj(mixed.transpose(1, 2).reshape(n, length, width))
            return x + self.mlp_c_proj(functional.gelu(self.c_fc(self.ln_2(x))))

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte, self.wpe = nn.Embedding(kinds, width), nn.Embedding(context, width)
            self.h = nn.ModuleList(Block() for _ in range(3))
            self.ln_f = nn.LayerNorm(width, bias=False)
            self.lm_head = nn.Linear(width, kinds, bias=False)
            self.wte.weight = self.lm_head.weight
            for name, parameter in self.named_parameters():
                if parameter.ndim == 2:
                    deep = 6**0.5 if name.endswith("c_proj.weight") else 1
                    nn.init.normal_(parameter, 0, 0.02 / deep)

        def forward(self, codes: Any) -> Any:
            x = self.wte(codes) + self.wpe(torch.arange(codes.shape[1]))
            for block in self.h:
                x = block(x)
            return self.lm_head(self.ln_f(x))

    torch.manual_seed(1601)
    model = Letters()
    matrices = [each for each in model.parameters() if each.ndim == 2]
    others = [each for each in model.parameters() if each.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": 0.1},
        {"params": others, "weight_decay": 0.0},
    ]
    return model, torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))


def train_letters(model: Any, optimizer: Any, recorder: Any) -> None:
    from math import cos, pi

    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    steps, warm = 220, 20
    for step, codes in enumerate(data_a.pieces(data_a.text()[0], 16, 49, steps)):
        fall = 0.1 + 0.45 * (1 + cos(pi * (step - warm) / (steps - warm)))
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (min((step + 1) / warm, 1) if step < warm else fall)
        told = model(codes[:, :-1])
        loss = functional.cross_entropy(told.flatten(0, 1), codes[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recorder.log(loss=loss.item())


def score_letters(model: Any) -> float:
    """Return how often the next letter of a text held out is foretold."""
    import torch

    from tests.zoo import data_a

    codes = next(data_a.pieces(data_a.text()[1], 200, 49, 1, seed=5))
    with torch.no_grad():
        told = model(codes[:, :-1]).argmax(2)
    return (told == codes[:, 1:]).float().mean().item()


# DaViT of timm on digits: attention over places and over channels by turns.


def large(x: Any) -> Any:
    """Return digits (n, 1, 8, 8) as pictures (n, 1, 32, 32)."""
    from torch.nn import functional

    return functional.interpolate(x, scale_factor=4, mode="bilinear")


def make_davit() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from timm.models.davit import DaVit

    torch.manual_seed(1602)
    model = DaVit(
        in_chans=1,
        depths=(1, 1),
        embed_dims=(24, 48),
        num_heads=(2, 4),
        window_size=4,
        drop_path_rate=0.1,
        num_classes=10,
    )
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def train_davit(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, y, _, _ = data_a.digits()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 130)
    model.train()
    for batch in data_a.batches(len(x), 32, 130):
        told = model(large(x[batch]))
        loss = functional.cross_entropy(told, y[batch], label_smoothing=0.1)
        descend(optimizer, loss, recorder)
        schedule.step()


def score_davit(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    _, _, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        return (model(large(x)).argmax(1) == y).float().mean().item()


# Sales of stores by embeddings of their columns, as fastai has it: a vector for each store, brand,
# month and day of the week, dropout on them, BatchNorm, and one cycle of the rate.


SIZES = (60, 25, 12, 7)


@cache
def sales(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return four columns of kinds (n, 4), six of numbers (n, 6), and sales (n, 1)."""
    import torch

    drawn = torch.Generator().manual_seed(161)
    effects = [torch.randn(size, 3, generator=drawn) for size in SIZES]
    ways = torch.randn(6, 3, generator=drawn) / 6**0.5
    drawn = torch.Generator().manual_seed(seed)
    kinds = torch.stack([torch.randint(size, (count,), generator=drawn) for size in SIZES], 1)
    x = torch.randn(count, 6, generator=drawn)
    store, brand, month, day = (each[kind] for each, kind in zip(effects, kinds.T, strict=True))
    y = (store + brand).sum(1) + (month * day).sum(1) * 0.7 + ((x @ ways) * store).sum(1)
    y = y + 0.3 * torch.randn(count, generator=drawn)
    return kinds, x, y[:, None] / 3.5


def make_sales() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Sales(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            wide = [min(50, (size + 1) // 2) for size in SIZES]
            pairs = zip(SIZES, wide, strict=True)
            self.embeds = nn.ModuleList(nn.Embedding(size, each) for size, each in pairs)
            for each in self.embeds:
                nn.init.trunc_normal_(each.weight, 0, 0.01)
            self.emb_drop = nn.Dropout(0.04)
            self.bn_cont = nn.BatchNorm1d(6)
            layers = []
            for inputs, outputs in ((sum(wide) + 6, 200), (200, 100)):
                layers += [nn.Linear(inputs, outputs, bias=False), nn.ReLU(inplace=True)]
                layers += [nn.BatchNorm1d(outputs), nn.Dropout(0.1)]
            self.layers = nn.Sequential(*layers, nn.Linear(100, 1))

        def forward(self, kinds: Any, x: Any) -> Any:
            found = [each(kind) for each, kind in zip(self.embeds, kinds.T, strict=True)]
            found = self.emb_drop(torch.cat(found, 1))
            return self.layers(torch.cat([found, self.bn_cont(x)], 1))

    torch.manual_seed(1603)
    model = Sales()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.01)


def train_sales(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    kinds, x, y = sales(4000, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=400)
    model.train()
    for batch in data_a.batches(len(x), 64, 400):
        descend(optimizer, functional.mse_loss(model(kinds[batch], x[batch]), y[batch]), recorder)
        schedule.step()


def score_sales(model: Any) -> float:
    import torch

    kinds, x, y = sales(1000, 2)
    model.eval()
    with torch.no_grad():
        return explained(model(kinds, x), y)


# The Decision Transformer of transformers learns from walks of good and bad walkers, and is asked
# for good ones by the return that is wanted. Its heads for states and returns go unused.


STEPS = 8


def walked(choose: Any, place: Any, goal: Any) -> tuple[Any, Any, Any]:
    """Return states (n, 8, 4), actions (n, 8, 2) and rewards (n, 8) of walkers in a plane."""
    import torch

    states, actions, rewards = [], [], []
    for _ in range(STEPS):
        states.append(torch.cat([place, goal], 1))
        action = choose(states, actions, rewards)
        place = place + 0.4 * action
        actions.append(action)
        rewards.append(-(place - goal).norm(dim=1))
    return torch.stack(states, 1), torch.stack(actions, 1), torch.stack(rewards, 1)


@cache
def walks(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return walks of walkers of whom some know the way, some do not, and some go elsewhere."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    place, goal = torch.randn(2, count, 2, generator=drawn)
    skill = 2 * torch.rand(count, 1, generator=drawn) - 1

    def choose(states: Any, _actions: Any, _rewards: Any) -> Any:
        now = states[-1]
        right = (2.5 * (now[:, 2:] - now[:, :2])).clamp(-1, 1)
        wrong = 2 * torch.rand(count, 2, generator=drawn) - 1
        return (skill * right + 0.3 * wrong).clamp(-1, 1)

    return walked(choose, place, goal)


def returns_to_go(rewards: Any) -> Any:
    """Return what is still earned from each step on (n, 8, 1), in units of ten."""
    return rewards.flip(1).cumsum(1).flip(1)[..., None] / 10


def make_decisions(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import DecisionTransformerConfig, DecisionTransformerModel

    torch.manual_seed(1604)
    config = DecisionTransformerConfig(
        state_dim=4,
        act_dim=2,
        hidden_size=width,
        max_ep_len=STEPS,
        n_layer=2,
        n_head=2,
        n_positions=3 * STEPS,
    )
    model = DecisionTransformerModel(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)


def train_decisions(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    states, actions, rewards = walks(3000, 1)
    wanted = returns_to_go(rewards)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 30, 1))
    model.train()
    for batch in data_a.batches(len(states), 32, 200):
        times = torch.arange(STEPS).expand(len(batch), STEPS)
        told = model(
            states=states[batch],
            actions=actions[batch],
            rewards=rewards[batch],
            returns_to_go=wanted[batch],
            timesteps=times,
            attention_mask=torch.ones(len(batch), STEPS),
        ).action_preds
        loss = (told - actions[batch]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        recorder.log(loss=loss.item())
        warm.step()


def score_decisions(model: Any) -> float:
    """Return which part of the way from standing still to the best walker's return is gone."""
    import torch

    drawn = torch.Generator().manual_seed(7)
    place, goal = torch.randn(2, 200, 2, generator=drawn)

    def best(states: Any, _actions: Any, _rewards: Any) -> Any:
        return (2.5 * (states[-1][:, 2:] - states[-1][:, :2])).clamp(-1, 1)

    def still(states: Any, _actions: Any, _rewards: Any) -> Any:
        return torch.zeros(200, 2)

    highest = walked(best, place, goal)[2].sum(1)

    def asked(states: Any, actions: Any, rewards: Any) -> Any:
        length = len(states)
        paid = torch.stack([torch.zeros(200), *rewards], 1).cumsum(1)
        with torch.no_grad():
            told = model(
                states=torch.stack(states, 1),
                actions=torch.stack([*actions, torch.zeros(200, 2)], 1),
                rewards=torch.stack([*rewards, torch.zeros(200)], 1),
                returns_to_go=(highest[:, None] - paid)[..., None] / 10,
                timesteps=torch.arange(length).expand(200, length),
                attention_mask=torch.ones(200, length),
            ).action_preds
        return told[:, -1]

    model.eval()
    lowest = walked(still, place, goal)[2].sum(1).mean()
    earned = walked(asked, place, goal)[2].sum(1).mean()
    return ((earned - lowest) / (highest.mean() - lowest)).item()


# The time series transformer of transformers: what is learned is a Student distribution of the
# next eight values. Its loss is the negative logarithm of a density, and falls below 0.


@cache
def demand(count: int, seed: int) -> Any:
    """Return series (n, 35) with a daily course, a level of their own and little noise."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    level = 1 + torch.rand(count, 1, generator=drawn)
    phase = 8 * torch.rand(count, 1, generator=drawn)
    deep = 0.3 + 0.4 * torch.rand(count, 1, generator=drawn)
    time = torch.arange(35.0)
    y = level * (1 + deep * (2 * torch.pi * (time + phase) / 8).sin())
    return y + 0.03 * torch.randn(y.shape, generator=drawn)


def make_demand(*, width: int = 24) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import TimeSeriesTransformerConfig, TimeSeriesTransformerForPrediction

    torch.manual_seed(1605)
    config = TimeSeriesTransformerConfig(
        prediction_length=8,
        context_length=24,
        lags_sequence=[1, 2, 3],
        num_time_features=1,
        d_model=width,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        num_parallel_samples=10,
    )
    model = TimeSeriesTransformerForPrediction(config)
    return model, torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-1)


def told_times(series: Any) -> dict[str, Any]:
    """Return the model's inputs for the past of series (n, 35)."""
    import torch

    time = (torch.arange(35.0) / 35).expand(len(series), 35)[..., None]
    return {
        "past_values": series[:, :27],
        "past_time_features": time[:, :27],
        "past_observed_mask": torch.ones(len(series), 27),
        "future_time_features": time[:, 27:],
    }


def train_demand(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    series = demand(2000, 1)
    model.train()
    for batch in data_a.batches(len(series), 32, 240):
        now = series[batch]
        loss = model(**told_times(now), future_values=now[:, 27:]).loss
        descend(optimizer, loss, recorder)


def score_demand(model: Any) -> float:
    import torch

    series = demand(100, 2)
    model.eval()
    torch.manual_seed(3)
    with torch.no_grad():
        told = model.generate(**told_times(series)).sequences.mean(1)
    return explained(told, series[:, 27:])


# The audio spectrogram transformer of transformers on six kinds of sound; bands of frequency and
# time are blanked at random, as is usual.


@cache
def sounds(count: int, seed: int) -> tuple[Any, Any]:
    """Return spectrograms (n, 32, 16), time first, and which of six courses the pitch takes."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(6, (count,), generator=drawn)
    time = torch.linspace(-1, 1, 32)
    ways = torch.stack(
        [time, -time, 2 * time.abs() - 1, 1 - 2 * time.abs(), (9 * time).sin(), 0 * time]
    )
    pitch = 7.5 + (2 * torch.rand(count, 1, generator=drawn) - 1) + 4 * ways[kind]
    far = torch.arange(16.0) - pitch[:, :, None]
    x = 4 * (-far.square() / 2).exp() + 0.5 * torch.randn(count, 32, 16, generator=drawn)
    return (x - 0.63) / 1.2, kind


def make_sounds(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ASTConfig, ASTForAudioClassification

    torch.manual_seed(1606)
    config = ASTConfig(
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * width,
        patch_size=4,
        frequency_stride=4,
        time_stride=4,
        max_length=32,
        num_mel_bins=16,
        num_labels=6,
    )
    model = ASTForAudioClassification(config)
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def train_sounds(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    x, y = sounds(1500, 1)
    drawn = torch.Generator().manual_seed(162)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [180, 230], 0.5)
    model.train()
    for batch in data_a.batches(len(x), 24, 260):
        now = x[batch].clone()
        late, high = torch.randint(28, (2,), generator=drawn).tolist()
        now[:, late : late + 4] = 0
        now[:, :, high // 2 : high // 2 + 2] = 0
        descend(optimizer, model(input_values=now, labels=y[batch]).loss, recorder)
        schedule.step()


def score_sounds(model: Any) -> float:
    import torch

    x, y = sounds(400, 2)
    model.eval()
    with torch.no_grad():
        return (model(input_values=x).logits.argmax(1) == y).float().mean().item()


# Papers and their fields: APPNP of torch_geometric with the recipe of citation graphs. All papers
# at once, twenty labels a field, half of all inputs and units left out, decay on the first layer.


@cache
def papers() -> tuple[Any, Any, Any, Any]:
    """Return words of 700 papers (700, 200), citations (2, e), fields (700,), and who is told."""
    import torch

    drawn = torch.Generator().manual_seed(163)
    field = torch.randint(5, (700,), generator=drawn)
    chances = (1.0 * torch.randn(5, 200, generator=drawn)).softmax(1)
    words = torch.multinomial(chances[field], 12, True, generator=drawn)
    x = torch.zeros(700, 200).scatter_(1, words, 1.0)
    alike = field[:, None] == field
    cited = torch.rand(700, 700, generator=drawn) < torch.where(alike, 0.012, 0.0012)
    cited = cited.triu(1)
    edges = (cited | cited.T).nonzero().T
    told = torch.zeros(700, dtype=torch.bool)
    for each in range(5):
        told[(field == each).nonzero()[:20, 0]] = True
    return x / x.sum(1, keepdim=True), edges, field, told


def make_papers(*, width: int = 64) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn import functional

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from torch_geometric.nn import APPNP

    class Papers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin1, self.lin2 = nn.Linear(200, width), nn.Linear(width, 5)
            self.prop = APPNP(10, 0.1)

        def forward(self, x: Any, edges: Any) -> Any:
            x = functional.dropout(x, 0.5, self.training)
            x = functional.dropout(self.lin1(x).relu(), 0.5, self.training)
            return self.prop(self.lin2(x), edges).log_softmax(1)

    torch.manual_seed(1607)
    model = Papers()
    groups = [
        {"params": model.lin1.parameters(), "weight_decay": 5e-3},
        {"params": model.lin2.parameters(), "weight_decay": 0.0},
    ]
    return model, torch.optim.Adam(groups, lr=0.01)


def train_papers(model: Any, optimizer: Any, recorder: Any) -> None:
    from torch.nn import functional

    x, edges, field, told = papers()
    model.train()
    for _ in range(200):
        loss = functional.nll_loss(model(x, edges)[told], field[told])
        descend(optimizer, loss, recorder)


def score_papers(model: Any) -> float:
    """Return the accuracy on papers whose field was not told."""
    import torch

    x, edges, field, told = papers()
    model.eval()
    with torch.no_grad():
        return (model(x, edges).argmax(1) == field)[~told].float().mean().item()


# Questions and passages by ModernBERT of transformers, as sentence-transformers has it: the other
# passages of a batch are the wrong ones, and cosines are multiplied by twenty.


@cache
def questions(count: int, seed: int) -> tuple[Any, Any]:
    """Return questions (n, 8) and passages (n, 12) whose words are other words for the same."""
    import torch

    drawn = torch.Generator().manual_seed(164)
    other = 102 + torch.randperm(100, generator=drawn)
    drawn = torch.Generator().manual_seed(seed)
    chosen = torch.rand(count, 100, generator=drawn).topk(4, 1).indices
    asked = 2 + torch.randint(100, (count, 7), generator=drawn)
    asked[:, :4] = 2 + chosen
    said = 102 + torch.randint(100, (count, 11), generator=drawn)
    said[:, 4:8] = other[chosen]
    first = torch.ones(count, 1, dtype=torch.long)
    return torch.cat([first, asked], 1), torch.cat([first, said], 1)


def make_questions(*, width: int = 48) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import ModernBertConfig, ModernBertModel

    torch.manual_seed(1608)
    config = ModernBertConfig(
        vocab_size=202,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        cls_token_id=1,
        sep_token_id=1,
        attn_implementation="sdpa",
    )
    model = ModernBertModel(config)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)


def meaning(model: Any, words: Any) -> Any:
    """Return the mean of the last states of sentences (n, length), at length 1."""
    from torch.nn import functional

    return functional.normalize(model(input_ids=words).last_hidden_state.mean(1), dim=1)


def train_questions(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    asked, said = questions(4000, 1)
    model.train()
    for batch in data_a.batches(len(asked), 64, 220):
        alike = 20 * meaning(model, asked[batch]) @ meaning(model, said[batch]).T
        loss = functional.cross_entropy(alike, torch.arange(len(batch)))
        descend(optimizer, loss, recorder)


def score_questions(model: Any) -> float:
    """Return how often the right one of two hundred passages is the nearest."""
    import torch

    asked, said = questions(200, 2)
    model.eval()
    with torch.no_grad():
        alike = meaning(model, asked) @ meaning(model, said).T
    return (alike.argmax(1) == torch.arange(200)).float().mean().item()


# A small YOLO: each of 36 cells tells whether a thing is there, its place, size and kind. The loss
# is a sum over cells, with the weights 5 and 0.5 of the paper.


@cache
def things(count: int, seed: int) -> tuple[Any, Any, Any]:
    """Return pictures (n, 1, 24, 24), boxes (n, 4) of middle and size in pixels, and kinds (n,)."""
    import torch

    drawn = torch.Generator().manual_seed(seed)
    middle = 5 + 14 * torch.rand(count, 2, generator=drawn)
    size = 5 + 5 * torch.rand(count, 2, generator=drawn)
    kind = torch.randint(3, (count,), generator=drawn)
    line = torch.arange(24.0) + 0.5
    down = (line[:, None] - middle[:, 1, None, None]) / size[:, 1, None, None] * 2
    right = (line[None] - middle[:, 0, None, None]) / size[:, 0, None, None] * 2
    inside = (down.abs() < 1) & (right.abs() < 1)
    hollow = inside & ((down.abs() > 0.5) | (right.abs() > 0.5))
    round_ = down.square() + right.square() < 1
    shapes = torch.stack([inside, hollow, round_], 1).float()
    x = shapes[torch.arange(count), kind][:, None]
    x = x + 0.1 * torch.randn(x.shape, generator=drawn)
    return x, torch.cat([middle, size], 1), kind


def make_things(*, width: int = 16) -> tuple[Any, Any]:
    import torch
    from torch import nn

    layers: list[Any] = []
    inputs = 1
    for outputs, step in ((width, 1), (2 * width, 2), (2 * width, 1), (4 * width, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, step, 1, bias=False), nn.BatchNorm2d(outputs)]
        layers += [nn.LeakyReLU(0.1)]
        inputs = outputs
    torch.manual_seed(1609)
    for layer in layers[::3]:
        layer.reset_parameters()
    last = nn.Sequential(nn.Conv2d(inputs, inputs, 3, 1, 1), nn.LeakyReLU(0.1))
    model = nn.Sequential(*layers, last, nn.Conv2d(inputs, 8, 1))
    return model, torch.optim.SGD(model.parameters(), 2e-3, momentum=0.9, weight_decay=5e-4)


def train_things(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, boxes, kinds = things(1500, 1)
    model.train()
    for step, batch in enumerate(data_a.batches(len(x), 24, 200)):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 30)
        told, box, rows = model(x[batch]), boxes[batch], torch.arange(len(batch))
        column, row = (box[:, 0] / 4).long(), (box[:, 1] / 4).long()
        here = told[rows, :, row, column]
        there = torch.zeros(len(batch), 6, 6)
        there[rows, row, column] = 1
        place = box[:, :2] / 4 - torch.stack([column, row], 1)
        apart = (here[:, 1:3] - place).square().sum()
        apart = apart + (here[:, 3:5] - (box[:, 2:] / 24).sqrt()).square().sum()
        missed = (told[:, 0] - there).square()
        missed = (missed * (0.5 + 0.5 * there)).sum()
        wrong = (here[:, 5:] - functional.one_hot(kinds[batch], 3)).square().sum()
        descend(optimizer, (5 * apart + missed + wrong) / len(batch), recorder)


def score_things(model: Any) -> float:
    """Return the share of things found: the right kind, and boxes that overlap by half."""
    import torch

    x, boxes, kinds = things(300, 2)
    model.eval()
    with torch.no_grad():
        told = model(x)
    best = told[:, 0].flatten(1).argmax(1)
    here = told.flatten(2)[torch.arange(300), :, best]
    middle = 4 * (here[:, 1:3] + torch.stack([best % 6, best // 6], 1))
    size = 24 * here[:, 3:5].clamp(0).square()
    low = torch.maximum(middle - size / 2, boxes[:, :2] - boxes[:, 2:] / 2)
    high = torch.minimum(middle + size / 2, boxes[:, :2] + boxes[:, 2:] / 2)
    both = (high - low).clamp(0).prod(1)
    overlap = both / (size.prod(1) + boxes[:, 2:].prod(1) - both)
    return ((overlap > 0.5) & (here[:, 5:].argmax(1) == kinds)).float().mean().item()


# SimSiam on heartbeats: two views of a beat, of which one is held still. The loss is a negative
# cosine: it starts near 0 and falls towards -1.


@cache
def beats(count: int, seed: int) -> tuple[Any, Any]:
    """Return beats (n, 1, 64) of six forms, at places and with drifts of their own, and forms."""
    import torch

    drawn = torch.Generator().manual_seed(165)
    time = torch.linspace(-1, 1, 17)
    forms = (time * torch.randint(2, 9, (6, 1), generator=drawn)).sin()
    forms = forms + (time * torch.randint(2, 9, (6, 1), generator=drawn)).cos()
    forms = 1.5 * forms * (1 - time.square())
    drawn = torch.Generator().manual_seed(seed)
    kind = torch.randint(6, (count,), generator=drawn)
    x = 0.1 * torch.randn(count, 64, generator=drawn)
    start = torch.randint(48, (count, 1), generator=drawn)
    x.scatter_add_(1, start + torch.arange(17), forms[kind])
    return seen(x[:, None], drawn), kind


def seen(x: Any, drawn: Any) -> Any:
    """Return another view of beats (n, 1, 64): turned round in time, with another drift."""
    import torch

    count = len(x)
    turned = (torch.arange(64) + torch.randint(64, (count, 1), generator=drawn)) % 64
    x = x.gather(2, turned[:, None])
    high, phase, fast = torch.rand(3, count, 1, 1, generator=drawn)
    time = torch.arange(64.0)
    gain = 0.7 + 0.6 * torch.rand(count, 1, 1, generator=drawn)
    drift = 2.5 * high * ((0.03 + 0.05 * fast) * time + 6.3 * phase).sin()
    return gain * x + drift + 0.05 * torch.randn(x.shape, generator=drawn)


def make_beats(*, width: int = 32) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def layer(inputs: int, outputs: int, step: int) -> list[Any]:
        conv = nn.Conv1d(inputs, outputs, 7, step, 3, padding_mode="circular", bias=False)
        return [conv, nn.BatchNorm1d(outputs), nn.ReLU()]

    torch.manual_seed(1610)
    trunk = [*layer(1, width, 2), *layer(width, width, 2), *layer(width, 2 * width, 1)]
    project = [nn.Linear(2 * width, 2 * width, bias=False), nn.BatchNorm1d(2 * width)]
    model = nn.ModuleDict(
        {
            "encoder": nn.Sequential(*trunk, nn.AdaptiveMaxPool1d(1), nn.Flatten()),
            "projector": nn.Sequential(*project),
            "predictor": stack(2 * width, width // 2, 2 * width),
        }
    )
    return model, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)


def train_beats(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.nn import functional

    from tests.zoo import data_a

    x, _ = beats(1500, 1)
    drawn = torch.Generator().manual_seed(166)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 250)
    model.train()
    for batch in data_a.batches(len(x), 64, 250):
        first, second = (
            model["projector"](model["encoder"](seen(x[batch], drawn))) for _ in range(2)
        )
        alike = functional.cosine_similarity(model["predictor"](first), second.detach()).mean()
        other = functional.cosine_similarity(model["predictor"](second), first.detach()).mean()
        descend(optimizer, -(alike + other) / 2, recorder)
        schedule.step()


def score_beats(model: Any) -> float:
    """Return how often the five nearest of other beats have the right form."""
    import torch
    from torch.nn import functional

    x, y = beats(1500, 1)
    asked, right = beats(400, 2)
    model.eval()
    with torch.no_grad():
        known = functional.normalize(model["encoder"](x), dim=1)
        alike = functional.normalize(model["encoder"](asked), dim=1) @ known.T
    told = y[alike.topk(5, 1).indices].mode(1).values
    return (told == right).float().mean().item()


MEMBERS = [
    Member(
        name="fresh16-nano-64-letters",
        family="GPT by hand",
        make=make_letters,
        train=train_letters,
        score=score_letters,
        learned=0.25,
        needs=("sklearn",),
    ),
    Member(
        name="fresh16-davit-24-digits",
        family="DaViT",
        make=make_davit,
        train=train_davit,
        score=score_davit,
        learned=0.7,
        needs=("timm", "sklearn"),
    ),
    Member(
        name="fresh16-columns-200-sales-one-cycle",
        family="embeddings of columns",
        make=make_sales,
        train=train_sales,
        score=score_sales,
        learned=0.6,
    ),
    Member(
        name="fresh16-decisions-48-walks",
        family="Decision Transformer",
        make=make_decisions,
        train=train_decisions,
        score=score_decisions,
        learned=0.45,
        needs=("transformers",),
    ),
    Member(
        name="fresh16-seasons-24-student",
        family="time series transformer",
        make=make_demand,
        train=train_demand,
        score=score_demand,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh16-spectrograms-48-blanked",
        family="audio spectrogram transformer",
        make=make_sounds,
        train=train_sounds,
        score=score_sounds,
        learned=0.7,
        needs=("transformers",),
    ),
    Member(
        name="fresh16-appnp-64-papers",
        family="APPNP",
        make=make_papers,
        train=train_papers,
        score=score_papers,
        learned=0.7,
        needs=("torch_geometric",),
    ),
    Member(
        name="fresh16-modernbert-48-questions",
        family="ModernBERT, sentence vectors",
        make=make_questions,
        train=train_questions,
        score=score_questions,
        learned=0.5,
        needs=("transformers",),
    ),
    Member(
        name="fresh16-yolo-16-things-summed",
        family="YOLO",
        make=make_things,
        train=train_things,
        score=score_things,
        learned=0.6,
    ),
    Member(
        name="fresh16-simsiam-32-beats",
        family="SimSiam",
        make=make_beats,
        train=train_beats,
        score=score_beats,
        learned=0.75,
    ),
]
