"""What happens often, told in one line a second."""

from collections import Counter

NAMED = 3  # kinds that a line names


class Summary:
    """Counts what happens; `tick` prints it. Not thread-safe."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._counts: Counter[str] = Counter()

    def count(self, kind: str) -> None:
        """It happened once more; `kind` is not a caller's to choose."""
        self._counts[kind] += 1

    def tick(self) -> None:
        """Print what was counted since the last call: `wrong passwords: 7 (5 from 10.0.0.7, 2 from 10.0.0.8)`."""
        if self._counts:
            kinds = [f"{number} {kind}" for kind, number in self._counts.most_common(NAMED)]
            more = ["others"] if len(self._counts) > NAMED else []
            print(f"{self._what}: {self._counts.total()} ({', '.join([*kinds, *more])})", flush=True)
            self._counts.clear()
