"""`python -m control.launch.healthcheck`: exits with 0 if `/healthz` returns 200, else with 1 and the reason.

The image's HEALTHCHECK runs it: curl or wget would be there for an attacker too. Only the standard library, as it
starts every few seconds.
"""

import http.client
import sys

from control.config.settings import Settings

TIMEOUT = 4  # seconds; below the HEALTHCHECK's own, which reports no reason


def main() -> None:
    settings = Settings.from_env()
    connection = http.client.HTTPConnection(settings.bind_address, settings.port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        body = response.read(200).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"port {settings.port} does not answer: {error}")
    if response.status != 200:
        sys.exit(f"/healthz answers {response.status}: {body}")


if __name__ == "__main__":
    main()
