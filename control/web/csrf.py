"""Rejects requests that another web site makes a visitor's browser send.

Browsers add Basic credentials by themselves, so any page could otherwise press the buttons. GET counts
too: the documented way to start the API is to visit a URL.
"""

from urllib.parse import urlsplit

from flask import Request, abort, make_response, render_template

SAME_SITE = {"same-origin", "none"}  # `none`: a typed address, a bookmark


def refuse_cross_site(request: Request) -> None:
    """Abort with 403 where another site caused the request, or may have.

    A browser's GET gets a page with one button, which sends the same as a POST.
    """
    # HEAD does the same as GET, and browsers send as few headers with it.
    is_link = request.method in {"GET", "HEAD"} and request.headers.get("User-Agent", "").startswith("Mozilla/")
    site = origin_of(request)
    if is_link and site != "same":
        abort(make_response(render_template("confirm.html", address=request.full_path.rstrip("?")), 403))
    if site == "foreign":
        abort(403, "This request came from another web site. Use the button on the homepage instead.")


def origin_of(request: Request) -> str:
    """The site that sent the request, as far as its headers say: `same`, `foreign` or `unknown`.

    Browsers send Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) over HTTPS and to localhost. Over plain HTTP
    a POST has an Origin, and links, images and scripts send neither, as programs do.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return "same" if site in SAME_SITE else "foreign"
    origin = request.headers.get("Origin")
    if origin is None:
        return "unknown"
    return "same" if urlsplit(origin).netloc == request.host else "foreign"
