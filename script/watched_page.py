"""The live page in a real Chromium, watched from inside: which score became visible when.

An observer in the page stamps each score with the page's clock at the moment of the change. It polls nothing and
changes nothing. Rigs, servers and this browser share one machine, so the stamps compare with the rigs' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from world import OPERATOR, PASSWORD, WorldError

if TYPE_CHECKING:
    from types import TracebackType

    from playwright.sync_api import BrowserContext, Page, Playwright

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
SEEN_S_MAX = 10.0

# What is in the page and not hidden counts as seen. A slot of the list is used again for a later score, so a score is
# named by its place in the log (data-score), never by its element.
WATCHER = """() => {
  const seen = window.seen = { scores: {}, order: [], deductions: [] };
  let waiting = [];
  seen.until = (test, limit_ms) => new Promise((tell) => {
    if (test()) return tell(true);
    waiting.push({ test, tell });
    setTimeout(tell, limit_ms, false);
  });
  const texts = (el) => Object.fromEntries(
    [...el.querySelectorAll("[data-f]")].map((f) => [f.dataset.f, f.textContent]));
  const look = () => {
    const at = Date.now();
    for (const el of document.querySelectorAll("[data-score]")) {
      if (el.hidden || el.getClientRects().length === 0) continue;
      const name = el.dataset.score, told = texts(el), mark = el.querySelector("[data-f=proof]").className;
      const known = seen.scores[name];
      const one = seen.scores[name] ??= { name, at_ms: at, first: told.points, receipted_ms: null, changed: false };
      if (!known) seen.order.push(name);
      if (told.points !== one.first) one.changed = true;
      if (mark.includes("proof-receipted")) one.receipted_ms ??= at;
      Object.assign(one, told);
    }
    for (const rig of document.querySelectorAll("[data-rig]")) {
      const item = texts(rig).item;
      for (const minus of rig.querySelectorAll(".deduction b")) {
        const one = { rig: rig.dataset.rig, item: item.split(" ")[0], text: minus.textContent, at_ms: at };
        if (!seen.deductions.some((d) => d.rig === one.rig && d.text === one.text && d.item === one.item))
          seen.deductions.push(one);
      }
    }
    waiting = waiting.filter(({ test, tell }) => !test() || tell(true));
  };
  const everything = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver(look).observe(document.body, everything);
  look();
}"""
DEDUCTED = """([[rig, item, text], limit_ms]) => seen.until(() => seen.deductions.some(
  (d) => d.rig === rig && d.item === item && d.text === text), limit_ms)"""
RECEIPTED = """([wanted, limit_ms]) => seen.until(() => Object.values(seen.scores).filter(
  (one) => one.receipted_ms !== null).length >= wanted, limit_ms)"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One score as the page showed it: its place in the log, its words, and when it came and was marked receipted."""

    name: str
    points: str
    item: str
    who: str
    proof: str
    at_ms: int
    receipted_ms: int | None
    changed: bool


class WatchedPage:
    """A logged-in live page with its observer. `with WatchedPage(playwright, url) as page:` closes the browser."""

    def __init__(self, playwright: Playwright, url: str) -> None:
        self.url = url
        self.complaints: list[str] = []
        self._browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        self._context: BrowserContext = self._browser.new_context(
            ignore_https_errors=True, viewport={"width": 1500, "height": 950}
        )
        self.page: Page = self._context.new_page()

    def __enter__(self) -> Self:
        """Log in as the operator, wait until the page listens, and start watching."""
        page = self.page
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.goto(f"{self.url}/")
        page.fill("[name=name]", OPERATOR)
        page.fill("[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-line=connected]", timeout=SEEN_S_MAX * 1000)
        page.evaluate(WATCHER)
        page.evaluate("window.loaded = 'once'")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the browser, whatever happened."""
        self._browser.close()

    def wait_deduction(self, rig: str, item: str, points: int) -> None:
        """Wait until the rig's tile showed this deduction of this item."""
        text = f"−{points / 100:.2f}"
        self._wait(DEDUCTED, [rig, item, text], f"the deduction {text} of {item} at {rig}")

    def wait_scores(self, count: int) -> None:
        """Wait until so many scores were shown with the mark of a receipt."""
        self._wait(RECEIPTED, count, f"{count} receipted scores")

    def _wait(self, condition: str, argument: Any, what: str) -> None:
        if not self.page.evaluate(condition, [argument, SEEN_S_MAX * 1000]):
            raise WorldError(f"after {SEEN_S_MAX:.0f} s the page does not show {what}")

    def deductions(self) -> dict[tuple[str, str, str], int]:
        """When each deduction was first seen, by rig, item and text."""
        return {(d["rig"], d["item"], d["text"]): d["at_ms"] for d in self.page.evaluate("seen.deductions")}

    def scores(self) -> list[Shown]:
        """Every score seen so far, in the order in which they came."""
        names = Shown.__dataclass_fields__
        rows = self.page.evaluate("seen.order.map((name) => seen.scores[name])")
        return [Shown(**{name: row[name] for name in names}) for row in rows]

    def untouched(self) -> bool:
        """Whether this is still the page that was logged in to: no reload, no navigation."""
        loads: int = self.page.evaluate("performance.getEntriesByType('navigation').length")
        return bool(self.page.evaluate("window.loaded === 'once'")) and loads == 1
