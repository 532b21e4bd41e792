"""Jupyter's own pages, as far as we have changed them: `server.py` is a notebook."""

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.stack import Stack

TEXT = "# %% [markdown]\n# Says hello\n\n# %%\n# GET /hello\nprint('Hello')\n"
MODULE = "# %%\nx = 1\n"


@pytest.fixture
def in_text(stack: Stack) -> Stack:
    stack.write_text("in_text", TEXT, "server.py")
    stack.write_text("in_text", MODULE, "module.py")
    return stack


def open_lab(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/jupyter/lab/tree/in_text?reset")


def file(page: Page, name: str) -> Locator:
    """In the list of files."""
    return page.locator(f".jp-DirListing-item[title^='Name: {name}']")


def save(page: Page, text: str) -> None:
    """Type into the notebook's last cell, and save."""
    cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").last
    cell.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)
    page.keyboard.press("Control+s")


def test_a_double_click_in_jupyterlab_opens_it_as_a_notebook_and_saving_keeps_it_text(
    context: BrowserContext, in_text: Stack
) -> None:
    page = context.new_page()
    open_lab(page, in_text)
    expect(page.locator(".jp-LauncherCard").first).to_be_visible()
    expect(page.locator(".jp-LauncherCard, .lm-MenuBar-item", has_text="Text Notebook")).to_have_count(0)  # jupytext's

    file(page, "server.py").dblclick()
    expect(page.locator(".jp-Notebook .jp-MarkdownCell p")).to_have_text("Says hello")
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    with page.expect_response(lambda response: response.request.method == "PUT" and "server.py" in response.url):
        save(page, "  # changed")

    folder = in_text.notebook_dir / "in_text"
    assert (folder / "server.py").read_text() == TEXT.replace("print('Hello')", "print('Hello')  # changed")
    assert sorted(path.name for path in folder.iterdir()) == [".ipynb_checkpoints", "module.py", "server.py"]


def test_other_files_of_python_open_in_jupyterlab_as_text_unless_a_notebook_is_asked_for(
    context: BrowserContext, in_text: Stack
) -> None:
    page = context.new_page()
    open_lab(page, in_text)
    file(page, "module.py").dblclick()
    expect(page.locator(".jp-FileEditor .cm-content")).to_contain_text("# %%")
    expect(page.locator(".jp-Notebook")).to_have_count(0)

    file(page, "module.py").click(button="right")
    page.locator(".lm-Menu-itemLabel", has_text="Open With").hover()
    page.locator(".lm-Menu").nth(1).get_by_text("Notebook", exact=True).click()

    expect(page.locator(".jp-Notebook .jp-CodeCell .cm-content").first).to_contain_text("x = 1")


def test_notebook_7_opens_it_as_a_notebook_from_the_list_of_files_and_from_the_homepage(
    context: BrowserContext, in_text: Stack
) -> None:
    page = context.new_page()
    page.goto(f"{in_text.url}/jupyter/tree/in_text")
    with context.expect_page() as opened:
        file(page, "server.py").dblclick()
    expect(opened.value).to_have_url(f"{in_text.url}/jupyter/notebooks/in_text/server.py")
    expect(opened.value.locator(".jp-Notebook .jp-MarkdownCell")).to_contain_text("Says hello")

    page.goto(in_text.url)
    with context.expect_page() as linked:
        page.get_by_role("link", name="in_text", exact=False).first.click()
    expect(linked.value).to_have_url(f"{in_text.url}/jupyter/notebooks/in_text/server.py")
    with linked.value.expect_response(lambda response: response.request.method == "PUT"):
        save(linked.value, "  # changed")
    assert (in_text.notebook_dir / "in_text" / "server.py").read_text().endswith("print('Hello')  # changed\n")
