"""Everything that Lingua raises on purpose.

```
LinguaError
├── InputError (also ValueError)          the caller passed something that cannot be used
│   ├── BudgetError                       a budget out of range, or two budgets at once
│   │   └── ProtectedOverBudgetError      what must be kept is larger than the budget
│   ├── MissingQueryError                 the method needs a query and got none
│   └── TokenCounterError                 the token counter does not count
├── UnknownIdError (also ValueError)      an id stands for nothing that was removed, or for several things
├── RemovedStoreError                     a store of what was removed cannot be opened, read or written
├── ModelError                            weights are missing, damaged or do not fit
├── ScorerError                           a scorer broke its protocol
├── LLMError                              a language model's call failed; carries what had arrived
│   ├── LLMConnectionError                could not be reached, or broke off          (worth a retry)
│   ├── LLMTimeoutError (also TimeoutError)   took longer than it was given           (worth a retry)
│   ├── LLMRateLimitError                 too many requests; may say when to return   (worth a retry)
│   ├── LLMServerError                    the server failed                           (worth a retry)
│   ├── LLMRequestError                   the server refused the request
│   ├── LLMResponseError                  the reply is none: malformed, empty, a tool call
│   └── LLMContentFilterError             the reply was withheld
├── AnswerError                           no answer, or half of one; carries what there is
└── MissingDependencyError (also ImportError)   an optional package is not installed
```

Every message says what was given, what was expected and what to do.
"""

from typing import Any, ClassVar

__all__ = [
    "AnswerError",
    "BudgetError",
    "InputError",
    "LLMConnectionError",
    "LLMContentFilterError",
    "LLMError",
    "LLMRateLimitError",
    "LLMRequestError",
    "LLMResponseError",
    "LLMServerError",
    "LLMTimeoutError",
    "LinguaError",
    "MissingDependencyError",
    "MissingQueryError",
    "ModelError",
    "ProtectedOverBudgetError",
    "RemovedStoreError",
    "ScorerError",
    "TokenCounterError",
    "UnknownIdError",
]


class LinguaError(Exception):
    """The root of all errors that Lingua raises on purpose."""


class InputError(LinguaError, ValueError):
    """The caller passed something that cannot be used; raised before any expensive work."""


class BudgetError(InputError):
    """A budget is out of range, or more than one was given."""


class ProtectedOverBudgetError(BudgetError):
    """What must be kept in one piece, or must be kept at all, is larger than the budget."""


class MissingQueryError(InputError):
    """The chosen method needs a query and got none."""


class TokenCounterError(InputError):
    """The token counter is unknown, or returned something that is not a count."""


class UnknownIdError(LinguaError, ValueError):
    """An id stands for nothing that was removed, or for several things."""


class RemovedStoreError(LinguaError):
    """A store of what was removed cannot be opened, read or written."""


class ModelError(LinguaError):
    """Model weights are missing, damaged, or do not fit what was asked for."""


class ScorerError(LinguaError):
    """A scorer returned scores that do not fit the passages that it was given."""


class LLMError(LinguaError):
    """A call to a language model failed.

    Attributes:
        partial: The text that had arrived before.
        retry_after: Seconds after which the server asks to be called again, or None.
        is_transient: Whether the same call may succeed later.
    """

    is_transient: ClassVar[bool] = False

    def __init__(self, message: str, *, partial: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.partial = partial
        self.retry_after = retry_after


class LLMConnectionError(LLMError):
    """The server could not be reached, or the connection broke off."""

    is_transient = True


class LLMTimeoutError(LLMError, TimeoutError):
    """The call took longer than it was given."""

    is_transient = True


class LLMRateLimitError(LLMError):
    """The server has had too many requests."""

    is_transient = True


class LLMServerError(LLMError):
    """The server failed."""

    is_transient = True


class LLMRequestError(LLMError):
    """The server refused the request: a wrong key, an unknown model, too long a prompt."""


class LLMResponseError(LLMError):
    """The reply is no text: malformed, empty, or a tool call that nobody asked for."""


class LLMContentFilterError(LLMError):
    """The reply was withheld by a content filter."""


class AnswerError(LinguaError):
    """A question got no answer, or half of one.

    Attributes:
        answer: The `SkeletonAnswer` with what was produced; None if nothing was.
    """

    def __init__(self, message: str, *, answer: Any = None) -> None:  # noqa: ANN401  # errors know no other module
        super().__init__(message)
        self.answer = answer


class MissingDependencyError(LinguaError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""

    @classmethod
    def for_extra(cls, package: str, *, extra: str, purpose: str) -> "MissingDependencyError":
        """Name the package, what it is needed for, and the pip command that brings it."""
        return cls(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f'Install it with: pip install "lingua-rag[{extra}]"'
        )
