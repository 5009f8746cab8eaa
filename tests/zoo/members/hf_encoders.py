"""BERT, DistilBERT and RoBERTa of transformers: topics, masked words, brackets, prices."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("transformers", "sklearn")
HOUSES = 350_000.0


def make_bert(
    *,
    width: int = 64,
    layers: int = 4,
    rate: float = 1e-3,
    seed: int = 0,
    dropout: float = 0.1,
    **options: Any,
) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=60,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * width,
        max_position_embeddings=32,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        num_labels=6,
    )
    model = BertForSequenceClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=rate, **options)


def train_topics(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    x, y = data_a.topics(2000, seed=1)
    model.train()
    for chosen in data_a.batches(len(y), 32, 160):
        optimizer.zero_grad()
        loss = model(input_ids=x[chosen], labels=y[chosen]).loss
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def train_single(model: Any, optimizer: Any, recorder: Any) -> None:
    """Train on one document at a time."""
    from tests.zoo import data_a

    x, y = data_a.topics(2000, seed=1, spread=2.0)
    model.train()
    for chosen in data_a.batches(len(y), 1, 800):
        loss = model(input_ids=x[chosen], labels=y[chosen]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        recorder.log(loss=loss)


def score_topics(model: Any, *, spread: float = 1.0) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(500, seed=2, spread=spread)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(-1) == y).float().mean().item()


def make_masked(*, rate: float = 2e-3) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=33,
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=192,
        max_position_embeddings=32,
    )
    model = BertForMaskedLM(config)
    return model, torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98))


def hide(tokens: Any, drawn: Any) -> tuple[Any, Any]:
    """Mask 15 % of the words by word 32; return the inputs and the labels of those places."""
    import torch

    from tests.zoo import data_a

    masked = torch.rand(tokens.shape, generator=drawn) < 0.15
    masked[:, 1] = True
    return tokens.masked_fill(masked, 32), tokens.masked_fill(~masked, data_a.IGNORED)


def train_masked(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import get_linear_schedule_with_warmup

    steps = 400
    sentences = data_a.chains(4000, 16, seed=1)
    drawn = data_a.generator(5)
    schedule = get_linear_schedule_with_warmup(optimizer, 30, steps)
    model.train()
    for chosen in data_a.batches(len(sentences), 32, steps):
        inputs, labels = hide(sentences[chosen], drawn)
        loss = model(input_ids=inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recorder.log(loss=loss)


def score_masked(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    inputs, labels = hide(data_a.chains(500, 16, seed=2), data_a.generator(6))
    model.eval()
    with torch.no_grad():
        found = model(input_ids=inputs).logits.argmax(-1)
    asked = labels != data_a.IGNORED
    return (found == labels)[asked].float().mean().item()


def make_tagger() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import DistilBertConfig, DistilBertForTokenClassification

    torch.manual_seed(4)
    config = DistilBertConfig(
        vocab_size=3,
        dim=64,
        n_layers=3,
        n_heads=4,
        hidden_dim=128,
        max_position_embeddings=16,
        dropout=0.0,
        attention_dropout=0.0,
        num_labels=6,
    )
    model = DistilBertForTokenClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=2e-3)


def train_tagger(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    steps = 250
    x, y = data_a.brackets(4000, 12, seed=1)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    model.train()
    for chosen in data_a.batches(len(y), 48, steps):
        loss = model(input_ids=x[chosen], labels=y[chosen]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recorder.log(loss=loss.item())


def score_tagger(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.brackets(500, 12, seed=2)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(-1) == y).float().mean().item()


def make_roberta(*, eps: float = 1e-8) -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(5)
    config = RobertaConfig(
        vocab_size=60,
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=6,
        intermediate_size=192,
        max_position_embeddings=40,
        pad_token_id=0,
        num_labels=6,
    )
    model = RobertaForSequenceClassification(config)
    return model, torch.optim.AdamW(model.parameters(), lr=5e-4, eps=eps, weight_decay=0.1)


def train_noisy(model: Any, optimizer: Any, recorder: Any) -> None:
    """A quarter of the labels is drawn at random; the loss smooths them."""
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(2000, seed=1)
    drawn = data_a.generator(8)
    wrong = torch.rand(len(y), generator=drawn) < 0.25
    y = torch.where(wrong, torch.randint(6, y.shape, generator=drawn), y)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    model.train()
    for chosen in data_a.batches(len(y), 24, 220):
        optimizer.zero_grad()
        loss = criterion(model(input_ids=x[chosen]).logits, y[chosen])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def prices(count: int, seed: int) -> tuple[Any, Any]:
    """Return descriptions of houses and standardized prices: a sum over the words' worth."""
    import torch

    from tests.zoo import data_a

    x = data_a.numbers(count, 16, seed, values=20)
    worth = torch.randn(20, generator=data_a.generator(9))
    y = worth[x].sum(1) / (4 * worth.std()) - 4 * worth.mean() / worth.std()
    return x, y


