"""What a seller may do, and what becomes of a product."""

import threading

import pytest

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import AuditFilter, ProductFilter
from rakuten_assets.store.store import Store
from rakuten_assets_tests.store.conftest import answer, draft, job_of
from rakuten_assets_tests.store.test_accounts import refusal


def test_a_submission_is_stored_with_its_work_and_its_audit_line(store, seller, admin):
    product = store.products.submit(seller, draft(), "first")
    assert (product.state, product.revision, product.seller) == ("waiting", 1, seller.name)
    assert job_of(store, product.id).draft == draft()
    [line] = store.audit.page(admin, AuditFilter(subject="product", subject_id=str(product.id))).items
    assert (line.action, line.actor, line.detail) == ("product_submitted", seller.email, {"picture": True})


def test_the_same_key_again_is_the_same_product(store, seller, person):
    first = store.products.submit(seller, draft(), "again")
    assert store.products.submit(seller, draft("Autre titre"), "again") == first
    assert store.products.submit(person(), draft(), "again").id != first.id


def test_the_same_key_at_the_same_time_is_one_product(store, seller):
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(store.products.submit(seller, draft(), "race").id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"designation": "   "}, "title_missing"),
        ({"image": None}, "image_missing"),
        ({"image": "b" * 64}, "image_unknown"),
        ({"designation": "x" * 10_001}, "text_too_long"),
        ({"description": "x" * 100_001}, "text_too_long"),
        ({"designation": "nul\0"}, "bad_text"),
        ({"description": "lone \ud800"}, "bad_text"),
        ({"reference": "x" * 101}, "text_too_long"),
    ],
)
def test_what_cannot_be_classified_is_refused_and_not_stored(store, seller, changes, code):
    assert refusal(store.products.submit, seller, draft(**changes), f"bad {changes}"[:90]).code == code
    assert store.products.list(seller).items == []


def test_a_setting_allows_text_alone(store, seller):
    other = Store(store._engine.url.render_as_string(hide_password=False), text_only=True)
    assert other.products.submit(seller, draft(image=None), "text").image is None
    other.close()


def test_a_sure_answer_is_proposed_and_an_unsure_one_must_be_confirmed(store, seller, classified):
    sure, unsure = classified(seller), classified(seller, confidence=0.3, review="low_confidence")
    assert (sure.state, sure.category, sure.confidence, sure.decided_by) == ("proposed", 2583, 0.9, "")
    assert not sure.waiting_for_review
    assert (unsure.state, unsure.review, unsure.waiting_for_review) == ("to_confirm", "low_confidence", True)
    assert [each.code for each in unsure.prediction.candidates] == [2583, 10, 2585]


def test_a_seller_confirms_or_chooses_and_both_are_kept(store, seller, classified):
    product = classified(seller, confidence=0.3, review="low_confidence")
    confirmed = store.products.decide(seller, product.id, 2583)
    assert (confirmed.state, confirmed.decided_by, confirmed.waiting_for_review) == ("confirmed", "seller", False)
    chosen = store.products.decide(seller, product.id, 10)
    assert (chosen.category, chosen.review, chosen.waiting_for_review) == (10, "seller_disagrees", True)
    _, said = store.products.history(seller, product.id)
    assert [(each.action, each.before, each.after, each.by) for each in said] == [
        ("choose", 2583, 10, seller.name),
        ("confirm", 2583, 2583, seller.name),
    ]
    assert said[0].model_version == "0123456789abcdef"


def test_a_category_that_is_none_is_refused_with_those_that_are(store, seller, classified):
    told = refusal(store.products.decide, seller, classified(seller).id, 9999)
    assert (told.code, told.params) == ("category_not_allowed", {"code": 9999, "allowed": list(CODES)})


def test_no_category_fits_goes_to_a_person(store, seller, classified):
    product = store.products.no_category(seller, classified(seller).id, "c'est un vélo")
    assert (product.review, product.category, product.waiting_for_review) == ("category_missing", None, True)


def test_a_rating_is_kept_and_must_be_one(store, seller, classified):
    product = classified(seller)
    assert store.products.rate(seller, product.id, 2, "à côté").rating == 2
    assert refusal(store.products.rate, seller, product.id, 6).code == "bad_rating"
    waiting = store.products.submit(seller, draft(), "not yet")
    assert refusal(store.products.rate, seller, waiting.id, 3).code == "not_classified_yet"


def test_another_text_is_classified_anew_and_another_reference_is_not(store, seller, classified):
    product = classified(seller)
    same = store.products.edit(seller, product.id, draft(product.designation, reference="R-1"), product.revision)
    assert (same.state, same.revision, same.reference) == ("proposed", 1, "R-1")
    edited = store.products.edit(seller, product.id, draft("Livre d'occasion"), product.revision)
    assert (edited.state, edited.revision, edited.category, edited.prediction) == ("waiting", 2, None, None)
    assert job_of(store, product.id).revision == 2
    assert refusal(store.products.edit, seller, product.id, draft("Encore"), 1).code == "changed_meanwhile"


