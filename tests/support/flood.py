"""A hundred megabytes of log, by many requests: what one may log is bounded (gateway/records/log.py)."""

from tests.support.stack import Stack

REQUESTS, LINES = 125, 800  # lines of 1,000 bytes
TOTAL = REQUESTS * LINES
CELLS = [
    "import json, sys",
    f"# POST /flood/:part\nfirst = int(json.loads(REQUEST)['path']['part']) * {LINES}\n"
    f"for number in range(first, first + {LINES}): sys.stderr.write(str(number).ljust(999, '.') + '\\n')",
    "# GET /say/:word\nprint(json.loads(REQUEST)['path']['word'], file=sys.stderr)",
]


def flood(stack: Stack, request_id: str = "flood") -> None:
    """Log the numbers up to TOTAL, in order, from a stack that serves CELLS."""
    for part in range(REQUESTS):
        response = stack.invoke(f"flood/{part}", "POST", headers={"X-Request-Id": request_id})
        assert response.status_code == 200, response.text
