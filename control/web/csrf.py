"""Refuses calls that another web site makes a visitor's browser send.

Browsers send Basic credentials by themselves, so any page could otherwise press the buttons. GET counts
too: the documented way to start the API is to visit a URL.
"""

from urllib.parse import urlsplit

from flask import Request, abort, make_response, render_template

HERE = {"same-origin", "none"}  # `none`: a typed address, a bookmark
WHY = "This was sent by another web site. Open the homepage and press the button there."


def refuse_cross_site(request: Request) -> None:
    """Abort with 403 where another site caused the request, or may have.

    A browser that wanted to GET something is shown a page with one button, which sends the same as a POST.
    """
    # HEAD does the same as GET, and browsers say of it as little.
    by_link = request.method in {"GET", "HEAD"} and request.headers.get("User-Agent", "").startswith("Mozilla/")
    site = sender(request)
    if by_link and site != "here":
        abort(make_response(render_template("confirm.html", address=request.full_path.rstrip("?")), 403))
    if site == "foreign":
        abort(403, WHY)


def sender(request: Request) -> str:
    """Which site sent it, as far as the headers say: `here`, `foreign`, or `unknown`.

    Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) is the browser's own word. On plain HTTP, but for localhost,
    there is none: then a POST has an Origin, and what a link, an image or a script asks for has nothing at all.
    Programs send neither.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return "here" if site in HERE else "foreign"
    origin = request.headers.get("Origin")
    if origin is None:
        return "unknown"
    return "here" if urlsplit(origin).netloc == request.host else "foreign"
