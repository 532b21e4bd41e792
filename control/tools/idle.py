"""A server that ends by itself."""

import time

import uvicorn


class IdleServer(uvicorn.Server):
    """Ends after `limit` seconds without a connection; nginx keeps none open without a request."""

    def __init__(self, config: uvicorn.Config, limit: float) -> None:
        super().__init__(config)
        self.limit = limit
        self.last_used = time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; called ten times a second."""
        now = time.monotonic()
        if self.server_state.connections:
            self.last_used = now
        return await super().on_tick(counter) or now - self.last_used > self.limit
