"""`fix(make, train)`: the remedies of a verdict, tried on a PyTorch training.

`bench` trains, `actions` carries remedies out on live objects, `beginning` puts everything random
back to where it was before each trial, `around` holds what is wrapped while a trial lasts.
"""

from gradlab.adapters.torch.cures.bench import TorchBench
from gradlab.adapters.torch.cures.public import fix

__all__ = ["TorchBench", "fix"]
