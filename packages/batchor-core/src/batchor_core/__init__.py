"""The durable core of batchor: domain, ports and use cases, on the standard library alone."""
