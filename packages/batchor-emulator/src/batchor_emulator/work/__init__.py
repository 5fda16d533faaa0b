"""What happens to a batch after it was created: checking, executing, publishing."""
