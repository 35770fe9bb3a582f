"""Administrators' page of accounts."""

import pytest
import pytest_asyncio

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import AuditFilter
from webapp import texts


@pytest_asyncio.fixture
async def at_users(user, sign_in, admin, seller):
    """An administrator's browser with the list of the accounts that match the seller's e-mail."""
    await sign_in(user, admin, to=f"/users?q={seller.email}")
    return user


async def test_an_account_is_found_by_its_e_mail(at_users, seller, other_seller):
    await at_users.should_see(seller.email)
    await at_users.should_not_see(other_seller.email)


async def test_a_search_without_a_match_says_so(at_users):
    await at_users.open("/users?q=nobody-at-all")
    await at_users.should_see(texts.t("users.empty", "fr"))


async def test_an_administrator_makes_an_account_whose_password_is_shown_once(at_users, store):
    await at_users.click("Créer un compte")
    await at_users.type("Nouvelle Boutique", marker="new-name")
    await at_users.type("boutique@example.org", marker="new-email")
    await at_users.click(marker="do-it")
    password = await _shown_password(at_users)
    assert store.accounts.sign_in("boutique@example.org", password)[1].role == "seller"
    await at_users.click(marker="seen")
    await at_users.should_not_see(password)
    with at_users:
        assert not any(getattr(each, "text", None) == password for each in at_users.client.elements.values())


@pytest.mark.parametrize(("email", "key"), [("no address", "error.bad_email"), (None, "error.email_taken")])
async def test_an_account_that_cannot_be_made_is_refused_in_words(at_users, seller, email, key):
    await at_users.click("Créer un compte")
    await at_users.type(email or seller.email, marker="new-email")
    await at_users.click(marker="do-it")
    await at_users.should_see(texts.t(key, "fr"))


async def test_blocking_needs_a_reason_ends_the_sessions_and_keeps_the_account_out(at_users, store, seller, admin):
    token, _ = store.accounts.sign_in(seller.email, seller.password)
    await at_users.click(marker=f"block-{seller.id}")
    await at_users.click(marker="do-it")
    await at_users.should_see(texts.t("error.reason_needed", "fr"))
    assert store.accounts.actor(token) is not None
    await at_users.type("Fausses annonces", marker="reason")
    await at_users.click(marker="do-it")
    await at_users.should_see("Bloqué")
    await at_users.should_see("Fausses annonces")
    assert store.accounts.actor(token) is None
    with pytest.raises(Refused, match="blocked"):
        store.accounts.sign_in(seller.email, seller.password)
    lines = store.audit.page(admin.actor, AuditFilter(action="user_blocked", subject_id=str(seller.id))).items
    assert [(line.actor, line.detail["reason"]) for line in lines] == [(admin.email, "Fausses annonces")]


async def test_an_account_is_unblocked(at_users, store, seller, admin):
    store.accounts.block(admin.actor, seller.id, "Fausses annonces")
    await at_users.open(f"/users?q={seller.email}")
    await at_users.click(marker=f"unblock-{seller.id}")
    await at_users.should_see(texts.t("users.unblocked", "fr", name=seller.actor.name))
    assert store.accounts.sign_in(seller.email, seller.password)


async def test_a_lockout_after_failures_is_lifted(at_users, store, seller):
    for _ in range(5):
        with pytest.raises(Refused):
            store.accounts.sign_in(seller.email, "not the password")
    await at_users.click(marker=f"unlock-{seller.id}")
    await at_users.should_see(texts.t("users.unblocked", "fr", name=seller.actor.name))
    assert store.accounts.sign_in(seller.email, seller.password)


async def test_a_seller_becomes_an_administrator(at_users, store, seller):
    await at_users.click(marker=f"make.admin-{seller.id}")
    await at_users.click(marker="do-it")
    await at_users.should_see(texts.t("users.role.done", "fr", name=seller.actor.name, role="Administrateur"))
    assert store.accounts.find(seller.email).role == "admin"


async def test_a_password_is_reset_and_shown_once(at_users, store, seller):
    token, _ = store.accounts.sign_in(seller.email, seller.password)
    await at_users.click(marker=f"reset-{seller.id}")
    await at_users.click(marker="do-it")
    assert store.accounts.sign_in(seller.email, await _shown_password(at_users))
    assert store.accounts.actor(token) is None
    with pytest.raises(Refused, match="wrong_credentials"):
        store.accounts.sign_in(seller.email, seller.password)


async def test_administrators_do_nothing_to_their_own_account_here(user, sign_in, admin):
    await sign_in(user, admin, to=f"/users?q={admin.email}")
    await user.should_see("vous")
    await user.should_not_see(marker=f"block-{admin.id}")


async def _shown_password(user):
    await user.should_see(marker="new-password")
    return user.find(marker="new-password").elements.pop().text
