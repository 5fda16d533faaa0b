"""What is wrong with one request's body."""

from __future__ import annotations


class RequestFaultError(Exception):
    """The body is refused, as the real endpoint would refuse it: the request's own failure."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.status = status

    def body(self) -> dict[str, object]:
        """The response body, in OpenAI's error shape."""
        return {
            "error": {
                "message": self.message,
                "type": "invalid_request_error" if self.status < 500 else "server_error",
                "param": self.param,
                "code": self.code,
            }
        }
