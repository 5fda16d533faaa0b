"""The output model of the structured measurements."""

from typing import Literal

from pydantic import BaseModel


class Verdict(BaseModel):
    """A judgement of a few fields."""

    label: Literal["spam", "ham", "unclear"]
    score: float
    reason: str
    flagged: bool
