"""LoRA of peft on BERT, Llama and ViT that were trained on something else before."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("transformers", "peft", "sklearn")


def trained_bert() -> Any:
    """Return a BERT that tells the topics of one language."""
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
        num_labels=6,
    )
    model = BertForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = data_a.topics(2000, seed=1)
    for chosen in data_a.batches(len(y), 32, 150):
        model(input_ids=x[chosen], labels=y[chosen]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def make_bert(*, optimizer_first: bool = False) -> tuple[Any, Any]:
    """`optimizer_first`: the optimizer is made before the adapters are there."""
    import torch

    base = trained_bert()
    from peft import LoraConfig, TaskType, get_peft_model

    base.classifier.reset_parameters()
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=8,
        lora_alpha=16,
        lora_dropout=0.05,
        target_modules=["query", "value", "dense"],
    )
    if optimizer_first:
        optimizer = torch.optim.AdamW(base.parameters(), lr=3e-3)
        return get_peft_model(base, config), optimizer
    model = get_peft_model(base, config)
    return model, torch.optim.AdamW(model.parameters(), lr=3e-3)


def train_bert(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    x, y = data_a.topics(2000, seed=1, language=11)
    model.train()
    for chosen in data_a.batches(len(y), 32, 160):
        loss = model(input_ids=x[chosen], labels=y[chosen]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_topics(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    x, y = data_a.topics(500, seed=2, language=11)
    model.eval()
    with torch.no_grad():
        return (model(input_ids=x).logits.argmax(-1) == y).float().mean().item()


def checkpointed(forward: Any, reentrant: bool, hidden: Any, **options: Any) -> Any:
    from torch.utils.checkpoint import checkpoint

    return checkpoint(partial(forward, **options), hidden, use_reentrant=reentrant)


def make_llama(*, reentrant: bool = False) -> tuple[Any, Any]:
    """A Llama that knew chains of words; adapters and a new head; layers checkpointed by hand."""
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=60,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=32,
        num_labels=6,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
        use_cache=False,
    )
    writer = LlamaForCausalLM(config)
    before = torch.optim.AdamW(writer.parameters(), lr=3e-3)
    sentences = data_a.chains(2000, 16, seed=1, words=58) + 2
    for chosen in data_a.batches(len(sentences), 32, 100):
        writer(input_ids=sentences[chosen], labels=sentences[chosen]).loss.backward()
        before.step()
        before.zero_grad()
    base = LlamaForSequenceClassification(config)
    base.model.load_state_dict(writer.model.state_dict())
    adapters = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=8,
        lora_alpha=16,
        target_modules=[
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ],
    )
    model = get_peft_model(base, adapters)
    for layer in base.model.layers:
        layer.forward = partial(checkpointed, layer.forward, reentrant)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return model, torch.optim.AdamW(trained, lr=3e-3, weight_decay=0.0)


def train_llama(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_a

    steps = 200
    x, y = data_a.topics(2000, seed=1, language=11)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    model.train()
    for chosen in data_a.batches(len(y), 16, steps):
        loss = model(input_ids=x[chosen], labels=y[chosen]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recorder.log(loss=loss)


def make_vit() -> tuple[Any, Any]:
    """A ViT that knows the digits 0 to 4; adapters and a new head for all ten."""
    import torch

    from tests.zoo import data_a

    data_a.allow_torchvision()
    from peft import LoraConfig, get_peft_model
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(2)
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        num_labels=10,
    )
    base = ViTForImageClassification(config)
    x, y, _, _ = data_a.digits()
    x = x[y < 5]
    y = y[y < 5]
    before = torch.optim.AdamW(base.parameters(), lr=1e-3)
    for chosen in data_a.batches(len(y), 32, 150):
        base(pixel_values=2 * x[chosen] - 1, labels=y[chosen]).loss.backward()
        before.step()
        before.zero_grad()
    base.classifier.reset_parameters()
    adapters = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=r".*attention.*(query|value|q_proj|v_proj)",
        modules_to_save=["classifier"],
    )
    model = get_peft_model(base, adapters)
    return model, torch.optim.AdamW(model.parameters(), lr=5e-3)


def train_vit(model: Any, optimizer: Any, recorder: Any) -> None:
    from tests.zoo import data_a

    x, y, _, _ = data_a.digits()
    model.train()
    for chosen in data_a.batches(len(y), 32, 200):
        optimizer.zero_grad()
        loss = model(pixel_values=2 * x[chosen] - 1, labels=y[chosen]).loss
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_digits(model: Any) -> float:
    import torch

    from tests.zoo import data_a

    _, _, x, y = data_a.digits()
    model.eval()
    with torch.no_grad():
        return (model(pixel_values=2 * x - 1).logits.argmax(-1) == y).float().mean().item()


MEMBERS = [
    Member(
        name="lora-bert-64-topics",
        family="LoRA",
        make=make_bert,
        train=train_bert,
        score=score_topics,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="lora-bert-64-optimizer-before-adapters",
        family="LoRA",
        make=partial(make_bert, optimizer_first=True),
        train=train_bert,
        score=score_topics,
        learned=0.6,
        fault="adapters and head in no optimizer",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        counterpart="lora-bert-64-topics",
        needs=NEEDS,
    ),
    Member(
        name="lora-llama-64-checkpointed",
        family="LoRA",
        make=make_llama,
        train=train_llama,
        score=score_topics,
        learned=0.6,
        needs=NEEDS,
    ),
    Member(
        name="lora-llama-64-reentrant",
        family="LoRA",
        make=partial(make_llama, reentrant=True),
        train=train_llama,
        score=score_topics,
        learned=0.6,
        fault="adapters cut off by reentrant checkpointing",
        root=("GL105",),
        symptoms=("GL302", "GL402"),
        where=r"layers",
        counterpart="lora-llama-64-checkpointed",
        needs=NEEDS,
    ),
    Member(
        name="lora-vit-64-new-digits",
        family="LoRA",
        make=make_vit,
        train=train_vit,
        score=score_digits,
        learned=0.6,
        needs=NEEDS,
    ),
]
