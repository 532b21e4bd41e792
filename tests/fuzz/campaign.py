"""Runs a check on many generated inputs, and ends with the first that fails."""

import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random


@dataclass
class Result:
    """`outcomes` counts the inputs by what became of them; `failure` is the input that failed, with the reason."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    failure: str = ""

    @property
    def inputs(self) -> int:
        return self.outcomes.total()

    def __str__(self) -> str:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in self.outcomes.most_common())
        verdict = "FAILED" if self.failure else "passed"
        return f"{self.name}: {verdict}, {self.inputs:,} inputs in {self.seconds / 60:.1f} minutes ({kinds})"


def run(name: str, inputs: int, seed: int, check: Callable[[Random], Counter[str]]) -> Result:
    """Call `check` until it has sent so many inputs; it returns what became of each, and fails by any exception.

    It makes its inputs from the numbers that it is given: the same seed makes the same.
    """
    result, random, began = Result(name), Random(seed), time.monotonic()  # noqa: S311 - no secret
    while result.inputs < inputs and not result.failure:
        try:
            result.outcomes.update(check(random))
        except Exception:
            result.failure = f"after {result.inputs} inputs with --seed {seed}:\n{traceback.format_exc()}"
    result.seconds = time.monotonic() - began
    return result
