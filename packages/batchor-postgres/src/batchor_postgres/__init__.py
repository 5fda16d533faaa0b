"""The state store in PostgreSQL, for any number of workers on any number of hosts."""
