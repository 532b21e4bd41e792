"""Runs code in a kernel of the container's Jupyter, through nginx, as the browser does."""

import json
import uuid
from base64 import b64encode
from types import TracebackType

import websocket

from tests.image.container import OWNER, Container

TIMEOUT = 60  # seconds


class Kernel:
    """A kernel of Jupyter; a context manager that shuts it down."""

    def __init__(self, container: Container) -> None:
        self.session = container.session(OWNER)
        self.url = f"{container.address()}/jupyter/api/kernels"
        # Jupyter's token against cross-site requests, which it hands out with any page.
        self.session.get(f"{container.address()}/jupyter/tree", timeout=TIMEOUT).raise_for_status()
        self.session.headers["X-XSRFToken"] = self.session.cookies["_xsrf"]

    def __enter__(self) -> "Kernel":
        answer = self.session.post(self.url, json={}, timeout=TIMEOUT)
        answer.raise_for_status()
        self.id = answer.json()["id"]
        self.socket = websocket.create_connection(
            f"{self.url.replace('http', 'ws', 1)}/{self.id}/channels?session_id={uuid.uuid4().hex}",
            timeout=TIMEOUT,
            header={"Authorization": f"Basic {b64encode(':'.join(OWNER).encode()).decode()}"},
            cookie="; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        self.session.delete(f"{self.url}/{self.id}", timeout=TIMEOUT)
        self.session.close()

    def run(self, code: str) -> str:
        """What a cell prints; fails with the traceback when it raises."""
        number = uuid.uuid4().hex
        self.socket.send(json.dumps(execute_request(number, code)))
        output = ""
        while True:
            message = json.loads(self.socket.recv())
            if message.get("parent_header", {}).get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                output += content["text"]
            assert kind != "error", "\n".join(content["traceback"])
            if kind == "status" and content["execution_state"] == "idle":
                return output


def execute_request(number: str, code: str) -> dict[str, object]:
    """https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute"""
    header = {"msg_id": number, "msg_type": "execute_request", "version": "5.3", "session": number}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    return {
        "channel": "shell",
        "header": {**header, "username": "", "date": ""},
        "parent_header": {},
        "metadata": {},
        "content": {**content, "user_expressions": {}, "stop_on_error": True},
        "buffers": [],
    }
