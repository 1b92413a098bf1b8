"""HTML pages: what is in one, and one open in a browser."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from tests.installed import needs

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Page(HTMLParser):
    """The elements and the text of a page; elements that are not closed are `open`."""

    void = frozenset({"meta"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@contextmanager
def browser(folder: Path) -> Iterator["Chrome"]:
    """Start a browser that knows nobody, with `folder` for its own files; skip where there is none."""
    needs(shutil.which("chromium"), "chromium")
    needs(shutil.which("chromedriver"), "chromedriver (Debian package chromium-driver)")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options, ChromeService(shutil.which("chromedriver")))
    try:
        yield chrome
    finally:
        chrome.quit()


def look_at(chrome: "Chrome", path: Path, width: int = 1000, *, dark: bool = False) -> None:
    """Open a page and wait until it is drawn."""
    from selenium.webdriver.support.wait import WebDriverWait

    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    chrome.get(path.as_uri())
    drawn = "return document.querySelector('canvas').dataset.rectangles"
    WebDriverWait(chrome, 30).until(lambda _: chrome.execute_script(drawn))


@contextmanager
def fingers(chrome: "Chrome") -> Iterator[Callable[..., None]]:
    """Let the screen be one that is touched: give where the fingers are, in pixels of the view; nowhere lifts them."""
    down: list[tuple[float, float]] = []

    def touch(*places: tuple[float, float]) -> None:
        kind = "touchEnd" if len(places) < len(down) else "touchStart" if len(places) > len(down) else "touchMove"
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        chrome.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        down[:] = places

    chrome.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
    try:
        yield touch
    finally:
        chrome.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
