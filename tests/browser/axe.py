"""What every page and state keeps: nothing for axe-core to find, nothing wider than the screen."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def check(page: Page) -> None:
    """Assert it in light and dark, wide and narrow; findings of any impact count."""
    for scheme in ("light", "dark"):
        for width in (1280, 390):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 860})
            # What is dark differs in its colours alone.
            rules = {"runOnly": ["color-contrast", "link-in-text-block"]} if scheme == "dark" else {}
            # Each element that passes a rule would be described at length.
            result = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
            violations = [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in result]
            assert not violations, f"{scheme}, {width}: {violations}"
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
