"""Stock notebook-http as the contract, with its silent failures made loud."""

from functools import partial
from typing import Any

from kernel_gateway.notebook_http import NotebookHTTPPersonality
from kernel_gateway.notebook_http.handlers import NotebookAPIHandler

from gateway.failure import ANSI, NotebookError


class Personality(NotebookHTTPPersonality):  # type: ignore[misc]
    """Fills the kernel pool, then lets the application listen; a notebook that fails ends it."""

    async def init_configurables(self) -> None:
        # Stock runs this as a task whose exceptions nobody sees.
        try:
            await super().init_configurables()
        except NotebookError as error:
            self.parent.fail(error)
        except Exception as error:
            self.parent.fail(NotebookError.outside_cells(type(error).__name__, str(error)))
        else:
            self.parent.listen()

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """Stock's routes, each with the handler that logs what cells write to stderr."""
        routes = super().create_request_handlers()
        return [
            (path, LoggingHandler if handler is NotebookAPIHandler else handler, *rest)
            for path, handler, *rest in routes
        ]

    def endpoints(self) -> list[dict[str, str]]:
        """What the notebook defines: [{"method": "GET", "path": "/hello/:name"}, …] in stock's order."""
        source = self.parent.kernel_manager.seed_source
        return [
            {"method": method, "path": path}
            for path, methods in self.api_parser.endpoints(source)
            for method in methods
        ]


class LoggingHandler(NotebookAPIHandler):  # type: ignore[misc]
    """Stock's handler, which throws stderr and tracebacks away, with both in the log."""

    def on_recv(self, result_accumulator: Any, future: Any, parent_header: str, msg: Any) -> None:
        if msg["parent_header"].get("msg_id") == parent_header:
            content, kind = msg["content"], msg["header"]["msg_type"]
            if kind == "stream" and content.get("name") == "stderr":
                print(content["text"], end="", flush=True)
            elif kind == "error":
                print(ANSI.sub("", "\n".join(content["traceback"])), flush=True)
        super().on_recv(result_accumulator, future, parent_header, msg)


create_personality = partial(Personality)
