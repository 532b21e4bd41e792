"""The notebooks that are measured, and the event that is posted to them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CELLS = [
    "import asyncio, json, time",
    '# GET /hello_world\nprint("Hello, world!")',
    (
        "# POST /event\npayload = json.loads(REQUEST)['body']\n"
        "row = payload['event']['data']['new']\n"
        "print(json.dumps({'id': row['id'], 'op': payload['event']['op']}))"
    ),
    ("# ResponseInfo POST /event\nprint(json.dumps({'headers': {'Content-Type': 'application/json'}, 'status': 201}))"),
    # Returns its own duration: a sleep takes a little longer than requested.
    "# GET /blocks_100ms\nbegan = time.perf_counter()\ntime.sleep(0.1)\nprint(time.perf_counter() - began)",
    "# GET /blocks_1s\ntime.sleep(1)\nprint('done')",
    "# POST /size\nprint(len(REQUEST))",
    # Stock cannot run it concurrently: its kernel awaits, but processes one request at a time.
    "# GET /awaits_1s\nawait asyncio.sleep(1)\nprint('done')",
]
FUNCTIONS = [
    (Path(__file__).parent / "models.py").read_text(encoding="utf-8"),
    (
        "# GET /square\nfrom typing import Annotated\nfrom pydantic import Field\n\n"
        "def square(n: Annotated[int, Field(ge=0, le=1000)]) -> Square:\n    return Square(n=n, square=n * n)"
    ),
    (
        "# POST /typed_event\ndef typed_event(event: Event) -> Receipt:\n    row = event.event.data.new\n"
        "    return Receipt(id=row.id if row else 0, op=event.event.op)"
    ),
]
RETURNS = [
    '# GET /hello_world\ndef hello_world(name: str = "world") -> str:\n    return f"Hello, {name}!\\n"',
    *FUNCTIONS,
]


def write(path: Path, sources: Sequence[str] = CELLS) -> Path:
    """Write a notebook with these cells; returns its path."""
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources, start=1)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": cells}
    path.write_text(json.dumps(content))
    return path


def event() -> str:
    """A Hasura event of 10 KB."""
    row = {"id": 42, "name": "Ada", "tags": [f"tag-{n}" for n in range(100)], "text": "x" * 8000}
    return json.dumps(
        {
            "created_at": "2024-01-01T00:00:00Z",
            "delivery_info": {"current_retry": 0, "max_retries": 0},
            "event": {
                "op": "INSERT",
                "data": {"old": None, "new": row},
                "session_variables": {"x-hasura-role": "admin"},
                "trace_context": {"trace_id": "501ab47885865c4dffc7f4d0c3e1d0a4", "span_id": "3d9e4f0a1b2c5d6e"},
            },
            "id": "7a4f8c1e-93d5-4f0b-a1c2-5d6e7f809a1b",
            "table": {"name": "people", "schema": "public"},
            "trigger": {"name": "people"},
        }
    )
