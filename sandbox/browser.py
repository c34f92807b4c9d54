"""Chromium without a window, driven by Playwright: what tests and pictures look through.

It is the system's own: Playwright brings the driver, and downloads no browser.
"""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from typing import Any, Self

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, WebError, sync_playwright

from sandbox.processes import MissingProgramError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = 500  # pixels; narrower windows are phones
PATIENCE = 30.0  # seconds that whatever is clicked or read may take to be there
PAUSE = 0.1  # seconds between two looks
_DRAWN = """(() => {
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  pen.font = "40px " + getComputedStyle(document.body).fontFamily;
  pen.fillText("%s", 20, 60);
  return canvas.toDataURL();
})()"""


class PageError(Exception):
    """The page did not do what it was asked to; the message holds what went wrong in it."""


class Browser:
    """A browser with one page, while the ``with`` block lasts. Only the thread that opened it may use it."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
        if found is None:
            raise MissingProgramError("A browser is needed: `scripts/setup.sh browser` installs one.")
        self._path = found
        self._open = ExitStack()
        self.page: Page
        self.trouble: list[str] = []  # what the page's console complained about

    def __enter__(self) -> Self:
        chromium = self._open.enter_context(sync_playwright()).chromium
        self._browser = chromium.launch(executable_path=self._path)
        self._open.callback(self._browser.close)
        self.show_as()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def show_as(self, *, width: int = 1400, height: int = 900, dark: bool = False, scale: float = 1) -> None:
        """A fresh window: its size in pixels, and which colours its owner, who is in UTC, likes."""
        for earlier in self._browser.contexts:
            earlier.close()
        context: BrowserContext = self._browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
            is_mobile=width < PHONE,
            has_touch=width < PHONE,
            color_scheme="dark" if dark else "light",
            timezone_id="UTC",
        )
        context.set_default_timeout(PATIENCE * 1000)
        context.on("console", self._overheard)
        context.on("weberror", self._threw)
        self.page = context.new_page()

    def set_clock(self, seconds: float) -> None:
        """For the page it is this moment, in seconds since the epoch; its timers go on."""
        self.page.clock.set_fixed_time(seconds * 1000)

    def open(self, url: str) -> None:
        """Go to an address; returns once the page is drawn."""
        self.page.goto(url)
        self.page.locator("#channel-header h1").wait_for(state="attached")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for.

        Raises:
            PageError: it threw.
        """
        try:
            return self.page.evaluate(script)
        except Error as error:
            raise PageError(f"{script}: {error.message}") from error

    def until(self, script: str, seconds: float = 20.0) -> None:
        """Ask again and again until the expression is true, by our clock: the page's own may stand still.

        Raises:
            PageError: it was not within ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            if time.monotonic() > deadline:
                raise PageError(f"Not within {seconds:g} s: {script}\n{self.text()}")
            self.page.wait_for_timeout(PAUSE * 1000)

    def text(self) -> str:
        """All that a person can read on the page now."""
        return self.page.inner_text("body")

    def has_letters_for(self, letters: str) -> bool:
        """Whether the page draws each of these as itself: what no font has is the same box for all of them."""
        drawn = [self.run(_DRAWN % letter) for letter in letters]
        return len(set(drawn)) == len(letters)

    def picture(self, selector: str | None = None) -> bytes:
        """A PNG of the window, or of one element with nothing around it."""
        clip = self.page.locator(selector).first.bounding_box() if selector else None
        return self.page.screenshot(clip=clip)

    def press(self, key: str) -> None:
        """One key, such as Tab, Enter or Escape, as the keyboard would."""
        self.page.keyboard.press(key)

    def _overheard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.trouble.append(f"{message.text} ({message.location['url']})")

    def _threw(self, error: WebError) -> None:
        self.trouble.append(str(error.error))
