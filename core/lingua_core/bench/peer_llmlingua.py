"""llmlingua 0.2.2 in an environment of its own, told what to do in lines of JSON.

Run by path with that environment's python; needs nothing of this package. Each line on stdin is a request,
each line on stdout its answer: {"ok": true, ...} or {"ok": false, "error": "..."}.

    {"do": "load", "folder": "...", "classifier": false, "device": "cpu", "threads": 2}
    {"do": "compress", "documents": ["..."], "question": "...", "settings": {...}}
"""

import importlib
import json
import os
import sys
import traceback
from importlib.metadata import version
from typing import Any

__all__: list[str] = []


class Peer:
    """One compressor at a time."""

    def __init__(self) -> None:
        self.compressor: Any = None

    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        """Load a model, in place of the last one."""
        self.compressor = None
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(request["threads"])
        package: Any = importlib.import_module("llmlingua")
        self.compressor = package.PromptCompressor(
            request["folder"],
            device_map=request["device"],
            model_config={"trust_remote_code": False},
            use_llmlingua2=request["classifier"],
        )
        return {name: version(name) for name in ("llmlingua", "transformers", "torch")}

    def compress(self, request: dict[str, Any]) -> dict[str, Any]:
        """Compress the documents of one prompt."""
        result = self.compressor.compress_prompt(
            request["documents"], question=request["question"], **request["settings"]
        )
        return {
            "origin_tokens": result["origin_tokens"],
            "compressed_tokens": result["compressed_tokens"],
            "text": result["compressed_prompt"],
        }


def main() -> None:
    """Answer requests until there are no more."""
    # What the libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    peer = Peer()
    actions = {"load": peer.load, "compress": peer.compress}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, **actions[request["do"]](request)}
        except Exception as error:  # of any kind, and the asker's to judge
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"line {last.lineno} of {os.path.basename(last.filename)}"
            answer = {"ok": False, "error": f"{type(error).__name__}: {error} ({where})"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
