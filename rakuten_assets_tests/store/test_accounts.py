"""Who comes in, who does not, and what each is told."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from rakuten_assets.store.accounts import ATTEMPTS
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import SYSTEM, AuditFilter
from rakuten_assets.store.tables import SessionRow
from rakuten_assets_tests.store.conftest import PASSWORD


def refusal(action, *args, **options):
    with pytest.raises(Refused) as caught:
        action(*args, **options)
    return caught.value


def test_the_right_password_opens_a_session_and_the_token_is_not_stored(store, seller):
    token, actor = store.accounts.sign_in(seller.email, PASSWORD)
    assert store.accounts.actor(token) == actor
    assert (actor.email, actor.role) == (seller.email, "seller")
    with store.accounts._transaction() as session:
        assert session.get(SessionRow, token) is None
        assert session.get(SessionRow, actor.session).user_id == seller.user_id


def test_each_sign_in_is_another_session(store, seller):
    assert store.accounts.sign_in(seller.email, PASSWORD)[0] != store.accounts.sign_in(seller.email, PASSWORD)[0]


def test_an_email_is_the_same_in_any_letters(store, seller):
    assert store.accounts.sign_in(f"  {seller.email.upper()} ", PASSWORD)[1].user_id == seller.user_id


def test_a_stranger_and_a_wrong_password_are_told_the_same(store, seller):
    wrong = refusal(store.accounts.sign_in, seller.email, "not this one")
    stranger = refusal(store.accounts.sign_in, "nobody@example.org", "not this one")
    assert (wrong.kind, wrong.code, wrong.params) == (stranger.kind, stranger.code, stranger.params)
    assert wrong.code == "wrong_credentials"


@pytest.mark.parametrize("known", [True, False])
def test_after_five_failures_an_email_is_locked_whether_or_not_it_has_an_account(store, seller, known):
    email = seller.email if known else f"ghost-{seller.email}"
    told = [refusal(store.accounts.sign_in, email, "wrong").code for _ in range(ATTEMPTS + 1)]
    assert told == ["wrong_credentials"] * (ATTEMPTS - 1) + ["locked"] * 2
    locked = refusal(store.accounts.sign_in, email, PASSWORD)
    assert (locked.code, locked.params) == ("locked", {"minutes": 15})


def test_many_guesses_at_once_are_no_way_around_the_lock(store, seller):
    told = []

    def guess():
        told.append(refusal(store.accounts.sign_in, seller.email, "wrong").code)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each of the others found it locked before its password was looked at.
    assert sum(code == "wrong_credentials" for code in told) < ATTEMPTS
    lines = store.audit.page(_admin(store), AuditFilter(action="sign_in_failed", actor=seller.email)).items
    assert len(lines) == ATTEMPTS


def test_the_right_password_forgets_earlier_failures(store, seller):
    for _ in range(2):
        for _ in range(ATTEMPTS - 1):
            refusal(store.accounts.sign_in, seller.email, "wrong")
        store.accounts.sign_in(seller.email, PASSWORD)


def test_a_blocked_account_is_told_so_only_with_its_password(store, seller, admin):
    token, _ = store.accounts.sign_in(seller.email, PASSWORD)
    store.accounts.block(admin, seller.user_id, "fraude")
    assert store.accounts.actor(token) is None
    assert refusal(store.accounts.sign_in, seller.email, "wrong").code == "wrong_credentials"
    blocked = refusal(store.accounts.sign_in, seller.email, PASSWORD)
    assert (blocked.code, blocked.params) == ("blocked", {"reason": "fraude"})
    store.accounts.unblock(admin, seller.user_id)
    assert store.accounts.sign_in(seller.email, PASSWORD)


def test_unblocking_ends_a_lockout(store, seller, admin):
    for _ in range(ATTEMPTS):
        refusal(store.accounts.sign_in, seller.email, "wrong")
    store.accounts.unblock(admin, seller.user_id)
    assert store.accounts.sign_in(seller.email, PASSWORD)


def test_a_session_ends(store, seller):
    token, actor = store.accounts.sign_in(seller.email, PASSWORD)
    past = update(SessionRow).where(SessionRow.id == actor.session)
    with store.accounts._transaction() as session:
        session.execute(past.values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert store.accounts.actor(token) is None


def test_signing_out_ends_this_session_and_everywhere_ends_all(store, seller):
    first, _ = store.accounts.sign_in(seller.email, PASSWORD)
    second, actor = store.accounts.sign_in(seller.email, PASSWORD)
    third, _ = store.accounts.sign_in(seller.email, PASSWORD)
    store.accounts.sign_out(first)
    assert store.accounts.actor(first) is None
    assert store.accounts.actor(second)
    store.accounts.sign_out_everywhere(actor, keep_this=True)
    assert store.accounts.actor(third) is None
    assert [each.id for each in store.accounts.sessions(actor)] == [actor.session]
    assert store.accounts.sign_out_everywhere(actor) == 1
    assert store.accounts.actor(second) is None


def test_another_password_ends_the_other_sessions(store, seller):
    elsewhere, _ = store.accounts.sign_in(seller.email, PASSWORD)
    here, actor = store.accounts.sign_in(seller.email, PASSWORD)
    assert refusal(store.accounts.change_password, actor, "wrong", "une autre phrase").code == "wrong_password"
    assert refusal(store.accounts.change_password, actor, PASSWORD, "court").code == "weak_password"
    store.accounts.change_password(actor, PASSWORD, "une autre phrase")
    assert store.accounts.actor(elsewhere) is None
    assert store.accounts.actor(here)
    assert refusal(store.accounts.sign_in, seller.email, PASSWORD).code == "wrong_credentials"


@pytest.mark.parametrize("verb", ["block", "unblock", "set_role", "reset_password"])
def test_only_administrators_administer(store, seller, admin, verb):
    extra = {"block": ["because"], "set_role": ["admin"]}.get(verb, [])
    assert refusal(getattr(store.accounts, verb), seller, admin.user_id, *extra).kind == "forbidden"
    assert refusal(store.accounts.users, seller).kind == "forbidden"
    assert refusal(store.accounts.create, seller, "x@example.org", "", PASSWORD, "admin").kind == "forbidden"


def test_administrators_do_not_lock_themselves_out(store, admin):
    assert refusal(store.accounts.block, admin, admin.user_id, "oops").code == "not_oneself"
    assert refusal(store.accounts.set_role, admin, admin.user_id, "seller").code == "not_oneself"


def test_a_reset_password_works_once_it_is_handed_over(store, seller, admin):
    token, _ = store.accounts.sign_in(seller.email, PASSWORD)
    password = store.accounts.reset_password(admin, seller.user_id)
    assert store.accounts.actor(token) is None
    assert store.accounts.sign_in(seller.email, password)


def test_users_are_found_by_name_and_a_percent_sign_is_a_percent_sign(store, admin, seller):
    assert [user.id for user in store.accounts.users(admin, seller.email).items] == [seller.user_id]
    assert store.accounts.users(admin, "%").items == []


def test_a_list_of_everybody_counts_everybody(store, admin, seller):
    page = store.accounts.users(admin, size=200)
    assert (page.total, page.capped) == (min(len(page.items), 100), len(page.items) > 100)
    assert page.total > 1


@pytest.mark.parametrize("email", ["", "no at", "a@b", "a@@b.c", "a b@c.de"])
def test_what_is_no_email_makes_no_account(store, email):
    assert refusal(store.accounts.create, SYSTEM, email, "", PASSWORD, "seller").code == "bad_email"


def test_an_email_has_one_account(store, seller):
    assert refusal(store.accounts.create, SYSTEM, seller.email, "", PASSWORD, "seller").code == "email_taken"


def test_hashes_are_argon2id(store, seller):
    from sqlalchemy import select

    from rakuten_assets.store.tables import User

    with store.accounts._transaction() as session:
        assert session.scalar(select(User.password_hash).where(User.id == seller.user_id)).startswith("$argon2id$")


def _admin(store):
    from rakuten_assets.store.records import Actor

    return Actor(None, "", "", "admin")
