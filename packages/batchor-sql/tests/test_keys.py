import pytest
from sqlalchemy import BigInteger, ColumnElement, create_engine, literal_column, select

from batchor_sql.keys import NUMBERS, key_of, number_of, run_of


@pytest.mark.parametrize("number", [0, 1, NUMBERS - 1])
def test_a_key_gives_back_its_run_and_its_number(number: int) -> None:
    key: ColumnElement[int] = literal_column(str(key_of(7, number)), BigInteger)
    with create_engine("sqlite://").connect() as connection:
        assert connection.execute(select(run_of(key), number_of(key))).one() == (7, number)


def test_keys_ascend_with_runs_and_their_numbers() -> None:
    keys = [key_of(run, number) for run in (1, 2, 3) for number in (0, 1, NUMBERS - 1)]
    assert keys == sorted(set(keys))


def test_the_last_run_there_is_room_for_has_keys_of_64_bits() -> None:
    assert key_of(2**23 - 1, NUMBERS - 1) == 2**63 - 1


@pytest.mark.parametrize("number", [NUMBERS, NUMBERS + 1, 2**63])
def test_a_bound_behind_all_numbers_is_the_end_of_the_run(number: int) -> None:
    assert key_of(1, number) == key_of(2, 0)


def test_a_bound_before_all_numbers_is_the_beginning_of_the_run() -> None:
    assert key_of(2, -5) == key_of(2, 0)
