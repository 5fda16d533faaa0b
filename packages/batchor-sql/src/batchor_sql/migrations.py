"""The numbered versions of the schema, and how a database comes to the newest.

Number 1 makes everything that `schema` describes, and a new database is made whole by it. Each later
number changes databases that are older; `schema` then describes the outcome, so a new database skips it.
Everything happens in one transaction: a database is at a version, never between two.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, Engine, insert, inspect, select, update

from batchor_core.errors import StorageVersionError
from batchor_sql.dialects import traits_of
from batchor_sql.schema import metadata, schema_version

type Change = Callable[[Connection], None]

CREATED = 1
CHANGES: Mapping[int, Change] = {}
"""What leads from the version before to the one that is the key: 2, 3, …"""


def newest() -> int:
    """The version that this batchor reads and writes."""
    return max(CHANGES, default=CREATED)


def stored_version(connection: Connection) -> int:
    """The version of the database; 0 where batchor has stored nothing yet."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    version: int = connection.execute(select(schema_version.c.version)).scalar_one()
    return version


def check_version(connection: Connection, *, place: str) -> int:
    """The stored version, or `StorageVersionError` when it is newer than this batchor; nothing is written."""
    found = stored_version(connection)
    if found > newest():
        raise StorageVersionError(place, found=found, supported=newest())
    return found


def migrate(engine: Engine, *, place: str, when_new: Change | None = None) -> None:
    """Bring the database to the newest version; does not write when it is there already.

    *when_new* is called in the transaction that creates the tables.
    """
    with engine.connect().execution_options(**traits_of(engine.dialect).reading) as connection:
        if check_version(connection, place=place) == newest():
            return
    with engine.begin() as connection:
        if lock := traits_of(engine.dialect).migration_lock:
            connection.exec_driver_sql(lock)
        # Somebody may have migrated it, even to a newer version, while this process waited for the lock.
        found = check_version(connection, place=place)
        if found == 0:
            _create(connection)
            if when_new is not None:
                when_new(connection)
        else:
            _change(connection, found)


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(schema_version).values(version=newest()))


def _change(connection: Connection, found: int) -> None:
    for version in range(found + 1, newest() + 1):
        CHANGES[version](connection)
    connection.execute(update(schema_version).values(version=newest()))
