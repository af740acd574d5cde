"""Working ahead: an iterator that runs in its own thread while its items are used."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.1  # how soon the thread sees that nobody wants more


def ahead(items: Iterator[T], depth: int = 3) -> Iterator[T]:
    """The same items; up to `depth` of them are made before they are asked for.

    What `items` raises comes out here. Leaving the loop early ends the thread.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    enough = threading.Event()

    def put(item: T | None, error: BaseException | None) -> None:
        while not enough.is_set():
            try:
                return ready.put((item, error), timeout=POLL_S)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item, None)
                if enough.is_set():
                    return
        except BaseException as error:  # raised again where the items are used
            put(None, error)
        else:
            put(None, StopIteration())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        enough.set()
        thread.join()
