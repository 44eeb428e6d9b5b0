"""Times and memory, measured so that a busy machine does less harm.

What is compared runs in turns, so that a disturbance hits both; medians are reported.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from lingua_core.errors import LinguaError

__all__ = ["Figure", "in_turns", "peak_megabytes", "process_seconds"]

# On Linux a child's ru_maxrss begins at its parent's size, so the kernel's own high-water mark is read.
_PEAK = """
import json, pathlib, re, sys
status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text()).group(1)) * 1024
else:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
sys.stdout.write(json.dumps(peak))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number, and what it is held against.

    Attributes:
        name: What was measured.
        value: The median; None if it could not be measured, as `note` then says.
        unit: Unit of `value` and `reference`.
        reference_name: The peer or floor of the same run; empty if there is none.
        reference: Its median.
        note: How to read it.
    """

    name: str
    value: float | None
    unit: str
    reference_name: str = ""
    reference: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """`value / reference`, or None."""
        return self.value / self.reference if self.reference and self.value is not None else None

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {**asdict(self), "ratio": self.ratio}


def in_turns(actions: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, list[float]]:
    """Seconds of each action, `repeats` times, in turns; one round before is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for round_number in range(repeats + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            if round_number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def process_seconds(
    commands: Mapping[str, Sequence[str]], *, repeats: int, stdin: str = ""
) -> dict[str, float]:
    """Median seconds of whole processes, run in turns.

    Raises:
        LinguaError: If a command fails.
    """

    def runner(command: Sequence[str]) -> Callable[[], object]:
        return lambda: _run(command, stdin)

    times = in_turns({name: runner(command) for name, command in commands.items()}, repeats=repeats)
    return {name: statistics.median(values) for name, values in times.items()}


def peak_megabytes(code: str) -> float:
    """Peak resident memory of a fresh Python process that runs `code`, in MB (10^6 bytes).

    Raises:
        LinguaError: If the code fails, or the platform does not tell.
    """
    return float(json.loads(_run([sys.executable, "-c", code + _PEAK], ""))) / 1e6


def _run(command: Sequence[str], stdin: str) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, encoding="utf-8")
    if done.returncode:
        raise LinguaError(f"{' '.join(command)[:200]!r} failed with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout
