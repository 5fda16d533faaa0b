"""Deterministic answers: request bodies in, response bodies out. No I/O."""
