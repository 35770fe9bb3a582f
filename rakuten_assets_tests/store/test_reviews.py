"""The review queue: the right order, one product a person, and judgements that are kept."""

import threading

import pytest

from rakuten_assets.store.records import AuditFilter, ProductFilter
from rakuten_assets.store.tables import Claim, ProductRow
from rakuten_assets_tests.store.test_accounts import refusal


@pytest.fixture(autouse=True)
def empty_queue(store):
    """What other tests have left in the queue."""
    from sqlalchemy import delete, update

    with store.reviews._transaction() as session:
        session.execute(delete(Claim))
        session.execute(update(ProductRow).values(review_priority=None))


@pytest.fixture
def unsure(seller, classified):
    def make(confidence=0.4, **said):
        return classified(seller, confidence=confidence, review="low_confidence", **said)

    return make


def test_the_least_certain_comes_first_and_a_contradiction_before_it(store, admin, seller, unsure, classified):
    vague, vaguer = unsure(0.6), unsure(0.2)
    contradicted = store.products.decide(seller, classified(seller).id, 10)
    assert [item.product.id for item in store.reviews.queue(admin).items] == [contradicted.id, vaguer.id, vague.id]


def test_the_rarer_category_comes_first_where_both_are_as_uncertain(store, admin, seller, unsure, classified):
    for _ in range(6):
        classified(seller, code=40)
    store.outbox._counts = (float("-inf"), {})
    common, rare = unsure(0.5, code=40), unsure(0.5, code=2220)
    assert [item.product.id for item in store.reviews.queue(admin).items] == [rare.id, common.id]


def test_pages_of_the_queue_follow_each_other(store, admin, unsure):
    made = [unsure(0.2 + n / 20).id for n in range(5)]
    first = store.reviews.queue(admin, size=2)
    second = store.reviews.queue(admin, cursor=first.next, size=2)
    assert [item.product.id for page in (first, second) for item in page.items] == made[:4]
    assert [item.product.id for item in store.reviews.queue(admin, cursor=second.previous, size=2).items] == made[:2]


