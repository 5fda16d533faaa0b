"""What a user may have go wrong: the profile, and what it decides about each call, batch and row."""
