"""`make fuzz`: generated inputs at nginx, at the control app's API and at a kernel.

`python -m tests.fuzz [--inputs 100000] [--seed N] [nginx] [control] [kernel]`. It fails if one of them hangs, gets a
server error that the documentation does not have, or gets an answer that is not the one to its request.
"""

import argparse
import secrets
import sys
from collections.abc import Iterator, Sequence

from tests.fuzz import control, kernel, nginx
from tests.fuzz.campaign import Result
from tests.support.stack import Stack

CAMPAIGNS = ("nginx", "control", "kernel")


def main() -> int:
    """The exit status: 1 if an input has failed."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="for each campaign (default: 100,000)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="the same seed makes the same inputs")
    parser.add_argument("campaigns", nargs="*", choices=[[], *CAMPAIGNS], help="which of them (default: all)")
    arguments = parser.parse_args()
    failures = 0
    for result in results(arguments.inputs, arguments.seed, arguments.campaigns or CAMPAIGNS):
        print(result, flush=True)
        if result.failure:
            failures += 1
            print(result.failure, flush=True)
    return 1 if failures else 0


def results(inputs: int, seed: int, campaigns: Sequence[str]) -> Iterator[Result]:
    if "kernel" in campaigns:
        yield kernel.fuzz(inputs, seed)
    if "nginx" in campaigns or "control" in campaigns:
        with Stack() as stack:
            stack.start()
            if "nginx" in campaigns:
                yield nginx.fuzz(inputs, seed, stack)
            if "control" in campaigns:
                yield control.fuzz(inputs, seed, stack)


sys.exit(main())
