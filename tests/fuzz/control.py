"""The control app's API, called by schemathesis as a description of it says."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.campaign import Result
from tests.support.stack import OWNER, Stack

CALL_SECONDS = 20
# Parameters of each call. What would end the campaign is left out: `stop`, `start` of what exists, `follow`.
GET: dict[str, list[str]] = {
    "start": ["notebook", "seed"],
    "restart": ["notebook"],
    "reload": ["on"],
    "status": [],
    "endpoints": [],
    "notebooks": [],
    "list_notebooks": [],
    "get_current_nb": [],
    "logs": ["lines", "after"],
    "requests": ["notebook"],
    "requests/{id}": [],
    "metrics": [],
    "download": ["notebook"],
}
PAGES: dict[str, list[str]] = {
    "/": ["seen", "notebook", "method", "path", "body", "log"],
    "/requests": ["rows", "text", "failed", "notebook", "seen"],
    "/requests/{id}": [],
    "/docs": [],
    "/static/{id}": ["v"],
}
FORMS: dict[str, list[str]] = {
    "/": ["do", "notebook", "method", "path", "body", "name", "template"],
    "/process/new": ["name", "template"],
    "/process/upload": ["name", "archive"],
    "/process/start": ["notebook"],
    "/process/requests/{id}/replay": [],
    "/requests/{id}": [],
}


def document() -> dict[str, Any]:
    """The OpenAPI document: any text for each parameter; a 5xx is the only answer that it excludes."""
    paths: dict[str, dict[str, Any]] = {}
    for path, names in {**{f"/process/{call}": names for call, names in GET.items()}, **PAGES}.items():
        query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
        paths.setdefault(path, {})["get"] = {"parameters": query + _path_parameters(path), **RESPONSES}
    for path, names in FORMS.items():
        schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        kinds = {kind: {"schema": schema} for kind in ("application/x-www-form-urlencoded", "multipart/form-data")}
        body = {"requestBody": {"content": kinds}} if names else {}
        paths.setdefault(path, {})["post"] = {"parameters": _path_parameters(path), **body, **RESPONSES}
    return {"openapi": "3.1.0", "info": {"title": "control", "version": "1"}, "paths": paths}


RESPONSES = {"responses": {"default": {"description": "Anything but a server error."}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    if "{id}" not in path:
        return []
    return [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]


def fuzz(inputs: int, seed: int, stack: Stack) -> Result:
    description = document()
    # Calls without parameters are made once.
    operations = sum(len(names) > 0 or "{id}" in path for path, names in [*GET.items(), *PAGES.items(), *FORMS.items()])
    file = Path(stack.home / "control.json")
    file.write_text(json.dumps(description))
    began = time.monotonic()
    output = call_schemathesis(file, stack, -(-inputs // operations), seed)
    generated = re.search(r"(\d+) generated", output.stdout)
    result = Result("control", Counter({"called": int(generated[1]) if generated else 0}), time.monotonic() - began)
    if output.returncode or not generated:
        result.failure = output.stdout[-8000:] + output.stderr[-2000:]
    return result


def call_schemathesis(file: Path, stack: Stack, examples: int, seed: int) -> subprocess.CompletedProcess[str]:
    options = ["--phases", "fuzzing", "--checks", "not_a_server_error", "--max-examples", str(examples)]
    options += ["--request-timeout", str(CALL_SECONDS), "--generation-database", "none", "--no-color"]
    options += ["--suppress-health-check", "all", "--continue-on-failure", "--seed", str(seed)]
    target = [str(file), "--url", stack.url, "--auth", ":".join(OWNER)]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", *target, *options],
        cwd=stack.home,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(stack.home)},
        capture_output=True,
        text=True,
        check=False,
    )
