"""Sellers and reviewers who go through the web app's API, and err as often as they are told to."""

import secrets
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import httpx

from rakuten_assets.core.simulate import Offer
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.records import SYSTEM, Role
from rakuten_assets.store.store import Store

# Of its products, a seller says of so many what they are; the others are left as the model proposed.
ANSWERED = 0.8


class People:
    """`sellers` and `reviewers`, each with an account and a token of the API at `url`."""

    def __init__(self, url: str, store: Store, sellers: int, reviewers: int, error_rate: float, seed: int) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        self._rng, self._error_rate = Random(f"{seed}/people"), error_rate
        self._sellers = [self._join(store, "seller", number) for number in range(sellers)]
        self._reviewers = [self._join(store, "admin", number) for number in range(reviewers)]

    def submit(self, offer: Offer, number: int, key: str) -> int:
        """One product, by the seller whose turn it is; the result is its id."""
        draft = {"designation": offer.designation, "description": offer.description}
        headers = self._seller(number) | {"Idempotency-Key": key}
        if picture := offer.picture():
            files = {"image": ("picture.jpg", picture, "image/jpeg")}
            answer = self._http.post("/products", headers=headers, data=draft, files=files)
        else:
            answer = self._http.post("/products", headers=headers, json=draft)
        return int(_checked(answer)["id"])

    def decide(self, id: int, number: int, truth: int) -> None:
        """Its seller says what it is, or leaves it at that."""
        if self._rng.random() < ANSWERED:
            decision = {"code": self._opinion(truth)}
            _checked(self._http.post(f"/products/{id}/decision", headers=self._seller(number), json=decision))

    def review_queue(self, most: int, truths: Mapping[int, int]) -> int:
        """Reviewers take what is most pressing, in turn; the result is how many there were."""
        for number in range(most):
            reviewer = self._reviewers[number % len(self._reviewers)]
            item = _checked(self._http.post("/review/next", headers=reviewer))
            if not item:
                return number
            self._accept(int(item["product"]["id"]), reviewer, truths)
        return most

    def review_some(self, ids: Sequence[int], most: int, truths: Mapping[int, int]) -> int:
        """Reviewers look at a random part of what nobody asked about."""
        chosen = self._rng.sample(list(ids), min(most, len(ids)))
        for number, id in enumerate(chosen):
            self._accept(id, self._reviewers[number % len(self._reviewers)], truths)
        return len(chosen)

    def close(self) -> None:
        self._http.close()

    def _accept(self, id: int, reviewer: dict[str, str], truths: Mapping[int, int]) -> None:
        judged = {"code": self._opinion(truths[id])}
        _checked(self._http.post(f"/review/{id}/accept", headers=reviewer, json=judged))

    def _opinion(self, truth: int) -> int:
        """What a person thinks that it is."""
        if self._rng.random() >= self._error_rate:
            return truth
        return self._rng.choice([code for code in CODES if code != truth])

    def _seller(self, number: int) -> dict[str, str]:
        return self._sellers[number % len(self._sellers)]

    def _join(self, store: Store, role: Role, number: int) -> dict[str, str]:
        email, password = f"{role}{number}@simulation.example", secrets.token_urlsafe(12)
        store.accounts.create(SYSTEM, email, f"{role.title()} {number + 1}", password, role)
        answer = _checked(self._http.post("/session", json={"email": email, "password": password}))
        return {"Authorization": f"Bearer {answer['token']}"}


def _checked(answer: httpx.Response) -> Any:
    """The answer's JSON; raises RuntimeError with what was said against it."""
    if answer.is_error:
        raise RuntimeError(f"The web app answered {answer.status_code}: {answer.text[:300]}")
    return answer.json() if answer.content else None
