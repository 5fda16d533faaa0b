"""What makes an item acceptable: its id, and metadata that JSON can hold."""

import json
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from batchor_core.domain.item import BatchItem
from batchor_core.errors import InvalidItemError

MAX_ITEM_ID_BYTES = 10_000
_SHOWN_CHARACTERS = 60


def metadata_text(metadata: Mapping[str, Any], *, item_id: str, place: int | str) -> str | None:
    """An item's metadata as JSON text, None where it has none; `InvalidItemError` for what JSON cannot hold.

    *place* says where the item stands, in words (a file and a line), or by its index, which counts from 0.
    """
    if not metadata:
        return None
    try:
        return _metadata_text(metadata)
    except (ValueError, TypeError, RecursionError) as error:
        problem = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidItemError(
            f"{place_in_words(place)}: the metadata of item {_shown(item_id)} cannot be stored as JSON: {problem}; "
            "use an object of strings, finite numbers, booleans, None, lists and objects with string keys"
        ) from error


def check_item_id(item: BatchItem[Any], place: int | str) -> str:
    """The item's id; `InvalidItemError` for one that will not do, and for what is no item. *place* as above."""
    if not isinstance(item, BatchItem):
        raise InvalidItemError(
            f"{place_in_words(place)}: a {type(item).__name__} is no item; give BatchItem(item_id=..., payload=...)"
        )
    if (fault := item_id_fault(item.item_id)) is not None:
        raise InvalidItemError(f"{place_in_words(place)}: {fault}")
    return item.item_id


def check_item_ids(items: Sequence[Any], first: int) -> list[str]:
    """The id of each item, as `check_item_id` gives it; they stand at the indexes from *first* on."""
    item_ids = [item.item_id for item in items if isinstance(item, BatchItem)]
    if len(item_ids) == len(items) and are_usual_ids(item_ids):
        return item_ids
    return [check_item_id(item, index) for index, item in enumerate(items, first)]


def item_id_fault(item_id: object) -> str | None:
    """What is wrong with an id, and what to do about it; None when it will do.

    An id is any text of 1 to `MAX_ITEM_ID_BYTES` bytes in UTF-8 without NUL and without halves of surrogate pairs.
    """
    if not isinstance(item_id, str):
        return f"the item id {_shown(item_id)} is a {type(item_id).__name__}, not a str; convert it with str(...)"
    if not item_id:
        return "the item id is empty; give each item an id of its own"
    if "\0" in item_id:
        return f"the item id {_shown(item_id)} holds a NUL character, which databases refuse; remove it"
    try:
        size_bytes = len(item_id) if item_id.isascii() else len(item_id.encode())
    except UnicodeEncodeError:
        return f"the item id {_shown(item_id)} holds half of a surrogate pair, which is no text; correct it"
    if size_bytes > MAX_ITEM_ID_BYTES:
        return (
            f"the item id {_shown(item_id)} has {size_bytes} bytes, the limit is {MAX_ITEM_ID_BYTES}; "
            "use a shorter one, for instance a hash of it"
        )
    return None


def are_usual_ids(item_ids: Sequence[Any]) -> bool:
    """Whether all are ids as nearly all are, so that `item_id_fault` would find nothing; at a fifth of its cost."""
    try:
        text = "".join(item_ids)
    except TypeError:
        return False
    return (
        all(item_ids)
        and text.isascii()
        and "\0" not in text
        and max(map(len, item_ids), default=0) <= MAX_ITEM_ID_BYTES
    )


def place_in_words(place: int | str) -> str:
    """`item number 1` for index 0; words stay as they are."""
    return f"item number {place + 1}" if isinstance(place, int) else place


def _metadata_text(metadata: object) -> str:
    if not isinstance(metadata, Mapping):
        raise TypeError(f"it is a {type(metadata).__name__}, not an object")
    text = _ENCODER.encode(metadata)
    _check_keys(metadata)
    if not text.isascii():
        # Text that is no UTF-8 would be refused much later, by the database.
        text.encode()
    return text


def _as_json_type(value: object) -> object:
    match value:
        case Mapping():
            return dict(value)
        case Sequence() if not isinstance(value, (bytes, bytearray, memoryview)):
            return list(value)
        case _:
            raise TypeError(f"it holds a {type(value).__name__}")


# What json.dumps makes anew for each call. Exports take its text as it is.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_as_json_type)
_SCALARS = frozenset({str, int, float, bool, NoneType})


def _check_keys(value: object) -> None:
    """Refuse keys that the encoder would turn into strings: the metadata would come back changed."""
    # The looks at exact types are for speed: asking for abstract ones costs ten times as much, for each member.
    if type(value) in _SCALARS or isinstance(value, str):
        return
    if isinstance(value, (dict, Mapping)):
        for key, member in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {_shown(key)} is a {type(key).__name__}, not a str")
            if type(member) not in _SCALARS:
                _check_keys(member)
    elif isinstance(value, Sequence):
        for member in value:
            _check_keys(member)


def _shown(value: object) -> str:
    if isinstance(value, str):
        # The repr of a very long text is never made.
        value = value[: _SHOWN_CHARACTERS + 1]
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
