"""Rows that are kept by columns: a sequence like any other."""

from batchor_core.ports.state_records import Member, RowColumns, columns_of

ROWS = [Member(3, 1, 0), Member(5, 0, 0), Member(8, 0, 2)]


def test_they_are_a_sequence_of_their_rows() -> None:
    columns = RowColumns(Member, ROWS[:1])
    columns.extend([5, 8], [0, 0], (0, 2))
    assert list(columns) == ROWS
    assert len(columns) == 3
    assert [columns[0], columns[-1]] == [ROWS[0], ROWS[-1]]
    assert columns[1:] == ROWS[1:]
    assert isinstance(columns[0], Member)
    assert ROWS[1] in columns


def test_a_column_is_had_by_its_name() -> None:
    assert RowColumns(Member, ROWS).column("item_index") == [3, 5, 8]


def test_columns_are_the_same_of_rows_and_of_columns() -> None:
    assert [list(column) for column in columns_of(ROWS)] == columns_of(RowColumns(Member, ROWS))
    assert columns_of([]) == columns_of(RowColumns(Member)) == []
