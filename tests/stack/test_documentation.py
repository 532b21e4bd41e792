"""The OpenAPI document of what is served, and whether the API keeps what it says."""

import os
import subprocess
import sys

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.support.notebooks import Markdown
from tests.support.stack import API_USER, OWNER, Stack, as_json

DOCUMENT = "_api/spec/openapi.json"
SCHEMATHESIS_SECONDS = 200

THINGS = [
    Markdown("# Things\n\nKept until the next restart."),
    "import asyncio, json\nfrom flask import Response, abort\n\nTHINGS = {}",
    Markdown("## A greeting"),
    'REQUEST = json.dumps({"path": {"name": "Ada"}, "args": {"lang": ["fr"], "tag": ["a", "b"]}})',
    '# GET /hello/:name\nrequest = json.loads(REQUEST)\nprint(request["path"]["name"], request["args"])',
    '# GET /both/:a/:b\nawait asyncio.sleep(0)\nprint(json.loads(REQUEST)["path"])',
    'REQUEST = json.dumps({"body": {"any": ["thing"]}})',
    '# POST /echo\nprint(json.dumps(json.loads(REQUEST)["body"]))',
    '# ResponseInfo POST /echo\nprint(json.dumps({"status": 201, "headers": {"Content-Type": "application/json"}}))',
    '# PUT /things/:id\nrequest = json.loads(REQUEST)\nTHINGS[request["path"]["id"]] = request["body"]',
    "# GET /things/:id\nthing = THINGS.get(json.loads(REQUEST)['path']['id'])\n"
    "if thing is None:\n    abort(404, 'no such thing')\n"
    "Response(json.dumps(thing), mimetype='application/json')",
    "# DELETE /things/:id\nif THINGS.pop(json.loads(REQUEST)['path']['id'], None) is None:\n    abort(404)",
    "REQUEST = json.dumps({'body': 'a line'})",
    "# PATCH /text\nlen(json.loads(REQUEST)['body'])",
]

FUNCTIONS = [
    "import datetime, enum, uuid\nfrom dataclasses import dataclass\nfrom typing import Annotated, Literal\n"
    "from flask import abort\nfrom pydantic import BaseModel, Field\n\nSTOCK = {}",
    """class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"

@dataclass
class Size:
    width: float
    height: float = 1

class Part(BaseModel):
    id: Annotated[int, Field(ge=0)]
    color: Color = Color.RED
    sizes: list[Size] = []
    parts: "list[Part]" = []""",
    """# PUT /parts/:id
def put(id: Annotated[int, Field(ge=0)], part: Part) -> Part:
    \"\"\"Stores a part.

    The number in the path counts.\"\"\"
    STOCK[id] = part
    return part""",
    """# GET /parts/:id
def get(id: int) -> Part:
    if id not in STOCK:
        abort(404, "no such part")
    return STOCK[id]""",
    "# DELETE /parts/:id\ndef delete(id: int) -> None:\n    STOCK.pop(id, None)",
    """# GET /search
def search(
    q: Annotated[str, Field(min_length=1, max_length=20)],
    colors: list[Color] = [],
    since: datetime.date | None = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 10,
    sort: Literal["id", "color"] = "id",
    exact: bool = False,
) -> list[Part]:
    return [part for part in STOCK.values() if part.color in colors][:limit]""",
    """# POST /order
async def order(parts: list[int], note: str | None = None, id: uuid.UUID | None = None) -> dict[str, int]:
    return {"parts": len(parts)}""",
    "# POST /size\ndef size(a: Size | Part) -> str:\n    return type(a).__name__",
    "# POST /raw\ndef raw(body: bytes) -> int:\n    return len(body)",
    "# POST /upload\ndef upload(file: bytes, name: str = 'x') -> int:\n    return len(file)",
    """# POST /pages
def pages(body: list[Part], page: int, size: int | None = None) -> dict[str, int | None]:
    return {"parts": len(body), "page": page, "size": size}""",
    """# POST /described-upload
def described_upload(file: bytes, part: Part, note: str | None = None) -> dict[str, int]:
    return {"bytes": len(file)}""",
    "# GET /numbers/:n\ndef numbers(n: Literal[1, 2], xs: list[Literal[1, 2]] = []) -> int:\n    return n + len(xs)",
    "# POST /rest\ndef rest(a: int, **fields: float) -> dict[str, float]:\n    return {'a': a, **fields}",
]


