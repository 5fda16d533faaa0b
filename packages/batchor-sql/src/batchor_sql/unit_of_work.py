"""All stores inside one transaction."""

from batchor_sql.artifacts import SqlArtifactCatalog
from batchor_sql.batches import SqlBatchStore
from batchor_sql.capacity import SqlCapacityStore
from batchor_sql.events import SqlEventLog
from batchor_sql.items import SqlItemStore
from batchor_sql.lineage import SqlLineageStore
from batchor_sql.results import SqlResultStore
from batchor_sql.retries import SqlRetryStore
from batchor_sql.runs import SqlRunStore
from batchor_sql.scope import Scope


class SqlUnitOfWork:
    """`UnitOfWork` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self.runs = SqlRunStore(scope)
        self.items = SqlItemStore(scope)
        self.lineage = SqlLineageStore(scope)
        self.batches = SqlBatchStore(scope)
        self.retries = SqlRetryStore(scope)
        self.results = SqlResultStore(scope)
        self.artifacts = SqlArtifactCatalog(scope)
        self.capacity = SqlCapacityStore(scope)
        self.events = SqlEventLog(scope)
