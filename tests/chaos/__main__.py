"""`make chaos`: harm to a stack under load, and whether each client got its own answer, once, in time.

`python -m tests.chaos [--seconds 300] [kill] [pause] [change] [slow] [starve]`. It fails if a response is wrong or
does not come, if a request ran twice, or if the stack does not recover by itself.
"""

import argparse
import os
import sys
from collections import Counter

from tests.chaos.campaigns import CAMPAIGNS, PROJECT, mount_small_disks, recover, unmount_small_disks
from tests.chaos.load import NumberLoad
from tests.support.stack import Stack

LOG = 5_000  # characters of it, where the stack does not recover


def main() -> int:
    """The exit status: 1 if a campaign has failed."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="for each campaign (default: 300)")
    parser.add_argument("campaigns", nargs="*", choices=[[], *CAMPAIGNS], help="which of them (default: all)")
    arguments = parser.parse_args()
    failures = [name for name in arguments.campaigns or CAMPAIGNS if not run(name, arguments.seconds)]
    return 1 if failures else 0


def run(name: str, seconds: float) -> bool:
    """Run a campaign on a stack of its own and print what came of it; returns whether all went well."""
    with Stack(KERNELS="2") as stack:
        if name == "starve":
            if os.geteuid() != 0:
                print("starve: left out, as it mounts file systems: run it as root", flush=True)
                return True
            mount_small_disks(stack)
        try:
            load = NumberLoad(stack)
            stack.start()
            stack.serve(PROJECT, load.cells())
            with load:
                harm: Counter[str] = CAMPAIGNS[name](stack, load, seconds)
            recovery = recover(stack)
        except AssertionError:
            print(stack.log()[-LOG:], flush=True)
            raise
        finally:
            stack.stop()
            if name == "starve":
                unmount_small_disks(stack)
        counts, doubled = load.counts, load.doubled()
        print(f"{name}: {dict(sorted(harm.items()))} in {seconds:.0f} s")
        print(f"    {counts}; wrong {len(counts.wrong)}, twice {len(doubled)}, hanging {counts.hanging}")
        print(f"    recovered in {recovery:.1f} s", *counts.wrong[:5], sep="\n    ", flush=True)
        return not (counts.wrong or doubled or counts.hanging)


sys.exit(main())
