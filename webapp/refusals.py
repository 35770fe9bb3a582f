"""Refusals that a page says in place, where the person looks, instead of at the foot of the page."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from rakuten_assets.store.errors import Refused

Given = ParamSpec("Given")
Result = TypeVar("Result")


def or_refused(verb: Callable[Given, Result]) -> Callable[Given, Result | Refused]:
    """The verb, with its refusal as its result."""

    @wraps(verb)
    def tried(*args: Given.args, **kwargs: Given.kwargs) -> Result | Refused:
        try:
            return verb(*args, **kwargs)
        except Refused as refused:
            return refused

    return tried
