"""A person at Jupyter: its contents and its kernels, through nginx, as the browser does it."""

import base64
import json
import uuid
from typing import Any

import requests
import websocket

from tests.support.stack import OWNER, Stack


class Jupyter:
    """A browser's session with Jupyter; use it as a context manager."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.session = stack.session()

    def __enter__(self) -> "Jupyter":
        # The page sets the cookie that changes must be sent with.
        assert self.session.get(f"{self.stack.url}/jupyter/tree", timeout=60).status_code == 200
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def request(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(
            method,
            f"{self.stack.url}/jupyter/api/{path}",
            json=body,
            headers={"X-XSRFToken": self.session.cookies["_xsrf"], "Origin": self.stack.url},
            timeout=60,
        )

    def save(self, path: str, content: dict[str, Any]) -> None:
        """Save a notebook, as Ctrl-S does."""
        response = self.request("PUT", f"contents/{path}", {"type": "notebook", "content": content})
        assert response.status_code in {200, 201}, response.text

    def read(self, path: str) -> dict[str, Any]:
        """A notebook's content."""
        content: dict[str, Any] = self.request("GET", f"contents/{path}").json()["content"]
        return content

    def start_kernel(self, folder: str | None = None) -> str:
        """A kernel, which `folder` below that of the notebooks is the folder of."""
        response = self.request("POST", "kernels", {"name": "python3", **({"path": folder} if folder else {})})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def open_notebook(self, path: str) -> requests.Response:
        """Have Jupyter start a kernel for a notebook, as opening it does."""
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        return self.request("POST", "sessions", body)

    def end_kernel(self, kernel: str) -> None:
        assert self.request("DELETE", f"kernels/{kernel}").status_code == 204

    def connect(self, kernel: str, auth: tuple[str, str] | None = OWNER) -> websocket.WebSocket:
        """The WebSocket to a kernel; raises WebSocketBadStatusException where it is refused."""
        return self._connect(f"api/kernels/{kernel}/channels", auth)

    def run_in_terminal(self, folder: str, command: str, until: str) -> str:
        """What a terminal opened in `folder` shows, once `until` is in it."""
        name = self.request("POST", "terminals", {"cwd": folder}).json()["name"]
        socket = self._connect(f"terminals/websocket/{name}")
        socket.send(json.dumps(["stdin", f"{command}\r"]))
        output = ""
        while until not in output:
            kind, *content = json.loads(socket.recv())
            output += content[0] if kind == "stdout" else ""
        socket.close()
        assert self.request("DELETE", f"terminals/{name}").status_code == 204
        return output

    def _connect(self, path: str, auth: tuple[str, str] | None = OWNER) -> websocket.WebSocket:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        token = base64.b64encode(":".join(auth).encode()).decode() if auth else ""
        return websocket.create_connection(
            f"ws://127.0.0.1:{self.stack.port}/jupyter/{path}",
            header=[f"Authorization: Basic {token}"] if auth else [],
            cookie=cookies,
            timeout=60,
            http_no_proxy=["127.0.0.1"],
        )

    def run(self, socket: websocket.WebSocket, code: str, until: str = "") -> str:
        """Run a cell and return what it printed: to its end, and on to a text that may come only after that."""
        message_id = uuid.uuid4().hex
        header = {"msg_id": message_id, "msg_type": "execute_request", "session": "test", "username": "test"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        socket.send(json.dumps({**message, "channel": "shell", "buffers": []}))
        output, is_over = "", False
        while not is_over or until not in output:
            reply = json.loads(socket.recv())
            if reply["parent_header"].get("msg_id") != message_id:
                continue
            if reply["msg_type"] == "stream":
                output += reply["content"]["text"]
            if reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle":
                is_over = True
        return output

    def send(self, socket: websocket.WebSocket, code: str) -> None:
        """Have a cell run, and wait for nothing."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "t", "username": "t"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        socket.send(json.dumps({**message, "channel": "shell", "buffers": []}))
