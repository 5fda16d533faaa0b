"""The commands: each parses, calls one use case, and prints."""