def test_an_answer_for_an_older_text_is_not_taken_for_the_newer(store, seller):
    product = store.products.submit(seller, draft(), "slow")
    old = job_of(store, product.id)
    store.products.edit(seller, product.id, draft("Autre chose"), 1)
    store.outbox.classified(old, answer())
    assert store.products.get(seller, product.id).state == "waiting"
    store.outbox.classified(job_of(store, product.id), answer(code=10))
    assert store.products.get(seller, product.id).category == 10


def test_a_choice_before_the_answer_stays(store, seller):
    product = store.products.submit(seller, draft(), "impatient")
    store.products.decide(seller, product.id, 10)
    store.outbox.classified(job_of(store, product.id), answer(code=2583))
    after = store.products.get(seller, product.id)
    assert (after.state, after.category, after.proposed, after.review) == ("confirmed", 10, 2583, "seller_disagrees")


def test_what_is_withdrawn_is_not_classified_and_not_decided(store, seller):
    product = store.products.submit(seller, draft(), "gone")
    job = job_of(store, product.id)
    store.products.withdraw(seller, product.id)
    assert job_of(store, product.id) is None
    store.outbox.classified(job, answer())
    assert store.products.get(seller, product.id).state == "withdrawn"
    assert refusal(store.products.decide, seller, product.id, 10).code == "withdrawn"
    assert refusal(store.products.edit, seller, product.id, draft("x"), 1).code == "withdrawn"


def test_another_sellers_product_is_not_found_by_any_verb(store, seller, person, classified):
    product, stranger = classified(seller), person()
    verbs = store.products
    for action in (
        lambda: verbs.get(stranger, product.id),
        lambda: verbs.edit(stranger, product.id, draft("mine now"), 1),
        lambda: verbs.withdraw(stranger, product.id),
        lambda: verbs.decide(stranger, product.id, 10),
        lambda: verbs.no_category(stranger, product.id),
        lambda: verbs.rate(stranger, product.id, 5),
        lambda: verbs.history(stranger, product.id),
    ):
        with pytest.raises(Refused) as told:
            action()
        assert (told.value.kind, told.value.code) == ("not_found", "product_not_found")
    assert verbs.many(stranger, [product.id]) == []
    assert verbs.list(stranger).items == []
    assert verbs.get(seller, product.id) == product


@pytest.mark.parametrize("id", [0, -1, 10**18, 2**63])
def test_a_product_that_is_not_there_is_not_found(store, seller, id):
    assert refusal(store.products.get, seller, id).code == "product_not_found"


def test_pages_hold_every_product_once_in_both_directions(store, seller):
    made = [store.products.submit(seller, draft(), f"page {n}").id for n in range(7)][::-1]
    first = store.products.list(seller, size=3)
    second = store.products.list(seller, cursor=first.next, size=3)
    third = store.products.list(seller, cursor=second.next, size=3)
    pages = [[product.id for product in page.items] for page in (first, second, third)]
    assert pages == [made[:3], made[3:6], made[6:]]
    assert (first.previous, third.next, first.total) == (None, None, 7)
    assert [product.id for product in store.products.list(seller, cursor=third.previous, size=3).items] == made[3:6]
    back = store.products.list(seller, cursor=second.previous, size=3)
    assert ([product.id for product in back.items], back.previous) == (made[:3], None)


@pytest.mark.parametrize("cursor", ["x", ">", "<1_2", ">1e999", "'; DROP TABLE products", ">" + "9" * 19])
def test_a_cursor_that_is_none_is_refused(store, seller, cursor):
    assert refusal(store.products.list, seller, cursor=cursor).code == "bad_cursor"


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({"text": "trottinette"}, ["Trottinettes électriques"]),
        ({"text": "%"}, []),
        ({"text": "'; DROP TABLE products; --"}, []),
        ({"states": ["to_confirm"]}, ["Roman policier"]),
        ({"category": 2583}, ["Trottinettes électriques"]),
        ({"review": "low_confidence"}, ["Roman policier"]),
    ],
)
def test_filters_find_what_they_say(store, seller, classified, filter, found):
    classified(seller, "Trottinettes électriques")
    classified(seller, "Roman policier", code=10, confidence=0.4, review="low_confidence")
    assert [product.designation for product in store.products.list(seller, ProductFilter(**filter)).items] == found


def test_a_number_finds_the_product_with_it(store, seller, admin, classified):
    product = classified(seller)
    assert product.id in [each.id for each in store.products.list(admin, ProductFilter(text=str(product.id))).items]


def test_an_administrator_sees_all_and_finds_by_seller(store, seller, admin, classified):
    product = classified(seller)
    assert [each.id for each in store.products.list(admin, ProductFilter(seller=seller.email)).items] == [product.id]


def test_counts_are_the_sellers_own(store, seller, classified):
    classified(seller)
    store.products.submit(seller, draft(), "waits")
    counts = store.products.counts(seller)
    assert (counts["proposed"], counts["waiting"], counts["accepted"]) == (1, 1, 0)
