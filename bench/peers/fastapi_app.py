"""The endpoints in FastAPI."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI()


@app.get("/invoke/hello_world", response_class=PlainTextResponse)
async def hello_world() -> str:
    return "Hello, world!\n"


@app.post("/invoke/event", status_code=201)
async def event(payload: dict[str, Any]) -> dict[str, Any]:
    row = payload["event"]["data"]["new"]
    return {"id": row["id"], "op": payload["event"]["op"]}
