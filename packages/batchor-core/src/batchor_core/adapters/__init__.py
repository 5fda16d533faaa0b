"""Adapters that need only the standard library."""
