"""Refuses calls that another web site makes a visitor's browser send.

Browsers send Basic credentials by themselves, so any page could otherwise press the buttons. GET counts
too: the documented way to start the API is to visit a URL.
"""

from urllib.parse import urlsplit

from flask import Request, abort


def refuse_cross_site(request: Request) -> None:
    """Abort with 403 where the browser says that another site caused the request.

    Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) is `none` for a typed address; browsers without
    it send Origin. Clients that are no browser send neither.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site:
        foreign = site not in {"same-origin", "none"}
    else:
        foreign = origin is not None and urlsplit(origin).netloc != request.host
    if foreign:
        abort(403, "This was sent by another web site. Open the homepage and press the button there.")
