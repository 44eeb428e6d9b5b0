"""Learning from a teacher's likeliest tokens: the divergence, its targets, tiny models that learn by it."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from lingua_core import InputError
from lingua_core.training.alignment.divergence import kl_divergence
from lingua_core.training.alignment.sparse_targets import PADDING, SparseTargets
from lingua_core.training.alignment.teacher_tokens import Candidate, TeacherPosition
from lingua_core.training.alignment.token_bytes import TokenBytes
from lingua_core.training.alignment.vocabulary import MappedDistribution, VocabularyMap
from lingua_core.training.causal_lm.model import CausalTransformer
from lingua_core.training.causal_lm.shape import ModelShape
from lingua_core.training.causal_lm.tokenizer import make_tokenizer

VOCABULARY = 12


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other over tensors of this size take longer than the sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def top_of(logits: Tensor, k: int, positions: Sequence[int] | None = None) -> SparseTargets:
    """The likeliest tokens of a dense distribution, as a teacher lists them."""
    dense = torch.log_softmax(logits.double(), dim=1)
    log_probs, ids = dense.topk(k, dim=1)
    return SparseTargets(
        positions=torch.arange(len(logits)) if positions is None else torch.tensor(positions),
        ids=ids,
        log_probs=log_probs.float(),
        rest=(1 - log_probs.exp().sum(1)).clamp(min=0).float(),
    )


def dense_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    student, teacher = (torch.log_softmax(logits, dim=1) for logits in (student, teacher))
    return functional.kl_div(student, teacher, log_target=True, reduction="none").sum(1)


def gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    loss(logits).backward()
    assert logits.grad is not None
    return logits.grad


def mapped(position: int, shares: dict[int, float], rest: float = 0.0, unmapped: float = 0.0) -> Any:
    return MappedDistribution(
        position=position,
        ids=tuple(shares),
        probabilities=tuple(shares.values()),
        rest=rest,
        unmapped=unmapped,
        is_inside=False,
    )


# --- the divergence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_over_the_whole_vocabulary_it_is_the_dense_divergence(temperature: float) -> None:
    student, teacher = seeded(7, VOCABULARY), seeded(7, VOCABULARY, seed=1)
    targets = top_of(teacher, VOCABULARY)

    def sparse(logits: Tensor) -> Tensor:
        return kl_divergence(logits, targets, temperature=temperature, reduction="sum")

    def dense(logits: Tensor) -> Tensor:
        return dense_divergence(logits / temperature, teacher / temperature).sum() * temperature**2

    assert sparse(student).item() == pytest.approx(dense(student).item(), rel=1e-5)
    torch.testing.assert_close(gradient(sparse, student), gradient(dense, student), atol=1e-5, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, VOCABULARY - 1), st.floats(0.1, 6))
def test_value_and_gradient_are_those_of_the_formula(seed: int, k: int, scale: float) -> None:
    student, teacher = seeded(3, VOCABULARY, seed=seed), seeded(3, VOCABULARY, seed=seed + 1, scale=scale)
    targets = top_of(teacher, k)
    p, q = torch.softmax(student.double(), 1), torch.softmax(teacher.double(), 1)
    listed = torch.zeros_like(p, dtype=torch.bool).scatter(1, targets.ids, True)
    p_rest, q_rest = (x.masked_fill(listed, 0).sum(1, keepdim=True) for x in (p, q))
    expected = (q * (q / p).log()).masked_fill(~listed, 0).sum(1) + (q_rest * (q_rest / p_rest).log())[:, 0]
    values = kl_divergence(student, targets, reduction="none")
    torch.testing.assert_close(values.double(), expected, atol=2e-5, rtol=1e-3)
    assert (values >= -1e-5).all()
    # Never more than over the whole vocabulary: what is put together cannot be told apart.
    assert (values <= dense_divergence(student, teacher) + 1e-4).all()
    # d/dz_i = p_i - q_i for what is listed, p_i - q_rest p_i / p_rest for the others.
    slope = gradient(partial(kl_divergence, targets=targets, reduction="sum"), student)
    torch.testing.assert_close(
        slope.double(), p - torch.where(listed, q, q_rest * p / p_rest), atol=2e-5, rtol=1e-3
    )


@pytest.mark.parametrize("k", [1, 4, VOCABULARY])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_it_is_nothing_where_both_are_equal(k: int, temperature: float) -> None:
    logits = seeded(5, VOCABULARY)
    loss = partial(kl_divergence, targets=top_of(logits, k), temperature=temperature)
    assert loss(logits).item() == pytest.approx(0, abs=1e-6)
    assert gradient(loss, logits).abs().max() < 1e-6


def test_a_small_rest_keeps_its_value_and_gradient() -> None:
    # The student's rest is e^-40: 1 minus the sum of the others is 0 in float32, and its logarithm none.
    student = torch.tensor([[0.0, 0.0, -40.0, -41.0]])
    targets = SparseTargets(
        positions=torch.tensor([0]),
        ids=torch.tensor([[0, 1]]),
        log_probs=torch.tensor([[0.49, 0.49]]).log(),
        rest=torch.tensor([0.02]),
    )
    p_rest = (math.exp(-40) + math.exp(-41)) / 2
    expected = 0.98 * math.log(0.49 / 0.5) + 0.02 * math.log(0.02 / p_rest)
    assert kl_divergence(student, targets).item() == pytest.approx(expected, rel=1e-5)
    slope = gradient(partial(kl_divergence, targets=targets), student)[0]
    shares = torch.softmax(torch.tensor([-40.0, -41.0]), 0)
    torch.testing.assert_close(slope, torch.cat([torch.tensor([0.01, 0.01]), -0.02 * shares]))


def test_padding_and_the_order_of_tokens_change_nothing() -> None:
    student = seeded(1, VOCABULARY)
    rows = [
        ([3, 7], [0.5, 0.3], 0.2),
        ([7, 3, PADDING, PADDING], [0.3, 0.5, 0.0, 0.0], 0.2),
    ]
    values = [
        kl_divergence(
            student,
            SparseTargets(
                positions=torch.tensor([0]),
                ids=torch.tensor([ids]),
                log_probs=torch.tensor([shares]).log(),
                rest=torch.tensor([rest]),
            ),
        )
        for ids, shares, rest in rows
    ]
    torch.testing.assert_close(values[0], values[1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_computed_with_in_float32(dtype: torch.dtype) -> None:
    student = seeded(6, 50).to(dtype)
    loss = partial(kl_divergence, targets=top_of(seeded(6, 50, seed=1), 8))
    assert loss(student).dtype == torch.float32
    assert loss(student).item() == loss(student.float()).item()
    slope = gradient(loss, student)
    assert slope.dtype == dtype
    torch.testing.assert_close(slope.float(), gradient(loss, student.float()), atol=1e-3, rtol=1e-2)


def test_values_are_of_the_rows_that_have_targets_and_reduce_as_asked() -> None:
    student = seeded(9, VOCABULARY)
    targets = top_of(seeded(3, VOCABULARY, seed=1), 4, positions=[7, 0, 4])
    values = kl_divergence(student, targets, reduction="none")
    for row, position in enumerate([7, 0, 4]):
        alone = top_of(seeded(3, VOCABULARY, seed=1)[row : row + 1], 4)
        torch.testing.assert_close(values[row], kl_divergence(student[position : position + 1], alone))
    torch.testing.assert_close(kl_divergence(student, targets), values.mean())
    torch.testing.assert_close(kl_divergence(student, targets, reduction="sum"), values.sum())
    slope = gradient(partial(kl_divergence, targets=targets), student)
    assert slope.abs().sum(1).nonzero().squeeze(1).tolist() == [0, 4, 7]


def test_a_batch_without_targets_costs_nothing_and_can_be_learnt_from() -> None:
    student = torch.full((3, VOCABULARY), torch.inf)
    for reduction in ("mean", "sum"):
        loss = partial(kl_divergence, targets=SparseTargets.empty(), reduction=reduction)
        assert loss(student).item() == 0
        assert gradient(loss, student).abs().sum() == 0
    assert kl_divergence(student, SparseTargets.empty(), reduction="none").shape == (0,)


def test_a_rest_beside_the_whole_vocabulary_is_rounding() -> None:
    student = seeded(1, 3)
    targets = SparseTargets(
        positions=torch.tensor([0]),
        ids=torch.tensor([[0, 1, 2]]),
        log_probs=torch.tensor([[0.5, 0.3, 0.2]]).log(),
        rest=torch.tensor([1e-7]),
    )
    loss = partial(kl_divergence, targets=targets)
    assert loss(student).isfinite()
    assert gradient(loss, student).isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"temperature": math.nan}, "temperature must be above 0, got nan"),
        ({"reduction": "average"}, "'mean', 'sum' or 'none', got 'average'"),
        ({"logits": torch.zeros(2, 3, VOCABULARY)}, r"\(rows, vocabulary\), got \(2, 3, 12\)"),
        ({"logits": torch.zeros(2, VOCABULARY)}, r"reach to row 2 and token \d+, the logits have 2 rows"),
        ({"logits": torch.zeros(3, 2)}, "3 rows of 2 tokens. Do first_row and the vocabulary fit"),
    ],
)
def test_what_does_not_fit_is_a_clear_error(change: dict[str, Any], message: str) -> None:
    given_arguments = {"logits": torch.zeros(3, VOCABULARY), "targets": top_of(seeded(3, VOCABULARY), 4)}
    with pytest.raises(InputError, match=message):
        kl_divergence(**{**given_arguments, **change})


# --- targets -----------------------------------------------------------------------------------------


def test_targets_of_answers_are_put_together_moved_and_cut_like_their_batch() -> None:
    one = SparseTargets.from_distributions(
        [mapped(0, {5: 0.6, 2: 0.3}, rest=0.1), mapped(2, {1: 1.0})], first_row=4
    )
    other = SparseTargets.from_distributions([mapped(1, {7: 0.5, 8: 0.2, 9: 0.1}, rest=0.2)], first_row=0)
    whole = SparseTargets.concatenate([one, SparseTargets.empty(), other.shifted(10)])
    assert whole.positions.tolist() == [4, 6, 11]
    assert whole.ids.tolist() == [[5, 2, PADDING], [1, PADDING, PADDING], [7, 8, 9]]
    assert whole.rest.tolist() == pytest.approx([0.1, 0, 0.2])
    student = seeded(12, VOCABULARY)
    parts = [
        kl_divergence(student[a:b], whole.between(a, b), reduction="sum")
        for a, b in ((0, 5), (5, 6), (6, 12))
    ]
    torch.testing.assert_close(sum(parts), kl_divergence(student, whole, reduction="sum"))
    assert len(whole.between(5, 6)) == 0
    assert len(SparseTargets.concatenate([])) == 0
    torch.testing.assert_close(whole.to("cpu").log_probs, whole.log_probs)


def test_what_could_not_be_mapped_is_left_out_and_the_remainder_scaled() -> None:
    found = SparseTargets.from_distributions(
        [
            mapped(0, {5: 0.4, 2: 0.2}, rest=0.2, unmapped=0.2),
            mapped(1, {5: 0.3}, rest=0.1, unmapped=0.6),
            mapped(2, {}, rest=1.0),
            mapped(3, {5: 0.0}, rest=1.0),
        ],
        first_row=0,
    )
    assert found.positions.tolist() == [0]
    torch.testing.assert_close(found.log_probs.exp(), torch.tensor([[0.5, 0.25]]))
    assert found.rest.tolist() == [0.25]
    assert len(SparseTargets.from_distributions([mapped(0, {}, rest=1.0)], first_row=0)) == 0


def test_tokens_beyond_the_most_go_to_the_rest() -> None:
    found = SparseTargets.from_distributions(
        [mapped(0, {5: 0.4, 2: 0.3, 9: 0.2}, rest=0.1)], first_row=0, most=2
    )
    assert found.ids.tolist() == [[5, 2]]
    assert found.rest.tolist() == pytest.approx([0.3])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=9), max_size=5), st.integers(1, 8))
def test_targets_of_any_distributions_are_distributions(rows: list[list[float]], most: int) -> None:
    distributions: list[MappedDistribution] = []
    for position, weights in enumerate(rows):
        rest, unmapped, *shares = (weight / (sum(weights) or 1.0) for weight in weights)
        listed = dict(enumerate(sorted(shares, reverse=True)))
        distributions.append(mapped(position, listed, rest if sum(weights) else 1.0, unmapped))
    found = SparseTargets.from_distributions(distributions, first_row=2, most=most)
    total = found.log_probs.exp().masked_fill(found.ids == PADDING, 0).sum(1) + found.rest
    torch.testing.assert_close(total, torch.ones(len(found)))
    assert kl_divergence(torch.zeros(9, 9), found).isfinite()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": torch.zeros(1, 3, dtype=torch.long)}, r"got the shapes \(1,\), \(1, 3\), \(1, 2\), \(1,\)"),
        ({"ids": torch.tensor([[4, 4]])}, "Row 0 of the targets is no distribution over different tokens"),
        ({"ids": torch.tensor([[PADDING, 4]])}, "at least one token"),
        ({"ids": torch.tensor([[-3, 4]])}, "ids .-3, 4."),
        ({"rest": torch.tensor([0.5])}, "a sum of 1; it is 1.300000"),
        ({"rest": torch.tensor([-0.1])}, "rest -0.1"),
        ({"rest": torch.tensor([math.nan])}, "rest nan"),
    ],
)
def test_targets_that_are_no_distributions_are_a_clear_error(change: dict[str, Tensor], message: str) -> None:
    tensors = {
        "positions": torch.tensor([0]),
        "ids": torch.tensor([[3, 4]]),
        "log_probs": torch.tensor([[0.5, 0.3]]).log(),
        "rest": torch.tensor([0.2]),
    }
    SparseTargets(**tensors)
    with pytest.raises(InputError, match=message):
        SparseTargets(**{**tensors, **change})


@pytest.mark.parametrize("change", [{"first_row": -1}, {"most": 0}, {"most_unmapped": 1.0}])
def test_bad_arguments_of_targets_are_a_clear_error(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="first_row must be at least 0, most at least 1"):
        SparseTargets.from_distributions([], **{"first_row": 0, **change})


# --- optima ------------------------------------------------------------------------------------------


def minimise(
    parameters: Sequence[Tensor], loss: Callable[[], Tensor], *, steps: int = 200, rate: float = 0.1
) -> list[float]:
    """The losses on the way down."""
    optimiser = torch.optim.Adam(parameters, lr=rate)
    slowing = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    found: list[float] = []
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        slowing.step()
        found.append(value.item())
    return [*found, loss().item()]


def test_free_logits_reach_the_teachers_distribution_rest_included() -> None:
    targets = top_of(seeded(4, VOCABULARY, seed=1), 3)
    logits = seeded(4, VOCABULARY, seed=2).requires_grad_()
    losses = minimise([logits], lambda: kl_divergence(logits, targets), rate=0.2)
    assert losses[0] > 0.5
    assert losses[-1] == pytest.approx(0, abs=1e-4)
    shares = torch.softmax(logits.detach(), 1)
    listed = shares.gather(1, targets.ids)
    torch.testing.assert_close(listed, targets.log_probs.exp(), atol=2e-3, rtol=0)
    torch.testing.assert_close(1 - listed.sum(1), targets.rest, atol=2e-3, rtol=0)


def test_one_distribution_for_several_teachers_reaches_their_mean() -> None:
    # Over the same tokens and the rest, the least mean divergence from one p is reached by p = mean(q); it is
    # the entropy of the mean less the mean entropy.
    shares = torch.tensor([[0.7, 0.1], [0.2, 0.5], [0.3, 0.3]])
    rest = 1 - shares.sum(1)
    targets = SparseTargets(
        positions=torch.zeros(3, dtype=torch.long),
        ids=torch.tensor([[4, 9]] * 3),
        log_probs=shares.log(),
        rest=rest,
    )
    outcomes = torch.cat([shares, rest[:, None]], dim=1)
    least = entropy(outcomes.mean(0)) - sum(entropy(row) for row in outcomes) / 3
    logits = seeded(1, VOCABULARY).requires_grad_()
    losses = minimise([logits], lambda: kl_divergence(logits, targets))
    assert losses[-1] == pytest.approx(least, abs=1e-5)
    assert min(losses) >= least - 1e-5
    torch.testing.assert_close(
        torch.softmax(logits, 1)[0, [4, 9]].detach(), shares.mean(0), atol=2e-3, rtol=0
    )


def entropy(shares: Tensor) -> float:
    return -float(torch.special.xlogy(shares.double(), shares.double()).sum())


# --- pairs of tiny models ----------------------------------------------------------------------------

ANIMALS = "fox crow swan frog bear wolf deer hare".split()
PROSE = [
    f"The {animal} saw {i % 5} unhappy apples, and the {ANIMALS[i * 3 % 8]} ate them{'!' * (i % 2)} 中文."
    for i, animal in enumerate(ANIMALS * 2)
]


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def test_a_tiny_transformer_learns_the_distributions_of_another_with_its_vocabulary() -> None:
    tokenizer = make_tokenizer(PROSE, vocabulary=300)
    shape = ModelShape(vocabulary=300, width=16, layers=2, heads=2, inner=24)
    torch.manual_seed(0)
    teacher, student = CausalTransformer(shape), CausalTransformer(shape)
    with torch.no_grad():
        teacher.embedding.weight.mul_(40)
    rows = [[0, *ids(tokenizer, text)][:16] for text in PROSE[:8]]
    batch = torch.tensor(rows)
    with torch.no_grad():
        dense = teacher.logits(teacher(batch)).flatten(0, 1)
    targets = learnt_from_what_is_listed(tokenizer, dense, rows, k=8)
    assert len(targets) == 8 * 15
    assert 0.01 < targets.rest.mean() < 0.2
    loss = partial(kl_divergence, targets=targets)

    def logits() -> Tensor:
        return student.logits(student(batch)).flatten(0, 1)

    def divergence_of_all() -> float:
        with torch.no_grad():
            return dense_divergence(logits(), dense)[targets.positions].mean().item()

    before = divergence_of_all()
    losses = minimise(list(student.parameters()), lambda: loss(logits()), rate=0.02)
    assert losses[-1] < 0.01 * losses[0]
    # What was not listed came along: whole distributions are nearer than they were.
    assert divergence_of_all() < 0.1 * before


def learnt_from_what_is_listed(
    tokenizer: Tokenizer, dense: Tensor, rows: Sequence[Sequence[int]], *, k: int
) -> SparseTargets:
    """Targets from what a server would send of a teacher with the student's vocabulary."""
    tokens = TokenBytes(tokenizer)
    mapping = VocabularyMap(tokenizer, is_shared=True)
    log_probs = torch.log_softmax(dense.double(), 1).view(len(rows), -1, dense.shape[1])

    def listed(id_: int, value: Tensor) -> Candidate:
        data = tokens.of(id_)
        name = tokenizer.id_to_token(id_) if data is None else data.decode(errors="backslashreplace")
        return Candidate(data=data or b"", token=name, logprob=value.item())

    parts: list[SparseTargets] = []
    for row, own in enumerate(rows):
        positions: list[TeacherPosition] = []
        for at, id_ in enumerate(own[1:]):
            values, likeliest = log_probs[row, at].topk(k)
            positions.append(
                TeacherPosition(
                    observed=listed(id_, log_probs[row, at, id_]),
                    top=tuple(listed(int(i), v) for i, v in zip(likeliest, values, strict=True)),
                )
            )
        found = mapping.distributions(positions, own[1:])
        assert all(d.unmapped == 0 for d in found)
        parts.append(SparseTargets.from_distributions(found, first_row=row * len(own)))
    return SparseTargets.concatenate(parts)


