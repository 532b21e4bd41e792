"""ClickHouse's engine behind an HTTP interface as ClickHouse's own has it.

The engine is chdb, in a process of its own: it is a database server made into a library, with threads and an
allocator that are no guests for pytest's process. It is kept to the requests that clients here make: a statement
in the body or in `?query=`, then the body is its data; `?param_…=` are its parameters; the user and password in
headers.
"""

import os
import re
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import requests
from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60  # nothing is answered before, so it is how long the first line may take
STOP_SECONDS = 30


class ClickHouse:
    """The server on a loopback port with an empty engine; use it as a context manager."""

    def __init__(self) -> None:
        self.user = "sre"
        self.password = secrets.token_hex(8)
        self.url = ""
        self._popen: subprocess.Popen[str] | None = None

    def __enter__(self) -> "ClickHouse":
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.support.clickhouse"],
            cwd=ROOT,
            env={**os.environ, "CLICKHOUSE_USER": self.user, "CLICKHOUSE_PASSWORD": self.password},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        overdue = threading.Timer(START_SECONDS, self._popen.kill)
        overdue.start()
        assert self._popen.stdout
        self.url = self._popen.stdout.readline().strip()
        overdue.cancel()
        assert self.url, "ClickHouse's engine has not started; its stderr says why"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._popen
        self._popen.communicate(timeout=STOP_SECONDS)

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a SELECT; its `{name:Type}` are filled in from `parameters`."""
        with requests.Session() as session:
            session.trust_env = False
            response = session.post(
                self.url,
                params={f"param_{name}": value for name, value in parameters.items()},
                data=f"{query} FORMAT JSON".encode(),
                headers={"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password},
                timeout=60,
            )
        assert response.status_code == 200, response.text
        result: list[dict[str, Any]] = response.json()["data"]
        return result


class _Interface:
    """The HTTP interface, in the process of the engine."""

    def __init__(self) -> None:
        from chdb.session import Session

        self._session = Session()
        self._parameters = threading.Lock()  # a session keeps only one query's

    def answer(self, request: Request) -> Response:
        credentials = request.headers.get("X-ClickHouse-User", "default"), request.headers.get("X-ClickHouse-Key", "")
        if credentials != (os.environ["CLICKHOUSE_USER"], os.environ["CLICKHOUSE_PASSWORD"]):
            message = f"Code: 516. DB::Exception: {credentials[0]}: Authentication failed. (AUTHENTICATION_FAILED)\n"
            return Response(message, 403, {"X-ClickHouse-Exception-Code": "516"})
        statement = "\n".join(filter(None, [request.args.get("query"), request.get_data(as_text=True)]))
        parameters = {name[6:]: value for name, value in request.args.items() if name.startswith("param_")}
        try:
            with self._parameters:
                return Response(self._session.query(statement, "TabSeparated", params=parameters).bytes())
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            return Response(f"{error}\n", 500, {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})

    def close(self) -> None:
        self._session.close()


class _Quiet(WSGIRequestHandler):
    """No line on stderr for each request."""

    def log(self, *_: Any) -> None:
        pass


def main() -> None:
    """Print the address, and serve until stdin ends: with its parent, whatever becomes of that."""
    interface = _Interface()
    application = Request.application(lambda request: interface.answer(request))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    interface.close()


if __name__ == "__main__":
    main()
