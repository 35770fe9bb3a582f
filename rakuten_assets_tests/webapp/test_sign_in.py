"""Coming in, staying in and going out."""

from dataclasses import replace

import pytest

from rakuten_assets.store.records import AuditFilter
from rakuten_assets_tests.webapp.conftest import submit
from webapp import texts
from webapp.auth import COOKIE

WRONG = texts.t("error.wrong_credentials", "fr")


async def test_the_right_password_leads_to_ones_own_start_page(new_user, sign_in, seller, admin):
    one, other = new_user(), new_user()
    await sign_in(one, seller)
    await sign_in(other, admin)
    assert (one.back_history[-1], other.back_history[-1]) == ("/products", "/review")


async def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(new_user, sign_in, seller):
    known, unknown = new_user(), new_user()
    answers = [
        await sign_in(known, seller, password="not the password"),
        await sign_in(unknown, replace(seller, email="nobody@example.org")),
    ]
    await known.should_see(WRONG)
    await unknown.should_see(WRONG)
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert not known.http_client.cookies.get(COOKIE)


async def test_what_was_refused_is_said_once(user, sign_in, seller):
    await sign_in(user, seller, password="not the password")
    await user.open("/sign-in")
    await user.should_not_see(WRONG)


async def test_after_five_failures_even_the_right_password_is_refused_for_a_while(user, sign_in, seller):
    for _ in range(5):
        await sign_in(user, seller, password="not the password")
    await sign_in(user, seller)
    await user.should_see("Trop de tentatives. Réessayez dans 15 minutes.")


async def test_an_account_that_does_not_exist_is_locked_like_one_that_does(user, sign_in, seller):
    nobody = replace(seller, email=f"nobody-{seller.email}")
    for _ in range(6):
        await sign_in(user, nobody)
    await user.should_see("Trop de tentatives. Réessayez dans 15 minutes.")


async def test_a_blocked_account_is_told_so_and_why(user, sign_in, store, seller, admin):
    store.accounts.block(admin.actor, seller.id, "Fausses annonces")
    await sign_in(user, seller)
    await user.should_see(
        "Ce compte est bloqué. Motif : Fausses annonces. Contactez un administrateur.".replace(" :", "\u00a0:")
    )


async def test_only_who_knows_the_password_hears_that_an_account_is_blocked(user, sign_in, store, seller, admin):
    store.accounts.block(admin.actor, seller.id, "Fausses annonces")
    await sign_in(user, seller, password="not the password")
    await user.should_see(WRONG)


async def test_a_cookie_that_was_planted_before_the_sign_in_is_worth_nothing_after_it(user, sign_in, store, seller):
    user.http_client.cookies.set(COOKIE, "planted", domain="test.local")
    await sign_in(user, seller)
    token = _token(user)
    assert token != "planted"
    assert store.accounts.actor("planted") is None
    assert store.accounts.actor(token).user_id == seller.id


async def test_each_sign_in_is_a_new_session_and_ends_the_one_before(user, store, seller, http):
    form = {"email": seller.email, "password": seller.password}
    first = (await http.post("/sign-in", data=form)).cookies[COOKIE]
    headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"{COOKIE}={first}"}
    http.cookies.clear()
    second = (await http.post("/sign-in", data=form, headers=headers)).cookies[COOKIE]
    assert first != second
    assert store.accounts.actor(first) is None
    assert store.accounts.actor(second) is not None


async def test_scripts_and_other_sites_do_not_get_hold_of_the_session(http, seller):
    answer = await http.post("/sign-in", data={"email": seller.email, "password": seller.password})
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=43200" in cookie


@pytest.fixture
def over_https(web_settings):
    web_settings.secure_cookies = True


async def test_over_https_the_session_travels_over_nothing_else(over_https, http, seller):
    answer = await http.post("/sign-in", data={"email": seller.email, "password": seller.password})
    assert "; Secure" in next(each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE))
    assert "strict-transport-security" in answer.headers


async def test_one_comes_back_to_the_page_that_asked_for_the_sign_in(user, sign_in, seller):
    await sign_in(user, seller, to="/account")
    assert user.back_history[-1] == "/account"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
async def test_no_link_leads_to_another_site_after_the_sign_in(http, seller, target):
    form = {"email": seller.email, "password": seller.password, "next": target}
    answer = await http.post("/sign-in", data=form)
    assert answer.headers["location"] == "/products"


async def test_a_session_that_was_signed_out_is_worth_nothing(user, sign_in, store, seller):
    await sign_in(user, seller)
    token = _token(user)
    await user.open("/account")
    await submit(user, "/sign-out")
    assert user.back_history[-1] == "/sign-in"
    assert store.accounts.actor(token) is None


async def test_pages_are_for_those_who_are_signed_in(user):
    await user.open("/account")
    await user.should_see(marker="password")


async def test_a_page_of_another_role_is_refused(user, sign_in, seller):
    await sign_in(user, seller)
    await user.open("/users")
    assert user.status == 403
    await user.should_see(texts.t("page.forbidden.hint", "fr"))


async def test_who_is_blocked_while_a_page_is_open_can_do_nothing_on_it(user, sign_in, store, seller, admin):
    await sign_in(user, seller, to="/account")
    store.accounts.block(admin.actor, seller.id, "Fausses annonces")
    await user.click("Se déconnecter partout")
    await user.should_see(texts.t("error.session_over", "fr"))
    await user.should_see(marker="password")


async def test_who_loses_a_role_while_a_page_is_open_can_do_nothing_on_it(user, sign_in, store, admin, make_account):
    former = make_account("admin")
    await sign_in(user, former, to="/users")
    store.accounts.set_role(admin.actor, former.id, "seller")
    await user.click("Créer un compte")
    await user.type("new-one@example.org", marker="new-email")
    await user.click(marker="do-it")
    await user.should_see(texts.t("error.forbidden", "fr"))
    assert store.accounts.find("new-one@example.org") is None


async def test_a_page_that_is_still_open_does_not_act_for_the_next_person(user, sign_in, store, make_account):
    await sign_in(user, make_account("admin"), to="/users")
    with user:
        still_open = user.client
    await submit(user, "/sign-out")
    await sign_in(user, make_account("admin"))
    user.client = still_open
    await user.click("Créer un compte")
    await user.click(marker="do-it")
    await user.should_see(texts.t("error.session_over", "fr"))


async def test_the_sign_in_page_is_in_the_language_that_was_chosen(user):
    user.http_client.cookies.set("rakuten_language", "en", domain="test.local")
    await user.open("/sign-in")
    await user.should_see("E-mail address")


async def test_signing_in_and_failing_to_are_in_the_audit_log(user, sign_in, store, seller, admin):
    await sign_in(user, seller, password="not the password")
    await sign_in(user, seller)
    lines = store.audit.page(admin.actor, AuditFilter(actor=seller.email)).items
    assert [line.action for line in lines] == ["signed_in", "sign_in_failed"]
    assert all(line.request_id for line in lines)


def _token(user):
    return next(cookie.value for cookie in user.http_client.cookies.jar if cookie.name == COOKIE)
