"""Take the pictures of the web app anew, from a running `rakuten demo`: `make screenshots`.

Each page in the light, the dark, and on a telephone, 390 pixels wide; `docs/webapp.md` shows them. The demo's seller
submits some synthetic products first, and its administrator judges some of them.
"""

import io
import json
import sys
import time
import uuid
from pathlib import Path
from random import Random

import httpx
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.sample_words import write_listing
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.settings import Settings

FOLDER = Path(__file__).parent / "images"
WEBAPP = "http://127.0.0.1:8080"
PRODUCTS = 60

# Name of the picture, who looks, and the page; `{product}` is one that waits for a review.
PAGES = (
    ("sign-in", None, "/sign-in"),
    ("submit", "seller", "/submit"),
    ("products", "seller", "/products"),
    ("product", "seller", "/products/{product}"),
    ("imports", "seller", "/imports"),
    ("try", "seller", "/try"),
    ("account", "seller", "/account"),
    ("review", "admin", "/review"),
    ("queue", "admin", "/review/queue"),
    ("search", "admin", "/search"),
    ("model", "admin", "/model"),
    ("audit", "admin", "/audit"),
    ("users", "admin", "/users"),
)

# Name, width, height, whether dark, whether a telephone.
LOOKS = (("", 1280, 900, False, False), ("-dark", 1280, 900, True, False), ("-phone", 390, 844, False, True))

# Pages whose worth is below the fold, and how far down they are shown.
TALL = {"model": 3200, "product": 1800, "review": 1500}

# The drawings and explanations arrive after the page.
SETTLE_SECONDS = 5


def take(browser: webdriver.Chrome, wanted: list[str]) -> None:
    accounts = json.loads((Settings().local_state / "demo-accounts.json").read_text())
    people = {each["role"]: each for each in accounts}
    product = furnish(people)
    for look in LOOKS:
        for role in (None, "seller", "admin"):
            sign_in(browser, people.get(role))
            for name, whose, path in PAGES:
                if whose == role and (not wanted or f"webapp-{name}" in wanted):
                    picture(browser, name, path.format(product=product), *look)


def furnish(people: dict) -> int:
    """Products of every state; the result is one that waits for a review."""
    seller, admin = (api(people[role]) for role in ("seller", "admin"))
    random = Random(4)
    known = seller.get("/products").json()["items"]
    for _ in range(PRODUCTS - len(known) if len(known) < 20 else 0):
        code = random.choice(CODES)
        listing = write_listing(random, code)
        drawn = encode(draw_picture(random, code))
        fields = {"designation": listing.title, "description": listing.description or ""}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        made = seller.post("/products", params={"wait": 20}, data=fields, files={"image": drawn}, headers=headers)
        decide(seller, admin, random, made.json(), code)
    waiting = admin.get("/review/queue").json()["items"]
    return waiting[0]["product"]["id"] if waiting else known[0]["id"]


def decide(seller: httpx.Client, admin: httpx.Client, random: Random, product: dict, code: int) -> None:
    chance = random.random()
    path = f"/products/{product['id']}"
    if chance < 0.5:
        seller.post(f"{path}/decision", json={"code": code})
        seller.post(f"{path}/rating", json={"rating": random.choice((3, 4, 5, 5))})
    if chance < 0.2:
        admin.post(f"/products/{product['id']}/category", json={"code": code})


def api(person: dict) -> httpx.Client:
    client = httpx.Client(base_url=f"{WEBAPP}/api/v1", timeout=60)
    answer = client.post("/session", json={"email": person["email"], "password": person["password"]})
    client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['token']}"
    return client


def sign_in(browser: webdriver.Chrome, person: dict | None) -> None:
    browser.get(f"{WEBAPP}/sign-in")
    browser.delete_all_cookies()
    if person is None:
        return
    browser.get(f"{WEBAPP}/sign-in")
    time.sleep(1)
    browser.find_element(By.NAME, "email").send_keys(person["email"])
    browser.find_element(By.NAME, "password").send_keys(person["password"])
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    time.sleep(2)


def picture(
    browser: webdriver.Chrome, name: str, path: str, look: str, width: int, height: int, dark: bool, phone: bool
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone},
    )
    browser.add_cookie({"name": "rakuten_dark", "value": "1" if dark else "0", "path": "/"})
    browser.get(f"{WEBAPP}{path}")
    time.sleep(SETTLE_SECONDS)
    if name in TALL:
        tall = browser.execute_script("return document.documentElement.scrollHeight")
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": min(tall, TALL[name]), "deviceScaleFactor": 1, "mobile": phone},
        )
        time.sleep(2)
    file = FOLDER / f"webapp-{name}{look}.png"
    shot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    # Few colours are in such a picture; so it takes a quarter of the room.
    shot.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)
    print(file, file=sys.stdout)
