"""Running `lingua` in this process, for the tests of the command line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from lingua_core.cli import app

ROME = "Rome lies on the river Tiber. Dogs bark at night. Cats sleep all day long in the sun."
PARIS = "Paris lies on the river Seine. Bread is baked in the morning. Trains leave every hour."


def lingua(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app(), [str(a) for a in arguments], input=stdin)


def compress(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return lingua("compress", "--method", "lexical", *arguments, stdin=stdin)


def as_json(*arguments: str | Path, stdin: str | bytes | None = None) -> dict[str, Any]:
    result = compress("--json", *arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def ids(found: dict[str, Any]) -> list[str]:
    documents: Sequence[dict[str, Any]] = [*found["documents"], *found["dropped"]]
    return [document["id"] for document in sorted(documents, key=lambda d: d["index"])]
