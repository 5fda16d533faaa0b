from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import column, create_engine, literal, select

from batchor_sql.column_types import Instant, JsonText, to_micros


@pytest.mark.parametrize(
    "time",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 12, 0, 0, 123_457, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_a_time_comes_back_to_the_microsecond(time: datetime) -> None:
    with create_engine("sqlite://").connect() as connection:
        assert connection.execute(select(literal(time, Instant))).scalar_one() == time


def test_equal_times_of_two_zones_are_stored_alike() -> None:
    local = datetime(2026, 3, 29, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert to_micros(local) == to_micros(datetime(2026, 3, 29, 12, 0, tzinfo=UTC)) == 1_774_785_600_000_000


def test_json_is_stored_as_ascii_so_that_every_text_can_be() -> None:
    value = {"a": ["é", "\ud800", 1.5, None]}
    with create_engine("sqlite://").connect() as connection:
        stored = select(literal(value, JsonText).label("value")).subquery()
        assert connection.execute(select(column("value")).select_from(stored)).scalar_one().isascii()
        assert connection.execute(select(stored.c.value)).scalar_one() == value
