"""The endpoints in Flask."""

import json

from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/invoke/hello_world")
def hello_world() -> Response:
    return Response("Hello, world!\n", mimetype="text/plain")


@app.post("/invoke/event")
def event() -> Response:
    payload = request.get_json()
    row = payload["event"]["data"]["new"]
    body = json.dumps({"id": row["id"], "op": payload["event"]["op"]})
    return Response(body, status=201, mimetype="application/json")
