"""The audit log as administrators read it."""

import csv
import io
from datetime import datetime, timedelta

import pytest

from rakuten_assets.store.records import AuditLine
from webapp import texts
from webapp.pages.audit import Asked, _csv


async def test_who_did_what_is_read_in_words(user, sign_in, store, admin, seller):
    store.accounts.block(admin.actor, seller.id, "Fausses annonces")
    await sign_in(user, admin, to=f"/audit?subject=user&subject_id={seller.id}")
    await user.should_see(texts.t("action.user_blocked", "fr"))
    await user.should_see(f"Compte {seller.id}")
    await user.should_see("reason: Fausses annonces")


async def test_filters_leave_what_was_asked_for(user, sign_in, store, admin, seller):
    store.accounts.block(admin.actor, seller.id, "Fausses annonces")
    store.accounts.unblock(admin.actor, seller.id)
    await sign_in(user, admin, to=f"/audit?subject_id={seller.id}&action=user_unblocked")
    await user.should_see("Compte débloqué")
    await user.should_not_see("reason: Fausses annonces")


async def test_filters_without_a_match_say_so(user, sign_in, admin):
    await sign_in(user, admin, to="/audit?actor=nobody-at-all")
    await user.should_see(texts.t("audit.empty", "fr"))


@pytest.mark.parametrize("query", ["since=yesterday", "until=9999-12-31", "subject_id=%00", "action=%27%3B--"])
async def test_filters_that_mean_nothing_break_nothing(user, sign_in, admin, query):
    await sign_in(user, admin, to=f"/audit?{query}")
    await user.should_see("Journal d’audit")
    assert user.status == 200


def test_the_last_day_counts_as_a_whole():
    asked = Asked(since="2026-11-01", until="2026-11-21").filter
    assert (asked.since, asked.until) == (
        datetime(2026, 11, 1, tzinfo=texts.ZONE),
        datetime(2026, 11, 22, tzinfo=texts.ZONE),
    )


async def test_the_export_holds_what_the_filters_leave(user, sign_in, store, admin, seller):
    store.accounts.block(admin.actor, seller.id, "Fausses annonces")
    store.accounts.unblock(admin.actor, seller.id)
    await sign_in(user, admin)
    answer = await user.http_client.get(f"/audit.csv?subject_id={seller.id}&action=user_blocked")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert [(row["actor"], row["action"], row["detail"]) for row in rows] == [
        (admin.email, "user_blocked", '{"reason": "Fausses annonces"}')
    ]


async def test_the_export_is_in_the_audit_log_itself(user, sign_in, store, admin):
    await sign_in(user, admin)
    await user.http_client.get("/audit.csv?action=nothing")
    await user.open(f"/audit?actor={admin.email}")
    await user.should_see("Journal exporté")


async def test_the_export_is_for_administrators(new_user, sign_in, seller, http):
    browser = new_user()
    await sign_in(browser, seller)
    assert (await browser.http_client.get("/audit.csv")).status_code == 403
    assert (await http.get("/audit.csv")).status_code == 401


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_the_export_is_a_formula(formula):
    lines = [AuditLine(1, datetime.now(texts.ZONE), formula, formula, formula, formula, {}, formula)]
    cells = list(csv.reader(io.StringIO("".join(_csv(iter(lines))), newline="")))[1]
    assert [cell for cell in cells[1:] if cell] == [f"'{formula}"] * 5


def test_a_long_export_is_sent_in_parts():
    at = datetime.now(texts.ZONE)
    lines = (AuditLine(number, at + timedelta(seconds=number), "a", "b", "c", "d") for number in range(1_600))
    parts = list(_csv(lines))
    assert len(parts) == 4
    assert "".join(parts).count("\r\n") == 1_601
