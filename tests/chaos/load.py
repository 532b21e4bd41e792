"""Clients that send numbers and check that each comes back, once; what they got is counted."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import requests

from tests.support.stack import API_USER, Stack

HANG = 90.0  # seconds: longer than REQUEST_TIMEOUT and START_TIMEOUT
PAUSE = 0.005  # seconds between two requests of a client
# What a client may get beside its number: each is documented (docs/engine.md, docs/api.md).
REFUSALS = {429, 502, 503, 504}


@dataclass
class Counts:
    """Responses by status, and by the exception where there was none."""

    responses: Counter[object] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hanging: int = 0
    slowest: float = 0.0  # seconds

    def __str__(self) -> str:
        statuses = ", ".join(f"{status}: {n:,}" for status, n in sorted(self.responses.items(), key=str))
        return f"{sum(self.responses.values()):,} requests ({statuses}), slowest {self.slowest:.1f} s"


class NumberLoad:
    """`clients` threads POST numbers to the endpoint of `cells` until the context ends."""

    def __init__(self, stack: Stack, clients: int = 8) -> None:
        self.stack = stack
        self.seen = stack.home / "seen"  # a line for each time that a cell ran
        self.counts = Counts()
        self._numbers = count()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def cells(self) -> list[str]:
        """The notebook that answers."""
        return [
            f"import json, os\nseen = os.open({str(self.seen)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)",
            "# POST /echo\n"
            "number = json.loads(REQUEST)['body']['number']\n"
            "os.write(seen, f'{number}\\n'.encode())\n"
            "print(json.dumps({'number': number}))",
        ]

    def __enter__(self) -> "NumberLoad":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def doubled(self) -> list[int]:
        """The numbers whose cell ran more than once."""
        numbers = Path(self.seen).read_text().split() if self.seen.exists() else []
        return [int(number) for number, times in Counter(numbers).items() if times > 1]

    def _run(self) -> None:
        while not self._end.wait(PAUSE):
            with self._lock:
                number = next(self._numbers)
            began = time.monotonic()
            outcome, wrong = self._send(number)
            seconds = time.monotonic() - began
            with self._lock:
                self.counts.responses[outcome] += 1
                self.counts.slowest = max(self.counts.slowest, seconds)
                self.counts.hanging += outcome == "ReadTimeout"
                if wrong:
                    self.counts.wrong.append(wrong)

    def _send(self, number: int) -> tuple[object, str]:
        """The status, or the exception's name; and what is wrong with the response."""
        try:
            response = self.stack.post("/invoke/echo", auth=API_USER, json={"number": number}, timeout=HANG)
        except requests.RequestException as error:
            return type(error).__name__, ""
        status = response.status_code
        if status == 200:
            is_right = response.text == json.dumps({"number": number}) + "\n"
        else:
            is_right = status in REFUSALS and "message" in _object(response)
        return status, "" if is_right else f"{number}: {status} {response.text[:200]!r}"


def _object(response: requests.Response) -> dict[str, object]:
    try:
        value = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
