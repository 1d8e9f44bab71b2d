"""A person with a browser: what they do on every page, and what their browser complains about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pictures
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Download,
    Locator,
    Request,
    Response,
    expect,
)


@dataclass(frozen=True, slots=True)
class Camera:
    """Takes a picture of what is on the screen, where it has a folder for them."""

    folder: Path | None

    def take(self, person: Person, name: str) -> None:
        if self.folder is None:
            return
        person.page.wait_for_load_state("networkidle")
        # Nothing moves, nothing blinks: the same page gives the same picture.
        png = person.page.screenshot(animations="disabled", caret="hide")
        (self.folder / f"{name}.png").write_bytes(pictures.shrink(png))


class Person:
    """Somebody who works with the pages as people do: by what they read, not by markup."""

    def __init__(self, context: BrowserContext, url: str, camera: Camera) -> None:
        self.page = context.new_page()
        self.url = url
        self.complaints: list[str] = []
        self._camera = camera
        self._expected: set[int] = set()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    # --- What the browser complains about ---------------------------------------------------------

    def _console(self, message: ConsoleMessage) -> None:
        # The browser's and htmx's own lines about a status; _response judges that.
        about_status = message.text.startswith(
            ("Failed to load resource: the server responded", "Response Status Error Code")
        )
        if message.type in {"error", "warning"} and not about_status:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"{self.page.url} asks elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._expected:
            self.complaints.append(f"{response.url}: status {response.status}")

    @contextmanager
    def expecting(self, status: int) -> Iterator[None]:
        """Within it, a page may answer with this status; it has to do so."""
        self._expected.add(status)
        with self.page.expect_response(lambda response: response.status == status):
            yield
        self._expected.discard(status)

    # --- Moving about -----------------------------------------------------------------------------

    def sign_in(self, name: str, password: str) -> None:
        self.page.goto(f"{self.url}/")
        self.page.locator("[name=username]").fill(name)
        self.field("Password").fill(password)
        self.press("Sign in")
        self.sees(name)

    def open(self, address: str) -> None:
        self.page.goto(f"{self.url}{address}")

    def follow(self, name: str, where: str = "main") -> None:
        self.page.locator(where).get_by_role("link", name=name).first.click()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()

    def send(self, name: str) -> None:
        """Press a button whose form leads to a page; returns when that is there."""
        with self.page.expect_navigation():
            self.press(name)

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible()

    def sees_no_button(self, name: str) -> None:
        expect(self.page.get_by_role("button", name=name)).to_have_count(0)

    def row(self, *texts: str) -> Locator:
        """The table row that holds all of the texts."""
        found = self.page.get_by_role("row")
        for text in texts:
            found = found.filter(has_text=text)
        return found

    # --- Forms ------------------------------------------------------------------------------------

    def field(self, label: str) -> Locator:
        """A form's field: the label's words, with or without the mark of a required one."""
        words = re.compile(rf"^{re.escape(label)}\s*\*?$")
        fields = self.page.locator("input, select, textarea")
        return self.page.locator("main").get_by_label(words).and_(fields)

    def fill(self, **fields: str) -> None:
        """``fill(What_the_guest_sees="…")``: labels with underscores for spaces."""
        for label, value in fields.items():
            self.field(label.replace("_", " ")).fill(value)

    def choose(self, **fields: str) -> None:
        for label, value in fields.items():
            self.field(label.replace("_", " ")).select_option(label=value)

    # --- Evidence ---------------------------------------------------------------------------------

    def picture(self, name: str) -> None:
        self._camera.take(self, name)

    def download(self, name: str, folder: Path) -> Path:
        """Press the link of this name; returns the file that the browser saved."""
        with self.page.expect_download() as caught:
            self.follow(name)
        download: Download = caught.value
        path = folder / download.suggested_filename
        download.save_as(path)
        return path

    def last_seen(self) -> str:
        """The page's address and its words, for the report of a failed test."""
        return f"{self.page.url}\n{self.page.locator('body').inner_text()}\n"

    def look_at(self, locator: Locator) -> None:
        """Scroll so that it stands in the middle of the screen."""
        locator.evaluate("element => element.scrollIntoView({block: 'center'})")

    def is_too_wide(self) -> bool:
        """Whether the page itself scrolls sideways; a table inside it may."""
        return bool(
            self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )
