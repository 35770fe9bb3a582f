"""What the store refuses, as a word for programs; the web app has a sentence for each, in each language."""

from typing import Any, Literal

Kind = Literal["unauthenticated", "forbidden", "not_found", "conflict", "invalid", "too_many"]


class Refused(Exception):
    """A request that is not carried out: nothing of it was written.

    `code` names the sentence `error.<code>`, which `params` fill in; `kind` says whose fault it is.
    """

    def __init__(self, kind: Kind, code: str, /, **params: Any) -> None:
        super().__init__(code)
        self.kind, self.code, self.params = kind, code, params

    def __str__(self) -> str:
        return f"{self.code} {self.params}" if self.params else self.code