def test_two_administrators_never_get_the_same_product(store, person, unsure):
    made = {unsure().id for _ in range(6)}
    admins, got = [person("admin") for _ in range(6)], []
    threads = [threading.Thread(target=lambda a=a: got.append(store.reviews.next(a).product.id)) for a in admins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(made)


def test_who_holds_a_product_gets_it_again_and_others_do_not(store, person, unsure):
    product, (one, two) = unsure(), (person("admin"), person("admin"))
    assert store.reviews.next(one).product.id == store.reviews.next(one).product.id == product.id
    assert store.reviews.next(two) is None
    for verb, extra in ((store.reviews.accept, []), (store.reviews.reject, ["no"]), (store.reviews.claim, [])):
        told = refusal(verb, two, product.id, *extra)
        assert (told.code, told.params) == ("claimed", {"by": one.name})
    [item] = store.reviews.queue(two).items
    assert item.claimed_by == one.name
    store.reviews.release(one, product.id)
    assert store.reviews.next(two).product.id == product.id


def test_an_old_claim_counts_for_nothing(store, person, unsure):
    product, (one, two) = unsure(), (person("admin"), person("admin"))
    store.reviews.claim(one, product.id)
    from datetime import UTC, datetime

    from sqlalchemy import update

    with store.reviews._transaction() as session:
        session.execute(update(Claim).values(until=datetime.now(UTC)))
    assert store.reviews.next(two).product.id == product.id


def test_accept_fix_and_reject_are_kept_with_who_and_why(store, seller, admin, unsure):
    stands, wrong, bad = unsure(), unsure(), unsure()
    assert store.reviews.accept(admin, stands.id).category == 2583
    assert store.reviews.accept(admin, wrong.id, 10, "un livre").category == 10
    assert store.reviews.reject(admin, bad.id, "photo illisible").reason == "photo illisible"
    said = [store.products.history(seller, each.id)[1][0] for each in (stands, wrong, bad)]
    assert [(each.action, each.before, each.after, each.reason, each.role) for each in said] == [
        ("accept", 2583, 2583, "", "admin"),
        ("fix", 2583, 10, "un livre", "admin"),
        ("reject", 2583, None, "photo illisible", "admin"),
    ]
    assert store.reviews.queue(admin).items == []
    assert refusal(store.products.decide, seller, stands.id, 10).code == "already_decided"
    assert refusal(store.reviews.reject, admin, bad.id, " ").code == "reason_needed"


def test_a_skipped_product_is_left_to_others(store, person, unsure):
    product, (one, two) = unsure(), (person("admin"), person("admin"))
    store.reviews.next(one)
    store.reviews.skip(one, product.id)
    assert store.reviews.next(one) is None
    assert store.reviews.next(two).product.id == product.id


def test_a_category_is_changed_whatever_was_decided(store, seller, admin, unsure):
    product = store.reviews.accept(admin, unsure().id)
    changed = store.reviews.change_category(admin, product.id, 2705, "livre neuf")
    assert (changed.category, changed.state, changed.decided_by) == (2705, "accepted", "admin")
    [line] = store.audit.page(admin, AuditFilter(action="product_change", subject_id=str(product.id))).items
    assert line.detail == {"before": 2583, "after": 2705}
    assert refusal(store.reviews.change_category, admin, 10**12, 10).code == "product_not_found"
    assert refusal(store.reviews.change_category, admin, product.id, 11).params["allowed"][0] == 10


def test_in_bulk_what_is_refused_keeps_no_other_back(store, seller, person, admin, unsure):
    free, held, gone = unsure(), unsure(), unsure()
    store.reviews.claim(person("admin"), held.id)
    store.products.withdraw(seller, gone.id)
    result = store.reviews.bulk(admin, [free.id, held.id, gone.id, free.id, 10**12], "fix", 10, "lot")
    assert result.done == 1
    assert list(result.refused) == [(held.id, "claimed"), (gone.id, "withdrawn"), (10**12, "product_not_found")]
    assert store.products.get(seller, free.id).category == 10
    assert refusal(store.reviews.bulk, admin, list(range(501)), "accept").code == "too_many_at_once"


def test_a_filter_narrows_the_queue(store, admin, unsure):
    unsure(code=40)
    wanted = unsure(code=2220)
    assert [item.product.id for item in store.reviews.queue(admin, ProductFilter(category=2220)).items] == [wanted.id]


@pytest.mark.parametrize("verb", ["queue", "next", "claim", "release", "accept", "reject", "skip", "change_category"])
def test_a_seller_reviews_nothing(store, seller, unsure, verb):
    id = unsure().id
    args = {"queue": [], "next": [], "reject": [id, "r"], "change_category": [id, 10]}.get(verb, [id])
    assert refusal(getattr(store.reviews, verb), seller, *args).kind == "forbidden"
    assert refusal(store.reviews.bulk, seller, [id], "accept").kind == "forbidden"


def test_a_contradicted_label_of_a_seller_is_looked_at_first(store, seller, admin, unsure, classified):
    vague, contradicted = unsure(), store.products.decide(seller, classified(seller).id, 2583)
    assert store.reviews.contradicted([contradicted.id]) == 1
    first, second = store.reviews.queue(admin).items
    assert (first.product.id, first.product.review) == (contradicted.id, "contradiction")
    assert (first.product.state, first.product.category) == ("confirmed", 2583)
    assert second.product.id == vague.id
    [line] = store.audit.page(admin, AuditFilter(action="product_contradicted", subject_id=str(contradicted.id))).items
    assert (line.actor, line.subject) == ("system", "product")
    assert store.reviews.accept(admin, contradicted.id, 10).category == 10
    assert [item.product.id for item in store.reviews.queue(admin).items] == [vague.id]


def test_nobody_is_asked_again_of_what_waits_or_an_administrator_has_judged(store, seller, admin, unsure, classified):
    waits = store.products.decide(seller, classified(seller).id, 10)
    judged, undecided = store.reviews.accept(admin, unsure().id), classified(seller)
    assert store.reviews.contradicted([waits.id, judged.id, undecided.id, 10**12]) == 0
    [item] = store.reviews.queue(admin).items
    assert (item.product.id, item.product.review) == (waits.id, "seller_disagrees")
    lines = [
        store.audit.page(admin, AuditFilter(action="product_contradicted", subject_id=str(each.id))).items
        for each in (waits, judged, undecided)
    ]
    assert lines == [[], [], []]


def test_a_contradiction_is_asked_for_once(store, seller, admin, classified):
    made = [store.products.decide(seller, classified(seller).id, 2583).id for _ in range(2)]
    assert store.reviews.contradicted([*made, made[0]]) == 2
    assert store.reviews.contradicted(made) == 0
    assert len(store.reviews.queue(admin).items) == 2


def test_what_its_seller_has_taken_back_contradicts_nothing(store, seller, admin, classified):
    product = store.products.decide(seller, classified(seller).id, 2583)
    store.products.withdraw(seller, product.id)
    assert store.reviews.contradicted([product.id]) == 0
    assert store.reviews.queue(admin).items == []
