"""Everything that Lingua raises on purpose.

```
LinguaError
├── InputError (also ValueError)          the caller passed something that cannot be used
│   ├── BudgetError                       a budget out of range, or two budgets at once
│   │   └── ProtectedOverBudgetError      what must be kept is larger than the budget
│   ├── MissingQueryError                 the method needs a query and got none
│   └── TokenCounterError                 the token counter does not count
├── ModelError                            weights are missing, damaged or do not fit
├── ScorerError                           a scorer broke its protocol
└── MissingDependencyError (also ImportError)   an optional package is not installed
```

Every message says what was given, what was expected and what to do.
"""

__all__ = [
    "BudgetError",
    "InputError",
    "LinguaError",
    "MissingDependencyError",
    "MissingQueryError",
    "ModelError",
    "ProtectedOverBudgetError",
    "ScorerError",
    "TokenCounterError",
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


class ModelError(LinguaError):
    """Model weights are missing, damaged, or do not fit what was asked for."""


class ScorerError(LinguaError):
    """A scorer returned scores that do not fit the passages that it was given."""


class MissingDependencyError(LinguaError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""

    @classmethod
    def for_extra(cls, package: str, *, extra: str, purpose: str) -> "MissingDependencyError":
        """Name the package, what it is needed for, and the pip command that brings it."""
        return cls(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f'Install it with: pip install "lingua-rag[{extra}]"'
        )
