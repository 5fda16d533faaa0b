"""Use cases: each reads, decides with the domain's pure functions, and writes."""
