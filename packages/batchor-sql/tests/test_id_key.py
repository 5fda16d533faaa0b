from hashlib import sha256

from batchor_sql.id_key import MAX_PLAIN_LENGTH, id_columns, id_key

_LONG = "".join(sha256(b"%d" % block).hexdigest() for block in range(160))
_MAX_ENTRY_BYTES = 2704
"""What fits an index of PostgreSQL, the key of the run included."""


def test_a_short_id_is_its_own_key() -> None:
    assert id_key("") == ""
    assert id_key("x" * MAX_PLAIN_LENGTH) == "x" * MAX_PLAIN_LENGTH


def test_long_ids_that_begin_alike_have_different_keys() -> None:
    assert len({id_key(_LONG), id_key(_LONG + "x"), id_key(_LONG[:-1])}) == 3


def test_the_key_of_a_long_id_is_not_the_id_of_another_item() -> None:
    key = id_key(_LONG)
    assert len(key) > MAX_PLAIN_LENGTH
    assert id_key(key) != key


def test_keys_keep_the_order_of_what_they_begin_with() -> None:
    ids = [f"customer/{number:06d}/{_LONG}" for number in range(100)]
    assert sorted(map(id_key, ids)) == [id_key(item_id) for item_id in ids]


def test_every_key_fits_an_index_of_the_servers() -> None:
    assert len(id_key("\U0001f600" * 5_000).encode()) + 8 < _MAX_ENTRY_BYTES
    assert len(id_key("\U0001f600" * MAX_PLAIN_LENGTH).encode()) + 8 < _MAX_ENTRY_BYTES


def test_half_of_a_surrogate_pair_is_left_to_the_driver() -> None:
    assert id_key("\ud800" * 300) != id_key("\ud800" * 301)


def test_only_long_ids_have_a_column_of_their_own() -> None:
    long_id = "x" * (MAX_PLAIN_LENGTH + 1)
    assert id_columns(["a", long_id]) == (["a", id_key(long_id)], [None, long_id])
    assert id_columns(["a", "b"]) == (["a", "b"], [None, None])
