"""The personality for Python notebooks: kernels answer HTTP themselves, this process is their arbiter.

Loaded by KernelGatewayApp through its own extension point, the setting `api`, which names a module with
`create_personality`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kernel_gateway.base.handlers import NotFoundHandler
from kernel_gateway.notebook_http.cell.parser import create_parser
from kernel_gateway.notebook_http.swagger.builders import SwaggerSpecBuilder
from traitlets.config.configurable import LoggingConfigurable

from gateway.arbiter import queue_length
from gateway.arbiter.channel import WorkerChannels
from gateway.arbiter.crash_verdicts import Verdict
from gateway.arbiter.pool import Pool
from gateway.notebook import annotations, endpoint_docs, openapi
from gateway.notebook.failure import NotebookError
from gateway.protocol.messages import Config, Endpoint

SWAGGER = "/_api/spec/swagger.json"
SOURCE = "/_api/source"


class EnginePersonality(LoggingConfigurable):  # type: ignore[misc]
    """What KernelGatewayApp and GatewayApp ask of a personality, for the engine."""

    def __init__(self, **kwargs: Any) -> None:
        """Raises NotebookError where the notebook has no endpoint."""
        super().__init__(**kwargs)
        self.api = annotations.parse(self.parent.notebook.cells)
        if not self.api.endpoints:
            hints = [f"Cell {p.cell}, line {p.line}: {p.message}" for p in self.api.problems]
            reason = "no cell begins with a comment such as # GET /hello_world"
            raise NotebookError.outside_cells("NoEndpoints", ". ".join([reason, *hints[:3]]))
        settings = self.parent.slot
        self.reception: WorkerChannels | None = None
        self.pool: Pool | None = None
        self.config_of_workers = Config(
            endpoints=tuple(self.api.endpoints),
            kernels=settings.kernels,
            request_timeout_s=settings.request_timeout,
            max_body_bytes=settings.max_body_mb * 1024 * 1024,
            max_output_bytes=settings.max_output_mb * 1024 * 1024,
            show_traceback=settings.show_tracebacks,
            static=self._static(),
            public=settings.public,
            allow_broken=settings.allow_broken_endpoints,
            records=settings.records,
            inspect=settings.inspect,
        )

    async def init_configurables(self) -> None:
        """Bring up the kernels; called by KernelGatewayApp as a task whose exceptions nobody sees."""
        await self.parent.begin(self._start)

    async def _start(self) -> None:
        app = self.parent
        self.reception = WorkerChannels(app.slot.workers_socket)
        config, limit = self.config_of_workers, app.slot.start_timeout
        self.pool = Pool(app.kernel_manager, self.reception, app.listener, config, limit, app.log)
        self.pool.on_death = app.observer.recorder.record_death
        self.pool.outage.on_rejection = app.observer.record_rejection
        await self.pool.start(app.slot.kernels)

    def create_request_handlers(self) -> list[tuple[Any, ...]]:
        """The web application of KernelGatewayApp answers nothing: the kernels do."""
        return [(r"/(.*)", NotFoundHandler)]

    def should_seed_cell(self, code: str) -> bool:
        """Whether a cell is an ordinary one, run once in each new kernel."""
        return annotations.read(code) is None

    async def drain(self) -> None:
        """Answer all that has reached this slot."""
        if self.pool:
            await self.pool.drain()
        if self.reception:
            self.reception.close()

    async def shutdown(self) -> None:
        """Part of the interface; GatewayApp ends the kernels."""

    def status(self) -> dict[str, Any]:
        """What the control app is told beside the readiness."""
        pool = self.pool
        return {
            "endpoints": [{"method": e.method, "path": e.path} for e in self.api.endpoints],
            "problems": [asdict(problem) for problem in self.api.problems],
            "kernels": len(pool.workers) if pool else 0,
            "kernel_deaths": pool.deaths if pool else 0,
            "queue": queue_length.count(self.parent.listener),
        }

    async def explain(self, request_id: str) -> Verdict | None:
        """Why nginx got no answer to a request from this slot; None where no kernel died in it."""
        return await self.pool.explain(request_id) if self.pool else None

    def _static(self) -> dict[str, tuple[str, str]]:
        app, cells = self.parent, self.parent.notebook.content.cells
        found = {
            SWAGGER: ("application/json", self._swagger()),
            openapi.PATH: ("application/json", build_openapi(app.slot.project, cells, self.api.endpoints)),
        }
        if self.parent.slot.allow_notebook_download:
            text = self.parent.notebook.path.read_text(encoding="utf-8")
            found[SOURCE] = ("application/x-ipynb+json", text)
        return found

    def _swagger(self) -> str:
        parser = create_parser(comment_prefix="#", log=self.log)
        builder = SwaggerSpecBuilder(parser)
        builder.set_default_title(str(self.parent.notebook.path))
        for source in annotations.normalize(self.parent.notebook.cells):
            builder.add_cell(source)
        return json.dumps(builder.build())


def build_openapi(project: str, cells: Sequence[Any], endpoints: Sequence[Endpoint]) -> str:
    """The OpenAPI document of a notebook with these cells, as nbformat reads them."""
    text, docs = endpoint_docs.read(cells, endpoint_key)
    operations = [
        openapi.Operation(one.method, one.path, "\n".join(cell.source for cell in one.response_cells))
        for one in endpoints
    ]
    return openapi.build(project, text, operations, docs)


def endpoint_key(source: str) -> endpoint_docs.Key | None:
    """The endpoint that a cell of Python is, or is a part of."""
    found = annotations.read(source)
    return (found.method, found.path) if found and not found.is_response_info else None


create_personality = EnginePersonality
