"""The endpoints in FastAPI."""

from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import PlainTextResponse

from bench.models import Event, Receipt, Square

app = FastAPI()


@app.get("/invoke/hello_world", response_class=PlainTextResponse)
async def hello_world() -> str:
    return "Hello, world!\n"


@app.post("/invoke/event", status_code=201)
async def event(payload: dict[str, Any]) -> dict[str, Any]:
    row = payload["event"]["data"]["new"]
    return {"id": row["id"], "op": payload["event"]["op"]}


# With `async def`: FastAPI runs other functions in a thread, which takes longer.


@app.get("/invoke/square")
async def square(n: Annotated[int, Query(ge=0, le=1000)]) -> Square:
    return Square(n=n, square=n * n)


@app.post("/invoke/typed_event")
async def typed_event(event: Event) -> Receipt:
    row = event.event.data.new
    return Receipt(id=row.id if row else 0, op=event.event.op)
