"""Chances that fall the same way in every rehearsal with one seed."""

from __future__ import annotations

from hashlib import blake2b

_RANGE = 1 << 64


def strikes(share: float, *key: object) -> bool:
    """Whether a fault with a *share* in 0..1 strikes what *key* names."""
    if share >= 1:
        return True
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) < share * _RANGE
