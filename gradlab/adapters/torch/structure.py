"""Where a parameter lives: the repeated blocks of a model, and its role inside one.

Blocks are found in the module tree: children of one kind that stand in a list, each with several
matrices of its own (transformer layers, residual blocks). A list of stages, each of which is little
more than a list of blocks itself, is looked through.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from gradlab.adapters.torch.modules import class_name, clean
from gradlab.errors import ArgumentError, suggest

LISTS = (nn.ModuleList, nn.Sequential, nn.ModuleDict)
LEAST_MATRICES = 2  # of a block: a convolution with its norm is a layer, and no block
STAGE_SHARE = 0.6  # of a stage's parameters, at least so many lie in the blocks inside it
# Side by side, not one after the other: parts of a block.
PARALLEL = re.compile(r"(expert|head|branch|tower)s?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """A repeated part of a model.

    Attributes
    ----------
    path : str
        Of the module, such as "encoder.layer.3".
    module : nn.Module
    """

    path: str
    module: nn.Module

    @property
    def kind(self) -> str:
        """The name of its class."""
        return class_name(self.module)


class Structure:
    """The repeated blocks of a model.

    Parameters
    ----------
    model : nn.Module
    patterns : sequence of str
        Paths of the blocks, such as "encoder.layer.*"; none: they are found.

    Attributes
    ----------
    blocks : tuple of Block
        In the order of definition.

    Raises
    ------
    ArgumentError
        A pattern matches no module.
    """

    def __init__(self, model: nn.Module, patterns: Sequence[str] = ()):
        if patterns:
            self.blocks = _chosen(model, patterns)
        else:
            repeated = _repeated_classes(model)
            self.blocks = tuple(_blocks_in(model, "", repeated))
        self._paths = {block.path for block in self.blocks}

    def block_of(self, path: str) -> str:
        """Return the path of the block that a module lies in; "" outside of all."""
        parts = path.split(".")
        for end in range(len(parts), 0, -1):
            start = ".".join(parts[:end])
            if start in self._paths:
                return start
        return ""

    def role_of(self, name: str) -> str:
        """Return the part of a name that comes after its block's: what it is in each block."""
        block = self.block_of(name)
        return name.removeprefix(block).removeprefix(".") if block else name


def _blocks_in(module: nn.Module, path: str, repeated: set[object]) -> Iterator[Block]:
    """Yield the blocks inside a module."""
    likes = _like_children(module, repeated)
    for name, child in module.named_children():
        below = clean(f"{path}.{name}".lstrip("."))
        inner = list(_blocks_in(child, below, repeated))
        if name in likes and not (inner and _is_stage(child, inner)):
            yield Block(below, child)
        else:
            yield from inner


def _like_children(module: nn.Module, repeated: set[object]) -> set[str]:
    """Return the names of the children that are alike, and blocks by their size."""
    children = {name: child for name, child in module.named_children() if _is_composite(child)}
    if isinstance(module, LISTS):
        counts = Counter(_kind(child) for child in children.values())
        if any(count > 1 for count in counts.values()):
            return {name for name, child in children.items() if counts[_kind(child)] > 1}
        alone = len(children) == 1 and len(list(module.children())) == 1
        return {name for name, child in children.items() if alone and _kind(child) in repeated}
    numbered: dict[object, list[str]] = defaultdict(list)
    for name, child in children.items():
        match = re.fullmatch(r"(.*?)_?\d+", name)
        if match:
            numbered[match[1], _kind(child)].append(name)
    return {name for names in numbered.values() if len(names) > 1 for name in names}


def _is_composite(module: nn.Module) -> bool:
    matrices = sum(parameter.ndim > 1 for parameter in module.parameters())
    return matrices >= LEAST_MATRICES and next(module.children(), None) is not None


def _kind(module: nn.Module) -> object:
    """What two blocks must share: their class, and of plain lists what they hold."""
    if isinstance(module, LISTS):
        return type(module), tuple(_kind(child) for child in module.children())
    return type(module)


def _is_stage(module: nn.Module, inner: Sequence[Block]) -> bool:
    """Whether a module is little more than the blocks inside it, one after the other."""
    if any(PARALLEL.search(block.path.rpartition(".")[0].rpartition(".")[2]) for block in inner):
        return False
    inside = {id(p): p.numel() for block in inner for p in block.module.parameters()}
    every = {id(p): p.numel() for p in module.parameters()}
    return sum(inside.values()) >= STAGE_SHARE * sum(every.values())


def _repeated_classes(model: nn.Module) -> set[object]:
    """Return the kinds that stand in some list at least twice."""
    found: set[object] = set()
    for module in model.modules():
        if isinstance(module, LISTS):
            counts = Counter(_kind(child) for child in module.children() if _is_composite(child))
            found |= {kind for kind, count in counts.items() if count > 1}
    return found


def _chosen(model: nn.Module, patterns: Sequence[str]) -> tuple[Block, ...]:
    """Return the modules whose paths match; `*` stands for one part of a path or a piece of it."""
    modules = {clean(name): module for name, module in model.named_modules() if name}
    found: list[Block] = []
    for pattern in patterns:
        expression = re.compile(re.escape(pattern).replace(r"\*", r"[^.]*"))
        hits = [Block(name, each) for name, each in modules.items() if expression.fullmatch(name)]
        if not hits:
            known = dict.fromkeys(re.sub(r"(?<=\.)\d+|^\d+", "*", name) for name in modules)
            some = sorted(known, key=lambda name: ("*" not in name, name.count(".")))
            raise ArgumentError(f"blocks={pattern!r} matches no module; {suggest(pattern, some)}")
        found += hits
    names = list(modules)
    return tuple(sorted(set(found), key=lambda block: names.index(block.path)))
