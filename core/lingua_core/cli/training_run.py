"""What every command that trains needs before it begins, and to show how far it is."""

from importlib import import_module

from lingua_core.errors import MissingDependencyError

__all__ = ["SmoothedLoss", "check_training_packages"]


def check_training_packages(purpose: str, *names: str) -> None:
    """Raise a MissingDependencyError, which names the command that installs it, if a package is missing.

    Args:
        purpose: What the packages are needed for, for the message.
        names: Of the packages; imported in this order.
    """
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            raise MissingDependencyError.for_extra(str(error.name), extra="train", purpose=purpose) from error


class SmoothedLoss:
    """An exponential moving average of the steps' losses, for a progress bar.

    Args:
        smoothing: What the average so far counts, from 0 to 1.
    """

    def __init__(self, smoothing: float) -> None:
        self._smoothing = smoothing
        self.value: float | None = None

    def add(self, loss: float) -> float:
        """Take up a loss; returns the average."""
        earlier = loss if self.value is None else self.value
        self.value = self._smoothing * earlier + (1 - self._smoothing) * loss
        return self.value