@pytest.mark.parametrize(("teachers", "students"), [(340, 270), (270, 340)])
def test_a_student_with_other_tokens_reaches_the_best_that_it_can(teachers: int, students: int) -> None:
    """Both know only the token before: the teacher's next tokens are as in `PROSE`, the student's are learnt.

    The teacher lists all that it thinks possible, so a context of the student's that comes with the
    distributions q_1 ... q_n is best followed by their mean.
    """
    own, other = make_tokenizer(PROSE, vocabulary=students), make_tokenizer(PROSE[::2], vocabulary=teachers)
    teacher = counted(other)
    mapping = VocabularyMap(own)
    contexts: list[int] = []
    parts: list[SparseTargets] = []
    for text in PROSE:
        student_ids = ids(own, text)
        found = mapping.distributions(teacher(text), student_ids)
        assert len(found) > 0.95 * len(student_ids)
        parts.append(SparseTargets.from_distributions(found, first_row=len(contexts)))
        contexts += [0, *student_ids[:-1]]
    targets = SparseTargets.concatenate(parts)
    assert targets.rest.abs().max() < 1e-6
    best = least_divergence(targets, contexts, vocabulary=students)
    logits = torch.zeros(students, students, requires_grad=True)
    rows = torch.tensor(contexts)
    losses = minimise([logits], lambda: kl_divergence(logits[rows], targets), rate=0.5)
    assert losses[0] > 10 * best
    assert losses[-1] == pytest.approx(best, abs=1e-3)
    assert min(losses) >= best - 1e-4


