"""The model class that a user names on the command line."""

import importlib
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from batchor_core.errors import StructuredOutputError

if TYPE_CHECKING:
    from pydantic import BaseModel

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def chosen_model(reference: str | None) -> type["BaseModel"] | None:
    """The class that *reference* names as `module:Class`, if it names one.

    It may come from the current folder: naming it is the user's own act. `StructuredOutputError` when it cannot be had.
    """
    if reference is None:
        return None
    from pydantic import BaseModel

    if _REFERENCE.fullmatch(reference) is None:
        raise StructuredOutputError(f"{reference!r} names no class; write it as package.module:Class")
    module_name, _, class_name = reference.partition(":")
    try:
        with _current_folder_importable():
            found: object = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:
        raise StructuredOutputError(f"{reference} cannot be imported ({type(error).__name__}: {error})") from error
    if not isinstance(found, type) or not issubclass(found, BaseModel):
        raise StructuredOutputError(f"{reference} is no Pydantic model; it must be a subclass of pydantic.BaseModel")
    return found


@contextmanager
def _current_folder_importable() -> Generator[None]:
    # For this import alone: what is imported later must not come from wherever the command was started.
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
