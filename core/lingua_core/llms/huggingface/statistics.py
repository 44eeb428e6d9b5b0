"""What decoding did and how long it took."""

from dataclasses import dataclass

__all__ = ["DecodingStatistics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingStatistics:
    """Counts and times since a model was loaded.

    Attributes:
        steps: Forward passes that wrote one token for every row of the batch.
        written_tokens: Tokens written.
        read_tokens: Prompt tokens that went through the model before a row's first step.
        reused_tokens: Prompt tokens whose keys and values were copied from another row instead.
        padding_tokens: Positions of prompts that were computed for nothing, since rows differ in length.
        read_seconds: Time for reading prompts.
        write_seconds: Time for the steps.
        most_rows: Rows of the largest batch.
        out_of_memory: How often memory ran out; the batch was halved each time, for good.
    """

    steps: int = 0
    written_tokens: int = 0
    read_tokens: int = 0
    reused_tokens: int = 0
    padding_tokens: int = 0
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    most_rows: int = 0
    out_of_memory: int = 0

    def __add__(self, other: "DecodingStatistics") -> "DecodingStatistics":
        """Both together: sums, and the larger of the largest batches."""
        return DecodingStatistics(
            steps=self.steps + other.steps,
            written_tokens=self.written_tokens + other.written_tokens,
            read_tokens=self.read_tokens + other.read_tokens,
            reused_tokens=self.reused_tokens + other.reused_tokens,
            padding_tokens=self.padding_tokens + other.padding_tokens,
            read_seconds=self.read_seconds + other.read_seconds,
            write_seconds=self.write_seconds + other.write_seconds,
            most_rows=max(self.most_rows, other.most_rows),
            out_of_memory=self.out_of_memory + other.out_of_memory,
        )
