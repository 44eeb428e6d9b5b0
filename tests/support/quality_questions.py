"""Small questions with labels, for the tests of `lingua bench quality`."""

import gzip
import json
from pathlib import Path
from typing import Any

COLOURS = [("fox", "red"), ("crow", "black"), ("swan", "white"), ("frog", "green")]


def colour_record(animal: str, colour: str, number: int) -> dict[str, Any]:
    return {
        "id": f"q{number}",
        "question": f"What colour is the {animal}?",
        "passages": [
            {"title": animal, "text": f"Rain fell all day. The {animal} is {colour}. Nobody came to see it."}
        ],
        "answers": [colour],
        "gold": [0],
        "evidence_sentences": [[0, 19, 19 + len(f"The {animal} is {colour}.")]],
    }


RECORDS = [colour_record(animal, colour, n) for n, (animal, colour) in enumerate(COLOURS)]


def write_records(path: Path, records: list[Any]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path
