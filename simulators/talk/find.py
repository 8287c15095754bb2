"""A model by its name or its file, whether it has registers or sends messages."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from simulators.errors import InputError
from simulators.layouts.layout import find_layout, shipped
from simulators.layouts.shape import Layout
from simulators.talk.model import FOLDER, MessageModel, is_message_file, load_model, shipped_models

AnyModel: TypeAlias = Layout | MessageModel


def all_models() -> tuple[str, ...]:
    """Every one that comes with the program."""
    return tuple(sorted((*shipped(), *shipped_models())))


def find_model(name: str) -> AnyModel:
    """By name, or from a file whose name ends in .toml."""
    if name.endswith(".toml"):
        path = Path(name)
        return load_model(path) if is_message_file(path) else find_layout(name)
    if name in shipped_models():
        return load_model(FOLDER / f"{name}.toml")
    if name not in shipped():
        raise InputError(
            f"there is no rig {name!r}; there are {', '.join(all_models())}, or name a file that ends in .toml"
        )
    return find_layout(name)
