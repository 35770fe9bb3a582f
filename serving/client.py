"""A typed client of the prediction service.

>>> from serving.client import Client
>>> Client("http://127.0.0.1:3001").predict("Piscine ronde", "Avec échelle").categories[0].name  # doctest: +SKIP
'Autour de la piscine'
"""

import base64
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from opentelemetry.context import Context, get_current
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, TypeAdapter

from rakuten_assets import telemetry
from serving import schemas

# How often a service that has too much to do is asked again, each time after the pause that it asks for.
PATIENCE = 2

Answer = TypeVar("Answer", bound=BaseModel)

Heard = Callable[[str, str, float], None]
"""Told the path of each call, what came of it (ok, refused or unavailable), and how long it took in seconds."""


class ServiceRefused(Exception):
    """The service refused the request: `code` is a word for programs, the text a sentence for people."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class ServiceUnavailable(Exception):
    """The service cannot be reached, is not ready, or failed: the same request may succeed later."""


class Client:
    """One connection pool to one service. `token` is needed for what changes the deployment."""

    def __init__(self, url: str, token: str | None = None, timeout: float = 30, heard: Heard = lambda *_: None) -> None:
        """`timeout` is in seconds, for each request."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A connection that the service has just closed is opened anew; the request itself is sent once.
        transport = httpx.HTTPTransport(retries=1)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._url, self._heard = url, heard

    def predict(
        self, designation: str = "", description: str = "", image: bytes | None = None, top: int = 5
    ) -> schemas.Prediction:
        """The likeliest categories of one product; `image` is the picture's bytes."""
        return self._post("/predict", schemas.Prediction, {**_product(designation, description, image), "top": top})

    def predict_batch(
        self,
        products: Sequence[tuple[str, str, bytes | None]],
        top: int = 5,
        origins: Sequence[tuple[str, Context]] = (),
    ) -> list[schemas.ItemPrediction | schemas.ItemError]:
        """An answer, or why there is none, for each of at most 64 (designation, description, image).

        `origins`, where there are any, are the request's id and the trace that each product belongs to.
        """
        body: dict[str, Any] = {"products": [_product(*each) for each in products], "top": top}
        contexts = [context for _, context in origins] or [get_current()]
        with telemetry.spans("POST /predict_batch", SpanKind.CLIENT, contexts) as spans:
            if origins:
                body["origins"] = [
                    {"request_id": id, "traceparent": telemetry.traceparent(telemetry.within(span))}
                    for (id, _), span in zip(origins, spans, strict=True)
                ]
            # The request itself is a part of the first trace alone: a header names one.
            with telemetry.request(origins[0][0] if origins else telemetry.REQUEST.get(), spans[0]):
                answer = self._exchange("POST", "/predict_batch", json=body)
        return schemas.BatchPrediction.model_validate(answer).predictions

    def explain(
        self, designation: str = "", description: str = "", image: bytes | None = None, code: int | None = None
    ) -> schemas.Explanation:
        """Which words and regions of the picture carried the decision, or speak for category `code`."""
        return self._post("/explain", schemas.Explanation, {**_product(designation, description, image), "code": code})

    def similar(
        self, designation: str = "", description: str = "", image: bytes | None = None, count: int = 5
    ) -> list[schemas.SimilarProduct]:
        """The nearest known products, the nearest first."""
        body = {**_product(designation, description, image), "count": count}
        return self._post("/similar", schemas.SimilarProducts, body).products

    def submit(self, products: Sequence[tuple[str, str, bytes | None]], top: int = 5) -> str:
        """Hand in at most 10,000 products to be classified in the background; the result is the task's id."""
        body = {"products": [_product(*each) for each in products], "top": top}
        return str(self._answer("POST", "/predict_many/submit", json=body)["task_id"])

    def result(self, task: str) -> list[schemas.ItemPrediction | schemas.ItemError] | None:
        """The answers of a task; None while it is under way."""
        status = self._answer("GET", "/predict_many/status", params={"task_id": task})["status"]
        if status == "in_progress":
            return None
        answer = self._answer("GET", "/predict_many/get", params={"task_id": task})
        return TypeAdapter(schemas.TaskResult).validate_python(answer).predictions

    def model(self) -> schemas.ModelInfo:
        """Which model answers."""
        return schemas.ModelInfo.model_validate(self._answer("GET", "/model"))

    def ready(self) -> bool:
        """Whether a model is loaded; False also where the service cannot be reached."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def deployment(self) -> schemas.DeploymentReport:
        """Which models are to answer, and what each worker has made of it."""
        return schemas.DeploymentReport.model_validate(self._answer("GET", "/admin/deployment"))

    def deploy(self, version: str, timeout: float = 150) -> schemas.DeploymentReport:
        """Let `version` answer; returns when every worker has it."""
        return self._post("/admin/champion", schemas.DeploymentReport, {"version": version}, timeout)

    def challenge(self, version: str, mode: str = "shadow", share: float = 0.1) -> schemas.DeploymentReport:
        """Let a challenger listen (`shadow`), or answer a share of the products (`canary`)."""
        body = {"version": version, "mode": mode, "share": share}
        return self._post("/admin/challenger", schemas.DeploymentReport, body, 150)

    def stop_challenge(self) -> schemas.DeploymentReport:
        """End the challenger."""
        return schemas.DeploymentReport.model_validate(self._answer("DELETE", "/admin/challenger", timeout=150))

    def rollback(self) -> schemas.DeploymentReport:
        """Let the model answer that answered before."""
        return self._post("/admin/rollback", schemas.DeploymentReport, {}, 150)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, path: str, model: type[Answer], body: dict[str, Any], timeout: float | None = None) -> Answer:
        options = {} if timeout is None else {"timeout": timeout}
        return model.model_validate(self._answer("POST", path, json=body, **options))

    def _answer(self, method: str, path: str, **options: Any) -> Any:
        with telemetry.span(f"{method} {path}", SpanKind.CLIENT):
            return self._exchange(method, path, **options)

    def _exchange(self, method: str, path: str, **options: Any) -> Any:
        """What came of it is told to whoever counts."""
        start, outcome = time.perf_counter(), "unavailable"
        try:
            answer = self._said(method, path, **options)
            outcome = "ok"
            return answer
        except ServiceRefused:
            outcome = "refused"
            raise
        finally:
            self._heard(path, outcome, time.perf_counter() - start)

    def _said(self, method: str, path: str, **options: Any) -> Any:
        response = self._sent(method, path, **options)
        for _ in range(PATIENCE):
            if response.status_code == 429:
                time.sleep(float(response.headers.get("retry-after", 1)))
                response = self._sent(method, path, **options)
        if response.status_code >= 500:
            raise ServiceUnavailable(f"The prediction service at {self._url} cannot answer: {_said(response)[1]}")
        if response.status_code >= 400:
            raise ServiceRefused(*_said(response), response.status_code)
        return response.json()

    def _sent(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, headers=telemetry.headers(), **options)
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"The prediction service at {self._url} does not answer: {error}") from error


def _product(designation: str, description: str, image: bytes | None) -> dict[str, Any]:
    encoded = base64.b64encode(image).decode() if image is not None else None
    return {"designation": designation, "description": description, "image": encoded}


def _said(response: httpx.Response) -> tuple[str, str]:
    """The word and the sentence of a refusal."""
    try:
        body = response.json()
        return str(body.get("code", "refused")), str(body["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "refused", f"HTTP {response.status_code}"
