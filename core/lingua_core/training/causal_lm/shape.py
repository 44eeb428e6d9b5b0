"""The sizes of a small language model; needs no torch."""

from dataclasses import dataclass, fields

from lingua_core.errors import InputError

__all__ = ["ModelShape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Sizes of a model.

    Attributes:
        vocabulary: Tokens.
        width: Of the states.
        layers: How many.
        heads: Of attention; each is `width / heads` wide.
        inner: Width inside of the feed-forward part.
        theta: Base of the rotary positions' wavelengths.

    Raises:
        InputError: If a size is not positive, or heads do not divide the width into even parts.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int
    theta: float = 10_000.0

    def __post_init__(self) -> None:
        for size in fields(self):
            if getattr(self, size.name) <= 0:
                raise InputError(f"{size.name} must be positive, got {getattr(self, size.name)!r}.")
        if self.width % (2 * self.heads):
            raise InputError(
                f"heads must divide width into even parts, got width={self.width} and heads={self.heads}."
            )

    @property
    def head_width(self) -> int:
        """Width of a head."""
        return self.width // self.heads

    @property
    def parameters(self) -> int:
        """Numbers that are learnt."""
        layer = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        return self.vocabulary * self.width + self.layers * layer + self.width
