"""Run large datasets through LLM batch APIs, durably."""
