"""What stands in the index that keeps item ids unique: the id itself, and of a long one its beginning and a digest.

Servers bound the size of an index entry (PostgreSQL at 2,704 bytes), ids of 10 kB must do, and a large entry would
slow every insert. A digest of every id would be shorter than most, but it would scatter ids that come in order
over the whole index, at four times the cost of a row; so only long ids have one, behind the part that keeps their order.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

MAX_PLAIN_LENGTH = 200
"""In characters. The key of a longer id is longer than this too, so it is never the id of another item."""

_DIGEST_BYTES = 16


def id_key(item_id: str) -> str:
    """The same for equal ids, and for no others.

    Two long ids could only meet in all 128 bits: among 10 billion that begin alike, with a chance below 10^-18.
    """
    if len(item_id) <= MAX_PLAIN_LENGTH:
        return item_id
    # A lone half of a surrogate pair gets through here, so that the driver is the one that refuses it.
    digest = blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{item_id[:MAX_PLAIN_LENGTH]}#{digest}"


class IdColumns(NamedTuple):
    """The two columns that hold the ids of items."""

    keys: Sequence[str]
    long_ids: Sequence[str | None]
    """None where the key is the id."""


def id_columns(item_ids: Sequence[str]) -> IdColumns:
    """How these ids are stored; at least one."""
    if max(map(len, item_ids)) <= MAX_PLAIN_LENGTH:
        return IdColumns(item_ids, [None] * len(item_ids))
    long_ids = [item_id if len(item_id) > MAX_PLAIN_LENGTH else None for item_id in item_ids]
    return IdColumns(list(map(id_key, item_ids)), long_ids)
