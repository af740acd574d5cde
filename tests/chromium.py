"""The machine's own Chromium, without a window, for tests and figures of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers give 64 MB of it
)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser for as long as the block lasts. Skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no {', '.join(NAMES)} on the path: install Chromium to run this")
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=program, args=list(FLAGS))
        except playwright.Error as error:
            pytest.skip(f"{program} cannot be started: {str(error).splitlines()[0]}")
        yield browser
        browser.close()
