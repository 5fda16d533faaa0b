"""A call that its caller need not wait for to the end."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread


def in_background[ResultT](call: Callable[[], ResultT]) -> Future[ResultT]:
    """Begin *call* in a thread that does not keep the process alive: what it leaves then is what a crash leaves."""
    future: Future[ResultT] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  raised again by whoever asks for the result
            future.set_exception(error)

    Thread(target=run, name="batchor-cycle", daemon=True).start()
    return future
