"""Take the pictures of the documentation anew, from a running `rakuten up`: `make screenshots`.

Needs Chromium and its driver (Debian: `chromium`, `chromium-driver`).
"""

import sys
import tempfile
import time
from pathlib import Path

import webapp_screenshots
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FOLDER = Path(__file__).parent / "images"
DAGSTER, MLFLOW, CLASSIFIER = "http://127.0.0.1:3000", "http://127.0.0.1:5000", "http://127.0.0.1:3001"
LINEAGE = f"{DAGSTER}/assets/serving_image?view=lineage&lineageScope=upstream&lineageDepth=20"

# Name of the picture, its page, a text that says that the page is there, and the size of the window.
PAGES = (
    ("asset-graph", LINEAGE, "cleaned_text", (2400, 1300)),
    ("confusion-matrix", f"{DAGSTER}/assets/stacked_model?view=overview", "confusion_matrix", (1500, 1100)),
    ("stacked-model", f"{DAGSTER}/assets/stacked_model?view=overview", "Metadata", (1500, 1700)),
    ("duplicates", f"{DAGSTER}/assets/deduplicated_images?view=overview", "gallery", (1500, 1500)),
    ("gate", f"{DAGSTER}/assets/challenger?view=checks&checkDetail=gate", "gate", (1500, 1500)),
    ("runs", f"{DAGSTER}/runs", "retrain", (1500, 700)),
    ("openapi", f"{CLASSIFIER}/", "Predict Batch", (1500, 1900)),
    ("mlflow", f"{MLFLOW}/#/models/rakuten-classifier", "Version", (1500, 700)),
)

# What is clicked on a page before its picture is taken.
STEPS = {
    "confusion-matrix": ("[Show Markdown]",),
    "openapi": ("Predict", "Try it out", "Execute"),
}


def main() -> None:
    wanted = sys.argv[1:] or [name for name, *_ in PAGES]
    with tempfile.TemporaryDirectory() as profile:
        browser = _browser(profile)
        try:
            for name, url, text, size in PAGES:
                if name in wanted:
                    _picture(browser, name, url, text, size)
            if not sys.argv[1:] or any(name.startswith("webapp") for name in wanted):
                webapp_screenshots.take(browser, [name for name in sys.argv[1:] if name.startswith("webapp-")])
        finally:
            browser.quit()


def _picture(browser: webdriver.Chrome, name: str, url: str, text: str, size: tuple[int, int]) -> None:
    browser.set_window_size(*size)
    browser.get(url)
    try:
        WebDriverWait(browser, 30).until(lambda b: text in b.find_element(By.TAG_NAME, "body").text)
    except TimeoutException:
        print(f"{url} never showed {text!r}", file=sys.stderr)
    # The graph lays itself out, and the plots arrive, after the text.
    time.sleep(6)
    _skip_invitation(browser)
    for label in STEPS.get(name, ()):
        _click(browser, label)
    browser.save_screenshot(str(FOLDER / f"{name}.png"))
    print(FOLDER / f"{name}.png")


def _skip_invitation(browser: webdriver.Chrome) -> None:
    for button in browser.find_elements(By.XPATH, "//button[normalize-space()='Skip']"):
        button.click()
        time.sleep(1)


def _click(browser: webdriver.Chrome, label: str) -> None:
    """Click the first thing on the page with this text."""
    browser.find_element(By.XPATH, f"//*[normalize-space(text())='{label}']").click()
    time.sleep(2)


def _browser(profile: str) -> webdriver.Chrome:
    options = Options()
    for argument in (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    return webdriver.Chrome(options=options)


main()
