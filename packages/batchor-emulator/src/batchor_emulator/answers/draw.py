"""Choices that follow from a request alone."""

from __future__ import annotations

from hashlib import blake2b

import orjson

_MULTIPLIER = 6364136223846793005
_INCREMENT = 1442695040888963407
_MASK = (1 << 64) - 1


class Draw:
    """A stream of pseudo-random choices, seeded by a request body.

    The seed ignores the order of keys and white space. A 64-bit linear generator is used because
    `random.Random` costs more to seed than a whole answer.
    """

    __slots__ = ("_state", "fingerprint")

    def __init__(self, body: object) -> None:
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        self.fingerprint = blake2b(canonical, digest_size=8).hexdigest()
        """16 hexadecimal digits that name the body."""
        self._state = int(self.fingerprint, 16)

    def below(self, limit: int) -> int:
        """A whole number in `0..limit-1`."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return (self._state >> 31) % limit

    def between(self, first: int, last: int) -> int:
        """A whole number in `first..last`, both included."""
        return first + self.below(last - first + 1)