def counted(tokenizer: Tokenizer) -> Callable[[str], list[TeacherPosition]]:
    """A teacher that goes on after a token as `PROSE` does, and lists all that it thinks possible."""
    tokens = TokenBytes(tokenizer)
    counts: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for text in PROSE:
        row = ids(tokenizer, text)
        for before, after in zip([0, *row], row, strict=False):
            counts[before][after] += 1

    def listed(before: int, id_: int) -> Candidate:
        share = counts[before][id_] / sum(counts[before].values())
        return Candidate(data=tokens.of(id_) or b"", token=str(id_), logprob=math.log(share))

    def answer(text: str) -> list[TeacherPosition]:
        row = ids(tokenizer, text)
        return [
            TeacherPosition(
                observed=listed(before, id_), top=tuple(listed(before, other) for other in counts[before])
            )
            for before, id_ in zip([0, *row], row, strict=False)
        ]

    return answer


def least_divergence(targets: SparseTargets, contexts: Sequence[int], *, vocabulary: int) -> float:
    """Mean over the targets of the entropy of their context's mean less their own."""
    shares = targets.log_probs.double().exp().masked_fill(targets.ids == PADDING, 0)
    dense = torch.zeros(len(targets), vocabulary, dtype=torch.float64)
    dense.scatter_add_(1, targets.ids.clamp(min=0), shares)
    by_context: defaultdict[int, list[Tensor]] = defaultdict(list)
    for row, position in zip(dense, targets.positions.tolist(), strict=True):
        by_context[contexts[position]].append(row)
    total = 0.0
    for rows in by_context.values():
        stacked = torch.stack(rows)
        total += len(rows) * entropy(stacked.mean(0)) - sum(entropy(row) for row in stacked)
    return total / len(targets)
