"""Parts of a model as a person types them: `model.blocks[3].up.weight`."""

from __future__ import annotations

import keyword

from gradlab.run import Run


def in_torch(run: Run) -> bool:
    """Whether the run was recorded from PyTorch."""
    return str(run.config.get("framework", "")).lower() in ("torch", "pytorch")


def expression(path: str) -> str:
    """Return the Python expression of a module or parameter of `model`.

    Examples
    --------
    >>> expression("blocks.3.up")
    'model.blocks[3].up'
    """
    written = "model"
    for part in path.split(".") if path else ():
        if part.isdigit():
            written += f"[{part}]"
        elif part.isidentifier() and not keyword.iskeyword(part):
            written += f".{part}"
        else:
            written += f'["{part}"]'
    return written


def module_of(run: Run, layer: int) -> str:
    """Return a layer (from 1) as code: `model.blocks[3].up`; for the built-in engine "layer 3"."""
    return expression(str(run.layer("path")[layer - 1])) if in_torch(run) else f"layer {layer}"


def weight_of(run: Run, layer: int) -> str:
    """Return the parameter of a row (from 1) as code: `model.blocks[3].up.weight`."""
    if not in_torch(run):
        return f"the weights of layer {layer}"
    name, path, owner = (str(run.layer(key)[layer - 1]) for key in ("name", "path", "owner"))
    # A row bears its module's name (the class of a model that is one layer), or its parameter's.
    of_module = name == path or (not path and name == owner)
    return f"{expression(path)}.weight" if of_module else expression(name)
