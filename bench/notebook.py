"""The notebook that is measured, and the event that is posted to it."""

import json
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
]
# Stock cannot run it concurrently: its kernel awaits, but processes one request at a time.
AWAITS = "# GET /awaits_1s\nawait asyncio.sleep(1)\nprint('done')"


def write(path: Path) -> Path:
    """Write the notebook; returns its path."""
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate([*CELLS, AWAITS], start=1)
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
            "event": {"op": "INSERT", "data": {"old": None, "new": row}, "session_variables": None},
            "id": "7a4f8c1e",
            "table": {"name": "people", "schema": "public"},
            "trigger": {"name": "people"},
        }
    )