def schemathesis(stack: Stack, *options: str) -> subprocess.CompletedProcess[str]:
    """Call the API as its document says, with the same calls each time."""
    document, login = f"{stack.url}/invoke/{DOCUMENT}", ":".join(OWNER)
    calls = ["--checks", "all", "--seed", "1", "--max-examples", "25", "--generation-database", "none"]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", document, "--auth", login, "--no-color", *calls, *options],
        cwd=stack.home,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(stack.home)},
        capture_output=True,
        text=True,
        timeout=SCHEMATHESIS_SECONDS,
    )


def test_callers_get_a_valid_document_of_what_is_served(stack: Stack) -> None:
    stack.serve("shops/things", THINGS)

    for user in (OWNER, API_USER):
        answer = stack.invoke(DOCUMENT, auth=user)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    document = as_json(answer)
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["info"]["title"] == "shops/things"
    assert list(document["paths"]) == ["/hello/{name}", "/both/{a}/{b}", "/echo", "/things/{id}", "/text"]
    assert stack.invoke(DOCUMENT, auth=None).status_code == 401


def test_the_document_is_about_the_version_that_is_served(stack: Stack) -> None:
    stack.serve("changing", [Markdown("Before"), "# GET /x\nprint()"])
    before = as_json(stack.invoke(DOCUMENT))
    stack.write("changing", [Markdown("After"), "# GET /x\nprint()"])
    assert as_json(stack.invoke(DOCUMENT)) == before

    stack.restart_api()

    after = as_json(stack.invoke(DOCUMENT))
    assert after["paths"]["/x"]["get"]["summary"] == "After"
    assert after["info"]["version"] != before["info"]["version"]


def test_the_document_of_stock_stays_beside_it(stack: Stack) -> None:
    stack.serve("shops/things", THINGS)
    stock = as_json(stack.invoke("_api/spec/swagger.json"))
    assert stock["swagger"] == "2.0"
    assert "/hello/:name" in stock["paths"]


def test_the_api_keeps_what_its_document_says(stack: Stack) -> None:
    stack.serve("shops/things", THINGS)

    result = schemathesis(stack)

    assert result.returncode == 0, result.stdout[-8000:] + result.stderr
    assert "Tested: 7" in result.stdout, result.stdout


def test_functions_keep_what_their_schemas_say(stack: Stack) -> None:
    stack.serve("functions", FUNCTIONS)
    document = as_json(stack.invoke(DOCUMENT))
    validate(document, cls=OpenAPIV31SpecValidator)
    put = document["paths"]["/parts/{id}"]["put"]
    assert (put["operationId"], put["summary"]) == ("put", "Stores a part.")
    assert put["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Part-Input"}
    assert put["parameters"][0]["schema"]["minimum"] == 0
    pages = document["paths"]["/pages"]["post"]
    assert [(each["name"], each["required"], each["schema"]["type"]) for each in pages["parameters"]] == [
        ("page", True, "integer"), ("size", False, "integer"),
    ]  # fmt: skip
    assert (
        pages["requestBody"]["required"],
        pages["requestBody"]["content"]["application/json"]["schema"]["type"],
    ) == (
        True,
        "array",
    )

    # Values are converted, as a query's are text: `false` is a number, too.
    result = schemathesis(stack, "--exclude-checks", "negative_data_rejection")

    assert result.returncode == 0, result.stdout[-8000:] + result.stderr
    assert "Tested: 12" in result.stdout, result.stdout


def test_a_cell_that_fails_for_some_calls_is_found(stack: Stack) -> None:
    stack.serve("fragile", ["import json", "# POST /count\nprint(len(json.loads(REQUEST)['body']))"])

    result = schemathesis(stack, "--max-failures", "1")

    assert result.returncode == 1, result.stdout[-8000:] + result.stderr
    assert "Server error" in result.stdout
    assert "cell-failed" in result.stdout


@pytest.mark.parametrize("path", ["/", "/invoke/x", "/jupyter/", "/healthz"])
def test_trace_is_refused_as_json_and_repeats_nothing_of_the_request(stack: Stack, path: str) -> None:
    answer = stack.request("TRACE", path)

    assert answer.status_code == 405
    assert as_json(answer)["extensions"]["code"] == "method-not-allowed"
    assert "GET" in answer.headers["Allow"]


def test_the_viewer_comes_compressed(stack: Stack) -> None:
    answer = stack.get("/static/swagger-ui-5.35.0/swagger-ui-bundle.js")

    assert answer.headers["Content-Encoding"] == "gzip"
    assert 'PACKAGE_VERSION:"5.35.0"' in answer.text
    again = stack.get(
        "/static/swagger-ui-5.35.0/swagger-ui-bundle.js", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304
