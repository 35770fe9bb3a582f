"""One's own account."""

import pytest

from webapp import texts

NEW = "a much better password"


async def test_the_language_is_changed_for_the_account(user, sign_in, store, seller):
    await sign_in(user, seller, to="/account")
    await user.should_see("Mon compte")
    await user.click(marker="language-switch")
    await _until(lambda: store.accounts.find(seller.email).language == "en")
    await user.open("/account")
    await user.should_see("My account")


async def test_the_password_is_changed_and_other_sessions_end(user, sign_in, store, seller):
    elsewhere, _ = store.accounts.sign_in(seller.email, seller.password)
    await sign_in(user, seller, to="/account")
    await _change(user, seller.password, NEW, NEW)
    await user.should_see("Le mot de passe a été changé.")
    assert store.accounts.actor(elsewhere) is None
    assert store.accounts.sign_in(seller.email, NEW)


@pytest.mark.parametrize(
    ("old", "new", "again", "key", "params"),
    [
        ("not the password", NEW, NEW, "error.wrong_password", {}),
        (None, NEW, "something else", "error.passwords_differ", {}),
        (None, "short", "short", "error.weak_password", {"least": 10, "most": 200}),
    ],
)
async def test_a_password_that_will_not_do_is_refused(user, sign_in, store, seller, old, new, again, key, params):
    await sign_in(user, seller, to="/account")
    await _change(user, old or seller.password, new, again)
    await user.should_see(texts.t(key, "fr", **params))
    assert store.accounts.sign_in(seller.email, seller.password)


async def test_one_sees_where_one_is_signed_in_and_can_end_the_other_sessions(user, sign_in, store, seller):
    elsewhere, _ = store.accounts.sign_in(seller.email, seller.password, "browser", "Firefox · Windows")
    await sign_in(user, seller, to="/account")
    await user.should_see("Firefox · Windows")
    await user.should_see("Cette session")
    await user.click("Fermer les autres sessions")
    await user.should_see("1 session fermée.")
    assert store.accounts.actor(elsewhere) is None
    await user.should_not_see("Firefox · Windows", retries=100)


async def test_sign_out_everywhere_ends_this_session_too(user, sign_in, store, seller):
    elsewhere, _ = store.accounts.sign_in(seller.email, seller.password)
    await sign_in(user, seller, to="/account")
    await user.click("Se déconnecter partout")
    await user.should_see(marker="password")
    assert store.accounts.actor(elsewhere) is None
    assert store.accounts.sessions(seller.actor) == []


async def _change(user, old, new, again):
    for field, text in (("old", old), ("new", new), ("again", again)):
        await user.type(text, marker=f"password-{field}")
    await user.click("Changer le mot de passe")


async def _until(true):
    import asyncio

    for _ in range(100):
        if true():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("It never came true")
