"""`python -m control.launch.healthcheck`: exits with 0 when `/healthz` answers 200, else with 1 and the reason.

The image has no curl or wget, and a program that can reach any address is not added for one request to our
own: the image's HEALTHCHECK runs this. It uses the standard library alone, as it starts every few seconds,
and reads PORT and BIND_ADDRESS where all programs of the stack do.
"""

import http.client
import sys

from control.config.settings import Settings

TIMEOUT = 4  # seconds; below the HEALTHCHECK's own, whose message would not say what is wrong


def main() -> None:
    """Ask nginx, as a caller would."""
    settings = Settings.from_env()
    connection = http.client.HTTPConnection(settings.bind_address, settings.port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        body = answer.read(200).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"port {settings.port} does not answer: {error}")
    if answer.status != 200:
        sys.exit(f"/healthz answers {answer.status}: {body}")


if __name__ == "__main__":
    main()
