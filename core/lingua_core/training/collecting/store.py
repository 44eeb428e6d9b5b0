"""What lies on disk of a collection, and how a run takes up what earlier ones left.

- `replies.jsonl`: a record a line. In the order of arrival until the last prompt is through, then in the
  order of the prompts.
- `replies.failures.jsonl`: prompts without a record, and why. Gone when there are none.
- `replies.jsonl.run`: what the collection was made with, then every call before it is made and after it.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from lingua_core.errors import InputError
from lingua_core.training.collecting.journal import Journal, lines_of
from lingua_core.training.collecting.prompts import Prompt
from lingua_core.training.collecting.spending import Tokens

__all__ = ["Earlier", "Failure", "Settings", "Store", "failures_path", "read_earlier"]

Settings = Mapping[str, str | int | float | bool | None]

_FORMAT = 1


def failures_path(out: Path) -> Path:
    """Where the failures of a collection are."""
    return out.with_name(f"{out.stem}.failures.jsonl")


def _run_path(out: Path) -> Path:
    return out.with_name(f"{out.name}.run")


class Failure(NamedTuple):
    """Why a prompt has no record.

    Attributes:
        id: Of the prompt.
        error: The name of the error's class.
        message: Its words.
        attempts: Calls that were made.
        partial: What had arrived of the reply.
    """

    id: str
    error: str
    message: str
    attempts: int
    partial: str = ""


@dataclass(slots=True, kw_only=True)
class Earlier:
    """What earlier runs have left.

    Attributes:
        size: Bytes of the account; 0 if there is none.
        records: Where each record begins, by id.
        keys: Of the prompts that were asked, by id.
        spent: Tokens; calls whose end is unknown at their most.
        replies: Records whose tokens are known, and those tokens.
    """

    size: int = 0
    records: dict[str, int] = field(default_factory=dict[str, int])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    spent: Tokens = field(default_factory=Tokens)
    replies: int = 0
    replies_tokens: int = 0

    @property
    def mean_completion(self) -> float | None:
        """Tokens of a reply."""
        return self.replies_tokens / self.replies if self.replies else None

    def check(self, out: Path, prompts: Sequence[Prompt]) -> None:
        """Raise an `InputError` if an id stands for another prompt than it did."""
        for prompt in prompts:
            if prompt.id in self.records and self.keys.get(prompt.id, prompt.key) != prompt.key:
                raise InputError(
                    f"The id {prompt.id!r} stands for another prompt, or another limit of tokens, in "
                    f"{str(out)!r}. Change the id, or collect into another file."
                )


def read_earlier(out: Path, settings: Settings) -> Earlier:
    """What earlier runs have left of a collection; nothing is changed.

    Args:
        out: The file of records.
        settings: What they must have been made with.

    Raises:
        InputError: If they were made with other settings, or the files are not a collection's.
    """
    run = _run_path(out)
    if out.exists() and not out.is_file():
        raise InputError(f"{str(out)!r} is no regular file; a collection needs one to go on from.")
    lines = _values(run) if run.exists() else iter(())
    header, size = next(lines, (None, 0))
    if header is None:  # there is no account, or its first line was torn
        if out.exists() and out.stat().st_size:
            raise InputError(
                f"{str(out)!r} was not made by a collection, or its {run.name!r} was lost. "
                "Collect into another file, or remove it."
            )
        return Earlier()
    _check_settings(out, header, settings)
    earlier = Earlier(size=size)
    _replay(lines, earlier)
    if out.exists():
        for offset, line in lines_of(out):
            earlier.records[_id_of(out, offset, line)] = offset
    return earlier


def _values(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The objects of a file, with the offset behind each."""
    for offset, line in lines_of(path):
        try:
            value: object = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InputError(f"{str(path)!r} is damaged at byte {offset:,}: {line[:60]!r}.")
        yield cast("dict[str, Any]", value), offset + len(line)


def _check_settings(out: Path, header: Mapping[str, Any], settings: Settings) -> None:
    if header.get("lingua_collection") != _FORMAT:
        raise InputError(f"{str(_run_path(out))!r} is not the account of a collection: {header!r:.80}.")
    made: Mapping[str, Any] = header["settings"]
    other = [
        f"{name} {made.get(name)!r} there, {settings.get(name)!r} here"
        for name in dict.fromkeys([*made, *settings])
        if made.get(name) != settings.get(name)
    ]
    if other:
        raise InputError(
            f"{str(out)!r} was collected with other settings: {'; '.join(other)}. Give those that it was "
            "made with, or collect into another file."
        )