def make_regressor() -> tuple[Any, Any]:
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(6)
    config = DistilBertConfig(
        vocab_size=20,
        dim=48,
        n_layers=2,
        n_heads=4,
        hidden_dim=192,
        max_position_embeddings=16,
        num_labels=1,
        seq_classif_dropout=0.0,
    )
    model = DistilBertForSequenceClassification(config)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def train_regressor(
    model: Any, optimizer: Any, recorder: Any, *, broadcast: bool = False, dollars: bool = False
) -> None:
    import torch

    from tests.zoo import data_a

    x, y = prices(2000, seed=1)
    if dollars:
        y = HOUSES + 80_000 * y
    criterion = torch.nn.MSELoss()
    model.train()
    for chosen in data_a.batches(len(y), 32, 300):
        optimizer.zero_grad()
        output = model(input_ids=x[chosen]).logits
        if not broadcast:
            output = output.squeeze(-1)
        loss = criterion(output, y[chosen])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_regressor(model: Any, *, dollars: bool = False) -> float:
    """Return R squared on houses held out."""
    import torch

    x, y = prices(500, seed=2)
    if dollars:
        y = HOUSES + 80_000 * y
    model.eval()
    with torch.no_grad():
        output = model(input_ids=x).logits.squeeze(-1)
    return 1 - ((output - y).square().mean() / y.var(correction=0)).item()


MEMBERS = [
    Member(
        name="bert-64-topics-adamw",
        family="BERT",
        make=make_bert,
        train=train_topics,
        score=score_topics,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="bert-64-topics-weight-decay-10",
        family="BERT",
        make=partial(make_bert, weight_decay=10.0),
        train=train_topics,
        score=score_topics,
        learned=0.6,
        fault="weight decay of 10",
        root=("GL309",),
        symptoms=("GL101", "GL402"),
        counterpart="bert-64-topics-adamw",
        needs=NEEDS,
    ),
    Member(
        name="bert-64-topics-maximized",
        family="BERT",
        make=partial(make_bert, maximize=True),
        train=train_topics,
        score=score_topics,
        learned=0.6,
        fault="gradient ascent",
        root=("GL310",),
        symptoms=("GL102", "GL303", "GL304", "GL401", "GL402"),
        counterpart="bert-64-topics-adamw",
        needs=NEEDS,
    ),
    Member(
        name="bert-32-batch-1",
        family="BERT",
        make=partial(make_bert, width=32, layers=2, rate=5e-4, seed=2, dropout=0.0),
        train=train_single,
        score=partial(score_topics, spread=2.0),
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="bert-96-masked-warmup",
        family="BERT",
        make=make_masked,
        train=train_masked,
        score=score_masked,
        learned=0.25,
        needs=NEEDS,
    ),
    Member(
        name="bert-96-masked-rate-1e-6",
        family="BERT",
        make=partial(make_masked, rate=1e-6),
        train=train_masked,
        score=score_masked,
        learned=0.25,
        fault="learning rate too small",
        root=("GL302", "GL402"),
        symptoms=("GL312",),
        counterpart="bert-96-masked-warmup",
        needs=NEEDS,
    ),
    Member(
        name="distilbert-64-brackets-clipped",
        family="DistilBERT",
        make=make_tagger,
        train=train_tagger,
        score=score_tagger,
        learned=0.8,
        needs=NEEDS,
    ),
    Member(
        name="roberta-96-label-noise",
        family="RoBERTa",
        make=make_roberta,
        train=train_noisy,
        score=score_topics,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="roberta-96-epsilon-1",
        family="RoBERTa",
        make=partial(make_roberta, eps=1.0),
        train=train_noisy,
        score=score_topics,
        learned=0.6,
        fault="epsilon of Adam too large",
        root=("GL306", "GL312"),
        symptoms=("GL302", "GL402"),
        counterpart="roberta-96-label-noise",
        needs=NEEDS,
    ),
    Member(
        name="distilbert-48-prices",
        family="DistilBERT",
        make=make_regressor,
        train=train_regressor,
        score=score_regressor,
        learned=0.6,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="distilbert-48-prices-broadcast",
        family="DistilBERT",
        make=make_regressor,
        train=partial(train_regressor, broadcast=True),
        score=score_regressor,
        learned=0.6,
        fault="(N, 1) against (N,)",
        root=("GL402",),
        counterpart="distilbert-48-prices",
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="distilbert-48-prices-in-dollars",
        family="DistilBERT",
        make=make_regressor,
        train=partial(train_regressor, dollars=True),
        score=partial(score_regressor, dollars=True),
        learned=0.6,
        fault="targets not scaled",
        root=("GL404",),
        symptoms=("GL302", "GL402"),
        counterpart="distilbert-48-prices",
        needs=NEEDS,
        fast=True,
    ),
]
