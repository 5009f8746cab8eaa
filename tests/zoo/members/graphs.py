"""Graph networks of torch_geometric: nodes of communities (GCN, GAT), a number a graph (GIN)."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from tests.zoo.member import Member

NEEDS = ("torch_geometric",)


@cache
def communities() -> Any:
    """Return a graph of 400 nodes in four communities, of which the features tell little."""
    import torch
    from torch_geometric.data import Data

    generator = torch.Generator().manual_seed(0)
    y = torch.arange(400) % 4
    together = y[:, None] == y[None]
    chance = torch.where(together, 0.06, 0.006)
    drawn = (torch.rand(400, 400, generator=generator) < chance).triu(1)
    edges = (drawn | drawn.T).nonzero().T
    signs = torch.randn(4, 32, generator=generator)
    x = 0.35 * signs[y] + torch.randn(400, 32, generator=generator)
    known = torch.rand(400, generator=generator) < 0.3
    return Data(x=x, edge_index=edges, y=y, known=known)


def make_gcn(*, weight_decay: float = 5e-4) -> tuple[Any, Any]:
    import torch
    from torch_geometric.nn.models import GCN

    torch.manual_seed(0)
    model = GCN(32, 64, num_layers=2, out_channels=4, dropout=0.5)
    return model, torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=weight_decay)


def make_gat() -> tuple[Any, Any]:
    import torch
    from torch_geometric.nn.models import GAT

    torch.manual_seed(1)
    model = GAT(32, 32, num_layers=2, out_channels=4, heads=4, dropout=0.3, v2=True)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


def train_nodes(model: Any, optimizer: Any, recorder: Any, *, zero_grad: bool = True) -> None:
    import torch.nn.functional as F

    graph = communities()
    model.train()
    for _ in range(200):
        if zero_grad:
            optimizer.zero_grad()
        logits = model(graph.x, graph.edge_index)
        loss = F.cross_entropy(logits[graph.known], graph.y[graph.known])
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_nodes(model: Any) -> float:
    import torch

    graph = communities()
    model.eval()
    with torch.no_grad():
        right = model(graph.x, graph.edge_index).argmax(1) == graph.y
    model.train()
    return right[~graph.known].float().mean().item()


@cache
def small_graphs() -> list[Any]:
    """Return 500 random graphs and how many of their nodes have three neighbours or more."""
    import torch
    from torch_geometric.data import Data

    generator = torch.Generator().manual_seed(3)
    graphs = []
    for _ in range(500):
        nodes = int(torch.randint(6, 15, (1,), generator=generator))
        density = 0.15 + 0.3 * torch.rand(1, generator=generator)
        drawn = (torch.rand(nodes, nodes, generator=generator) < density).triu(1)
        both = drawn | drawn.T
        target = (both.sum(1) >= 3).float().mean() * 4 - 2
        x = torch.ones(nodes, 4)
        graphs.append(Data(x=x, edge_index=both.nonzero().T, y=target.view(1)))
    return graphs


def make_gin() -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch_geometric.nn import global_mean_pool
    from torch_geometric.nn.models import GIN

    class Regressor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = GIN(4, 64, num_layers=3, norm="batch_norm")
            self.head = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))

        def forward(self, batch: Any) -> Any:
            nodes = self.body(batch.x, batch.edge_index)
            return self.head(global_mean_pool(nodes, batch.batch))

    torch.manual_seed(2)
    model = Regressor()
    return model, torch.optim.Adam(model.parameters(), lr=2e-3)


def train_gin(model: Any, optimizer: Any, recorder: Any, *, squeezed: bool = True) -> None:
    import torch
    from torch_geometric.loader import DataLoader

    generator = torch.Generator().manual_seed(4)
    loader = DataLoader(small_graphs()[:400], batch_size=40, shuffle=True, generator=generator)
    criterion = torch.nn.MSELoss()
    model.train()
    for _ in range(20):
        for batch in loader:
            optimizer.zero_grad()
            predicted = model(batch)
            if squeezed:
                predicted = predicted.squeeze(-1)
            loss = criterion(predicted, batch.y)
            loss.backward()
            optimizer.step()
            recorder.log(loss=loss.item())


def score_gin(model: Any) -> float:
    """Return the share of the held-out targets' variance that is explained."""
    import torch
    from torch_geometric.data import Batch

    held_out = Batch.from_data_list(small_graphs()[400:])
    model.eval()
    with torch.no_grad():
        predicted = model(held_out).squeeze(-1)
    model.train()
    return 1.0 - ((predicted - held_out.y).square().mean() / held_out.y.var()).item()


MEMBERS = [
    Member(
        name="gcn-64-adam",
        family="GCN",
        make=make_gcn,
        train=train_nodes,
        score=score_nodes,
        learned=0.7,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="gcn-64-weight-decay-10",
        family="GCN",
        make=partial(make_gcn, weight_decay=10.0),
        train=train_nodes,
        score=score_nodes,
        learned=0.7,
        fault="weight decay 10",
        root=("GL309",),
        symptoms=("GL402", "GL101", "GL201"),
        counterpart="gcn-64-adam",
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="gatv2-32-sgd-momentum",
        family="GAT",
        make=make_gat,
        train=train_nodes,
        score=score_nodes,
        learned=0.7,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="gatv2-32-zero-grad-forgotten",
        family="GAT",
        make=make_gat,
        train=partial(train_nodes, zero_grad=False),
        score=score_nodes,
        learned=0.7,
        fault="zero_grad forgotten",
        root=("GL104",),
        symptoms=("GL303", "GL304", "GL401", "GL402", "GL203", "GL102"),
        counterpart="gatv2-32-sgd-momentum",
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="gin-64-graph-regression",
        family="GIN",
        make=make_gin,
        train=train_gin,
        score=score_gin,
        learned=0.5,
        needs=NEEDS,
        fast=True,
    ),
    Member(
        name="gin-64-broadcast-target",
        family="GIN",
        make=make_gin,
        train=partial(train_gin, squeezed=False),
        score=score_gin,
        learned=0.5,
        fault="(N, 1) against (N,): broadcast",
        root=("GL402",),
        counterpart="gin-64-graph-regression",
        needs=NEEDS,
        fast=True,
    ),
]
