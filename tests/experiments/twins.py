"""A network of gradlab's, rebuilt of PyTorch's parts.

The same weights, the same batches, PyTorch's own training.
"""

from __future__ import annotations

import numpy as np

from gradlab.comparison.networks import Network
from gradlab.datasets import Data
from tests.helpers import batches


class Twin:
    """The plain net of seed 0 with `depth` hidden layers of 64 units, for the digits."""

    def __init__(self, torch, network: str, depth: int):
        model = Network.parse(network).build([64] + [64] * depth + [10])
        self.torch, self.phi = torch, getattr(torch, model.activation.name)
        self.weights = [torch.tensor(w.copy(), requires_grad=True) for w in model.weights]
        self.biases = [torch.zeros(1, n, requires_grad=True) for n in model.sizes[1:]]

    def forward(self, x) -> list:
        """Return z of every layer."""
        h, kept = self.torch.tensor(x, dtype=self.torch.float32), []
        for w, b in zip(self.weights, self.biases, strict=True):
            kept.append((self.phi(h) if kept else h) @ w + b)
            h = kept[-1]
        return kept

    def train(self, data: Data, iterations: int, learning_rate: float) -> list[float]:
        """Train by SGD in batches of 64.

        Return ||dLoss/dz|| of every layer before the first update.
        """
        optimizer = self.torch.optim.SGD([*self.weights, *self.biases], lr=learning_rate)
        first = []
        for chosen in batches(0, len(data.x_train), 64, iterations):
            optimizer.zero_grad()
            kept = self.forward(data.x_train[chosen])
            if not first:
                for z in kept:
                    z.retain_grad()
            self.torch.nn.functional.cross_entropy(
                kept[-1], self.torch.tensor(data.y_train[chosen])
            ).backward()
            first = first or [z.grad.norm().item() for z in kept]
            optimizer.step()
        return first

    def accuracy(self, data: Data) -> float | None:
        """On held-out digits; None where the net has no finite answer."""
        logits = self.forward(data.x_test)[-1].detach().numpy()
        return (
            float((logits.argmax(axis=1) == data.y_test).mean())
            if np.isfinite(logits).all()
            else None
        )
