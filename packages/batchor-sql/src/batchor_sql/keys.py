"""Keys of what a run numbers: its own key and the number in one integer.

So the rows of a run lie together and in order, and every look-up and join is one of integers. A database has room for
2^23 runs.
"""

from sqlalchemy import BigInteger, ColumnElement, Integer, literal_column

_NUMBER_BITS = 40
# Literals, for a database takes an index on an expression only for what is spelt as the index is.
_SHIFT = literal_column(str(_NUMBER_BITS), Integer)
_MASK = literal_column(str((1 << _NUMBER_BITS) - 1), BigInteger)

NUMBERS = 1 << _NUMBER_BITS
"""A run numbers its items, and its results, below this."""


def key_of(run_key: int, number: int) -> int:
    """The key of a number: ascending with it, and never among those of another run.

    As a bound, any number will do: one that no row can have becomes the nearer end of the run.
    """
    return (run_key << _NUMBER_BITS) + min(max(number, 0), NUMBERS)


def number_of(key: ColumnElement[int]) -> ColumnElement[int]:
    """The number in a key."""
    return key.bitwise_and(_MASK)


def run_of(key: ColumnElement[int]) -> ColumnElement[int]:
    """The run key in a key."""
    return key.bitwise_rshift(_SHIFT)