def _replay(lines: Iterable[tuple[Mapping[str, Any], int]], earlier: Earlier) -> None:
    under_way: dict[str, Tokens] = {}
    for line, earlier.size in lines:
        tokens = Tokens(*line["tokens"])
        if (asked := line.get("asked")) is not None:
            # A call that was under way when its run died has cost nobody knows what.
            earlier.spent = earlier.spent.plus(under_way.pop(asked, Tokens()))
            under_way[asked] = tokens
            earlier.keys[asked] = line["key"]
        else:
            under_way.pop(line["ended"], None)
            earlier.spent = earlier.spent.plus(tokens)
            if line.get("answered"):
                earlier.replies += 1
                earlier.replies_tokens += tokens.completion or 0
    for tokens in under_way.values():
        earlier.spent = earlier.spent.plus(Tokens(tokens.prompt, tokens.completion or 0))


def _id_of(out: Path, offset: int, line: bytes) -> str:
    try:
        return cast("dict[str, str]", json.loads(line))["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{str(out)!r} is damaged at byte {offset:,}: {line[:60]!r} is no record. "
            "Remove that line; its prompt is then asked again."
        ) from error


class Store:
    """The files of a collection, open for one run.

    Args:
        out: The file of records; its folder is made if missing.
        earlier: What `read_earlier` found.
        settings: What the collection is made with.

    Raises:
        InputError: If another run has them open.
        OSError: If a file cannot be written.
    """

    def __init__(self, out: Path, earlier: Earlier, settings: Settings) -> None:
        self.out = out
        self.records = dict(earlier.records)
        self._failures: Journal | None = None
        out.parent.mkdir(parents=True, exist_ok=True)
        self._run = Journal(_run_path(out), exclusive=True)
        try:
            if self._run.size != earlier.size:
                raise InputError(f"Another run has collected into {str(out)!r} meanwhile. Try again.")
            if not earlier.size:
                self._run.append({"lingua_collection": _FORMAT, "settings": dict(settings)})
            self._out = Journal(out)
        except BaseException:
            self._run.close()
            raise

    def asked(self, prompt: Prompt, most: Tokens) -> None:
        """Note a call that is about to be made."""
        self._run.append({"asked": prompt.id, "key": prompt.key, "tokens": most})

    def answered(self, prompt: Prompt, record: Mapping[str, Any], spent: Tokens) -> None:
        """Keep a record."""
        self.records[prompt.id] = self._out.append(record)
        self._run.append({"ended": prompt.id, "tokens": spent, "answered": True})

    def ended(self, prompt: Prompt, spent: Tokens) -> None:
        """Note a call that brought no record."""
        self._run.append({"ended": prompt.id, "tokens": spent})

    def failed(self, failure: Failure) -> None:
        """Keep the reason why a prompt is given up for this run."""
        if self._failures is None:
            self._failures = Journal(failures_path(self.out))
        self._failures.append(failure._asdict())

    def close(self, order: Sequence[str] | None = None) -> None:
        """Force everything to the disk, and let go of the files.

        Args:
            order: Sort the records by these ids, others behind them, and of failures keep the last of each
                prompt that has no record. Either file is replaced as a whole, or stays as it is.

        Raises:
            OSError: If the disk does not take it, or has no room for a copy.
        """
        with contextlib.ExitStack() as last:
            last.callback(self._run.close)  # the others' lock as well
            if order is not None:
                last.callback(self._put_in_order, order)
            last.callback(self._out.close)
            if self._failures is not None:
                last.callback(self._failures.close)

    def _put_in_order(self, ids: Sequence[str]) -> None:
        rank = {one: at for at, one in enumerate(ids)}
        order = sorted(self.records, key=lambda one: (rank.get(one, len(rank)), one))
        offsets = [self.records[one] for one in order]
        if offsets != sorted(offsets):
            _rewrite(self.out, offsets)
        path = failures_path(self.out)
        if not path.exists():
            return
        last = {json.loads(line)["id"]: offset for offset, line in lines_of(path)}
        missing = [one for one in ids if one in last and one not in self.records]
        if missing:
            _rewrite(path, [last[one] for one in missing])
        else:
            path.unlink()


def _rewrite(path: Path, offsets: Sequence[int]) -> None:
    """Replace a file by the lines at these offsets."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with path.open("rb") as source, unfinished.open("wb") as target:
            for offset in offsets:
                source.seek(offset)
                target.write(source.readline())
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
