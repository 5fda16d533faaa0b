"""Commands that take dataclasses: their fields become options, so that commands can share them."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def flattened(command: Callable[..., None]) -> Callable[..., None]:
    """*command*, with the fields of its dataclass parameters, and of dataclasses within, as keyword parameters."""
    given = inspect.signature(command).parameters.values()
    groups = {each.name: each.annotation for each in given if _is_group(each.annotation)}
    parameters = [plain for each in given for plain in _flat(each)]

    @wraps(command)
    def flat(**values: Any) -> None:
        built = {name: _built(group, values) for name, group in groups.items()}
        command(**built, **values)

    # What `inspect` shows of a function, and what typer therefore makes options of.
    flat.__dict__["__signature__"] = inspect.Signature(parameters)
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _flat(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    if not _is_group(parameter.annotation):
        yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        return
    for each in _fields_of(parameter.annotation):
        yield from _flat(each)


def _fields_of(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [each.replace(annotation=hints[each.name]) for each in inspect.signature(group).parameters.values()]


def _built(group: type[Any], values: dict[str, Any]) -> Any:
    """*group* out of *values*, which are taken from there."""
    return group(
        **{
            each.name: _built(each.annotation, values) if _is_group(each.annotation) else values.pop(each.name)
            for each in _fields_of(group)
        }
    )
