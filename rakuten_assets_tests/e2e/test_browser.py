"""A stranger's first five minutes, in a real Chromium, against the real programs."""

import os
import re
import shutil
import subprocess
import time
from random import Random

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.store.records import SYSTEM, Actor, AuditFilter
from rakuten_assets.store.store import Store
from rakuten_assets_tests.e2e.stack import until

PASSWORD = "une phrase assez longue"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium():
    """A Chromium and its driver; where they are missing, Debian's are installed, and without them the tests fail."""
    if not (_browser() and shutil.which("chromedriver")):
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "chromium", "chromium-driver"]):
            subprocess.run([*sudo, *command], check=True, capture_output=True)
    return _browser(), shutil.which("chromedriver")


def _browser():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture
def browser(chromium, tmp_path):
    program, driver = chromium
    options = Options()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}"):
        options.add_argument(argument)
    options.add_argument("--window-size=1300,1200")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, Service(driver))
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def people(stack):
    store = Store(stack.database_url)
    for role in ("seller", "admin"):
        store.accounts.create(SYSTEM, f"{role}@browser.example", role.title(), PASSWORD, role)
    yield store
    store.close()


TITLE = "Piscine tubulaire ronde 366 x 76 cm"
ATTACK = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"""


def sign_in(browser, url, role):
    browser.delete_all_cookies()
    browser.get(f"{url}/sign-in")
    until(lambda: browser.find_elements(By.NAME, "email"), 30)
    browser.find_element(By.NAME, "email").send_keys(f"{role}@browser.example")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD + Keys.ENTER)
    until(lambda: not browser.current_url.endswith("/sign-in"), 30)


def says(browser, *texts, seconds=60):
    """Wait until the page says all of this, to somebody who looks at it."""

    def said():
        body = browser.find_element(By.TAG_NAME, "body").text
        return all(text.casefold() in body.casefold() for text in texts)

    try:
        until(said, seconds)
    except AssertionError:
        raise AssertionError(browser.find_element(By.TAG_NAME, "body").text) from None


def field(browser, label):
    return until(lambda: browser.find_elements(By.CSS_SELECTOR, f"[aria-label='{label}']"), 30)[0]


def press(browser, text):
    """Press the button that says this."""
    path = f"//button[contains(normalize-space(.), '{text}')]"
    button = until(lambda: [each for each in browser.find_elements(By.XPATH, path) if each.is_displayed()], 30)[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def submit(browser, stack, picture, title):
    browser.get(f"{stack.url}/submit")
    field(browser, "Titre").send_keys(title)
    field(browser, "Description (facultative)").send_keys("Avec filtre et échelle, bâche comprise.")
    browser.find_element(By.CSS_SELECTOR, "input[type=file]:not([capture])").send_keys(str(picture))
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "img.picture-preview"), 30)

    def sent():
        # A picture that is still on its way is said to be so; one presses again.
        for button in browser.find_elements(By.XPATH, "//button[contains(normalize-space(.), 'Envoyer')]"):
            browser.execute_script("arguments[0].click()", button)
        time.sleep(1)
        return "est enregistré" in browser.find_element(By.TAG_NAME, "body").text

    until(sent, 60)
    return int(re.search(r"produit n°\s*(\d+)", browser.find_element(By.TAG_NAME, "body").text)[1])


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    file = tmp_path_factory.mktemp("picture") / "piscine.jpg"
    file.write_bytes(encode(draw_picture(Random(3), 2583)))
    return file


def test_a_strangers_first_five_minutes(stack, people, browser, picture):
    sign_in(browser, stack.url, "seller")
    id = submit(browser, stack, picture, TITLE)
    # The real worker, the real service: the category comes without reloading.
    says(browser, "Autour de la piscine")
    product = people.products.get(person(people, "seller"), id)
    assert product.proposed == 2583
    press(browser, "Confirmer")
    until(lambda: people.products.get(person(people, "seller"), id).state == "confirmed")
    assert people.products.get(person(people, "seller"), id).decided_by == "seller"
    browser.get(f"{stack.url}/products")
    says(browser, TITLE)

    sign_in(browser, stack.url, "admin")
    browser.get(f"{stack.url}/search?text={id}")
    says(browser, TITLE, "Seller")
    browser.get(f"{stack.url}/audit?subject=product&subject_id={id}")
    says(browser, "seller@browser.example", "Plateforme")
    lines = people.audit.page(person(people, "admin"), AuditFilter(subject="product", subject_id=str(id))).items
    assert [line.action for line in lines] == ["product_confirm", "product_classified", "product_submitted"]


def test_what_a_seller_types_is_text_wherever_it_is_shown(stack, people, browser, picture):
    sign_in(browser, stack.url, "seller")
    id = submit(browser, stack, picture, ATTACK)
    seller, admin = person(people, "seller"), person(people, "admin")
    until(lambda: people.products.get(seller, id).state != "waiting")
    people.products.no_category(seller, id, ATTACK)
    pages = {"seller": ["/products", f"/products/{id}"]}
    pages["admin"] = ["/review/queue", "/review", "/search", f"/products/{id}", "/audit", "/model", "/users"]
    for role, paths in pages.items():
        sign_in(browser, stack.url, role)
        for path in paths:
            browser.get(f"{stack.url}{path}")
            until(lambda: browser.find_elements(By.CSS_SELECTOR, "main, .q-page"), 30)
            if path not in ("/audit", "/model", "/users"):
                says(browser, "onerror")
            assert browser.title != "owned", path
            assert browser.find_elements(By.CSS_SELECTOR, "img[src='x']") == [], path
    people.reviews.reject(admin, id, ATTACK)
    sign_in(browser, stack.url, "seller")
    browser.get(f"{stack.url}/products/{id}")
    says(browser, "onerror")
    assert browser.title != "owned"


def test_a_seller_opens_no_page_of_an_administrator(stack, people, browser):
    sign_in(browser, stack.url, "seller")
    for path in ("/review", "/review/queue", "/search", "/model", "/audit", "/users"):
        answer = httpx.get(f"{stack.url}{path}", cookies={"rakuten_session": cookie(browser)})
        assert answer.status_code == 403, path


def test_pages_log_no_error_in_the_browser(stack, people, browser):
    sign_in(browser, stack.url, "admin")
    for path in ("/review", "/search", "/model", "/audit", "/users", "/account", "/try"):
        browser.get(f"{stack.url}{path}")
        until(lambda: browser.find_elements(By.CSS_SELECTOR, "main, .q-page"), 30)
        severe = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
        assert severe == [], path


def test_on_a_telephone_pages_are_not_wider_than_it_and_figures_stand_whole(stack, people, browser, platform):
    card = next((platform.settings.root / "model-cards").glob("*.md"))
    folder = stack.folder / "data" / "model-cards"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(card, folder)
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    sign_in(browser, stack.url, "admin")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    for path in ("/review", "/search", "/model", "/audit", "/users", "/account", "/try", f"/model/card/{card.stem}"):
        browser.get(f"{stack.url}{path}")
        until(lambda: browser.find_elements(By.CSS_SELECTOR, "main, .q-page"), 30)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390, path
    until(lambda: browser.find_elements(By.CSS_SELECTOR, ".card-text td"), 30)
    figures = browser.execute_script("""
        return [...document.querySelectorAll('.card-text td')]
            .filter(cell => /^[01][.][0-9]+$/.test(cell.innerText.trim()))
            .map(cell => { const text = document.createRange(); text.selectNodeContents(cell);
                           return new Set([...text.getClientRects()].map(line => line.top)).size })""")
    assert len(figures) > 50
    assert set(figures) == {1}


def cookie(browser):
    return browser.get_cookie("rakuten_session")["value"]


def person(people, role):
    user = people.accounts.find(f"{role}@browser.example")
    return Actor(user.id, user.email, user.name, user.role)
