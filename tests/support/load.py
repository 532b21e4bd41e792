"""Steady load on an API: clients that call one path over and over, and remember every answer."""

import threading
import time
from collections import Counter

import requests

from tests.support.stack import Stack
from tests.support.waiting import eventually

PAUSE = 0.01  # seconds from an answer to that client's next call: the tests beside this one want the processors too


class Load:
    """`clients` threads call `path` until the context ends; each answer counts, also none.

    The context begins once there is an answer.
    """

    def __init__(self, stack: Stack, path: str, clients: int = 8) -> None:
        self.stack = stack
        self.path = path
        self.answers: Counter[object] = Counter()
        self.slowest = 0.0
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.answers, 10, "an answer under load")
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        with self.stack.session() as session:
            while not self._end.wait(PAUSE):
                began = time.monotonic()
                try:
                    answer: object = session.get(self.stack.url + self.path, timeout=60).status_code
                except requests.RequestException as error:
                    answer = type(error).__name__
                with self._lock:
                    self.answers[answer] += 1
                    self.slowest = max(self.slowest, time.monotonic() - began)
