"""Take the pictures of the loop from a running `rakuten simulate` (or from `rakuten up` on its folder afterwards).

Run with that platform's environment: `python docs/loop_screenshots.py [NAME …]`; `model-before` while a drift has
been reported and nothing has been learnt from it yet, all others afterwards.
"""

import io
import secrets
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.common.by import By

from rakuten_assets.postgres import application_url
from rakuten_assets.settings import Settings
from rakuten_assets.store.records import SYSTEM, Actor
from rakuten_assets.store.store import Store

FOLDER = Path(__file__).parent / "images"

# Name of the picture, page, width, height, and the heading that is scrolled to.
PAGES = (
    ("model-before", "{web}/model", 1280, 900, "Dérive"),
    ("model-after", "{web}/model", 1280, 1250, "Dérive"),
    ("drift-report", "{web}/drift/{report}/features", 1280, 1000, ""),
    ("loop-runs", "{dagster}/runs", 1500, 655, ""),
)


def main() -> None:
    settings = Settings()
    names = sys.argv[1:] or [name for name, *_ in PAGES if name != "model-before"]
    store = Store(application_url(settings))
    places = {
        "web": f"http://{settings.host}:{settings.webapp_port}",
        "dagster": f"http://{settings.host}:{settings.dagster_port}",
        "report": _drifted(store),
    }
    with tempfile.TemporaryDirectory() as profile:
        options = Options()
        for argument in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        browser = webdriver.Chrome(options=options)
        try:
            _sign_in(browser, places["web"], store)
            for name, page, width, height, heading in PAGES:
                if name in names:
                    _take(browser, name, page.format(**places), width, height, heading)
        finally:
            browser.quit()
            store.close()


def _drifted(store: Store) -> int:
    """The report with the highest score."""
    reports = store.drift.history(Actor(None, "", "", "admin"))
    return max(reports, key=lambda report: report.score).id if reports else 0


def _sign_in(browser: webdriver.Chrome, web: str, store: Store) -> None:
    email, password = f"pictures{secrets.token_hex(3)}@example.org", secrets.token_urlsafe(12)
    store.accounts.create(SYSTEM, email, "Dominique Admin", password, "admin")
    browser.get(f"{web}/sign-in")
    time.sleep(2)
    browser.find_element(By.NAME, "email").send_keys(email)
    browser.find_element(By.NAME, "password").send_keys(password)
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    time.sleep(3)


def _take(browser: webdriver.Chrome, name: str, url: str, width: int, height: int, heading: str) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)
    time.sleep(8)
    if heading:
        found = browser.find_elements(By.XPATH, f"//*[self::h2 or self::h3][normalize-space()='{heading}']")
        browser.execute_script("arguments[0].scrollIntoView(); window.scrollBy(0, -80)", found[0])
        time.sleep(1)
    shot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    # Few colours are in such a picture; so it takes a quarter of the room.
    shot.quantize(128, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)
    print(FOLDER / f"{name}.png")


main()
