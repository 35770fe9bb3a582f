"""Refusals: what a caller can mend is a 4xx with a sentence, never a 500."""

from pydantic import ValidationError


class Refused(Exception):
    """A request that is not answered: `status` is HTTP's, `code` a word for programs, `message` a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the answer."""
        if self.status in (408, 413):
            # The rest of the body is not read, so the connection is of no further use.
            return {"Connection": "close"}
        return {"Retry-After": "1"} if self.status in (429, 503) else {}


def sentence(error: ValidationError) -> str:
    """The first thing that is wrong with a body, and how many more there are."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"])
    more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
    return f"{where or 'body'}: {first['msg']}{more}."
