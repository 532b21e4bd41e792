"""What happens often, told in one line a second."""

import sys
from collections import Counter

NAMED = 3  # kinds that a line names


class Summary:
    """Counts what happens; `tick` prints it. Of `most` in a second there may have been more. Not thread-safe."""

    def __init__(self, what: str, most: int = sys.maxsize) -> None:
        self._what = what
        self._most = most
        self._counts: Counter[str] = Counter()

    def count(self, kind: str) -> None:
        """It happened once more; `kind` is not a caller's to choose."""
        self._counts[kind] += 1

    def tick(self) -> None:
        """Print what was counted since the last call: `wrong passwords: 7 (5 from 10.0.0.7, 2 from 10.0.0.8)`."""
        if self._counts:
            kinds = [f"{number} {kind}" for kind, number in self._counts.most_common(NAMED)]
            others = ["others"] if len(self._counts) > NAMED else []
            total = self._counts.total()
            or_more = " or more" if total >= self._most else ""
            print(f"{self._what}: {total}{or_more} ({', '.join([*kinds, *others])})", flush=True)
            self._counts.clear()
