"""Which batches of records have been received, so that one that is sent twice is counted once."""

import threading

MAX_SENDERS = 1000  # remembered: the kernels and gateways that have sent something last


class Receipts:
    """Thread-safe. Batches may arrive in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By sender: the number below which none is new, and the numbers from there on that have been received.
        self._senders: dict[str, tuple[int, set[int]]] = {}

    def add(self, sender: str, number: int, oldest_unconfirmed: int) -> bool:
        """Whether a batch (gateway/records/batch.py) is new. From then on it is not."""
        with self._lock:
            floor, received = self._senders.pop(sender, (0, set()))
            is_new = number >= floor and number not in received
            floor = max(floor, oldest_unconfirmed)
            self._senders[sender] = floor, {each for each in {*received, number} if each >= floor}
            if len(self._senders) > MAX_SENDERS:
                del self._senders[next(iter(self._senders))]
            return is_new
