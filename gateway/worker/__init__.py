"""The part of the engine that lives inside a kernel: it answers HTTP in the kernel's own main loop.

The arbiter sends the kernel one execute request that calls `attach`; see `protocol` for what the two say
to each other and `docs/engine.md` for what a cell can rely on.
"""


def attach(channel_path: str, kernel_id: str) -> None:
    """Make this kernel a worker of the arbiter that listens at `channel_path`; return once it serves.

    Imported late so that the arbiter, which needs `protocol` and `page` only, loads nothing of the rest.
    """
    from gateway.worker.start import start

    start(channel_path, kernel_id)
