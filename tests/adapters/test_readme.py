"""The README's loop in PyTorch is run as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

import gradlab

torch = pytest.importorskip("torch")

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_loop_of_the_readme_records_and_judges(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = gradlab.datasets.digits(seed=0)
    x, y = torch.tensor(data.x_train, dtype=torch.float32), torch.tensor(data.y_train)
    layers: list[torch.nn.Module] = []
    for _ in range(12):
        layers += [torch.nn.Linear(64, 64), torch.nn.Sigmoid()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10))
    namespace = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), 0.1),
        "criterion": torch.nn.CrossEntropyLoss(),
        "loader": list(zip(x.split(32), y.split(32), strict=True)) * 2,
    }
    (block,) = re.findall(r"^```py\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    exec(compile(block, "README.md", "exec"), namespace)
    assert "GL101 vanishing-gradient (error)" in capsys.readouterr().out
    assert np.isfinite(gradlab.load("runs/mine").step("loss")).all()
