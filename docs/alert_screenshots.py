"""Take pictures of an alert that fires: `python docs/alert_screenshots.py PROMETHEUS ALERTMANAGER`, their addresses.

Needs Chromium and its driver (Debian: `chromium`, `chromium-driver`), and that the worker has ended. Debian's
Prometheus has its pages below `/classic`; Debian's Alertmanager has none, so its picture is what `amtool` prints.
"""

import html
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FOLDER = Path(__file__).parent / "images"
ALERT = "WorkerDown"

# Where this Prometheus was reached says nothing to anybody else.
WITHOUT_ADDRESS = ".[] | del(.generatorURL)"


def main(prometheus: str, alertmanager: str) -> None:
    with _browser() as browser:
        browser.set_window_size(1300, 720)
        browser.get(f"{prometheus}/classic/alerts")
        row = WebDriverWait(browser, 30).until(lambda b: b.find_element(By.XPATH, f"//td[contains(., '{ALERT}')]"))
        browser.execute_script("arguments[0].click()", row)
        for box in browser.find_elements(By.CSS_SELECTOR, "input.show-annotations, #show-annotations"):
            browser.execute_script("arguments[0].click()", box)
        browser.execute_script("arguments[0].scrollIntoView()", row)
        _keep(browser, "alert-prometheus")

        command = ["amtool", "alert", "query", f"alertname={ALERT}", f"--alertmanager.url={alertmanager}"]
        told = subprocess.run([*command, "--output=json"], check=True, capture_output=True, text=True).stdout
        shown = subprocess.run(["jq", WITHOUT_ADDRESS], input=told, check=True, capture_output=True, text=True).stdout
        asked = f"$ {' '.join(command[:4])} --output=json | jq '{WITHOUT_ADDRESS}'"
        page = f"<pre style='font: 13px monospace; padding: 12px'><b>{asked}</b>\n{html.escape(shown)}</pre>"
        browser.set_window_size(1000, 620)
        browser.get(f"data:text/html;charset=utf-8,{quote(page)}")
        _keep(browser, "alert-alertmanager")


def _keep(browser: webdriver.Chrome, name: str) -> None:
    browser.save_screenshot(str(FOLDER / f"{name}.png"))
    print(FOLDER / f"{name}.png")


@contextmanager
def _browser() -> Iterator[webdriver.Chrome]:
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
            yield browser
        finally:
            browser.quit()


main(*sys.argv[1:3])
