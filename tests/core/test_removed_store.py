"""Stores of what was removed: in memory and in a file, shared by threads and processes."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import CompressionResult, Document, InputError, PromptCompressor, Span
from lingua_core.errors import RemovedStoreError, UnknownIdError
from lingua_core.removed import InMemoryStore, OriginalDocument, RemovedPart, RemovedStore, SQLiteStore
from lingua_core.scorers import FixedScorer

TEXT = (
    "# Installing\n\nInstall it with pip. It needs Python 3.11. Windows users need the build tools.\n\n"
    "# Prices\n\nThe basic plan costs 10 dollars a month. Students pay half the price."
)
ODD = "\ufeffEmoji 👩‍👩‍👧‍👦 first. 长城是中国的建筑。它很长。 هل هذه جملة؟ A lone \ud800 one. It ends."


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SQLiteStore:
    return InMemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "removed.db")


def stored(store: RemovedStore, *texts: str | Document, query: str = "Students") -> CompressionResult:
    return PromptCompressor("lexical", removed_store=store).compress(texts, query, rate=0.3)


def part(digits: str, key: str, *, start: int = 0, end: int = 5) -> RemovedPart:
    digest = f"r{digits:0<27}"
    return RemovedPart(
        id=digest[:10],
        digest=digest,
        document=0,
        document_id=None,
        title=None,
        key=key,
        heading="",
        spans=(Span(start, end),),
        text="Hello world"[start:end],
        tokens=1,
    )


def hello(name: str = "hello") -> OriginalDocument:
    return OriginalDocument.of(Document("Hello world", id=name))


def test_both_are_stores(store: SQLiteStore) -> None:
    assert isinstance(store, RemovedStore)


def test_what_was_removed_comes_back_by_id_and_digest(store: SQLiteStore) -> None:
    result = stored(store, Document(TEXT, id="a", title="Manual"), ODD)
    assert result.removed
    for removed in result.removed:
        assert store.get(removed.id) == store.get(removed.digest) == removed
    ids = [removed.id for removed in reversed(result.removed)]
    assert store.get_many(ids) == list(reversed(result.removed))


def test_whole_documents_come_back_character_for_character(store: SQLiteStore) -> None:
    result = stored(store, Document(TEXT, id="a", title="M \udfff"), ODD)
    for removed in result.removed:
        original = store.document(removed.key)
        assert original == store.document(removed.key[:12])
        assert original.text == (TEXT, ODD)[removed.document]
        assert (original.id, original.title) == (removed.document_id, removed.title)


@settings(max_examples=40)
@given(text=st.text(alphabet=st.characters(), max_size=60), name=st.none() | st.text(max_size=5))
def test_any_text_survives(text: str, name: str | None) -> None:
    store = InMemoryStore()
    document = OriginalDocument.of(Document(text, id=name, title=name))
    store.put([], [document])
    assert store.document(document.key) == document


def test_kept_text_and_store_make_the_original_again(store: SQLiteStore) -> None:
    result = stored(store, TEXT, ODD)
    for document in (*result.documents, *result.dropped):
        pieces = {span: document.source.text[slice(*span)] for span in document.spans}
        for removed in store.parts(OriginalDocument.of(document.source).key):
            pieces |= {
                s: removed.text[s.start - removed.span.start :][: s.end - s.start] for s in removed.spans
            }
        rebuilt = "".join(pieces[span] for span in sorted(pieces))
        assert rebuilt.split() == document.source.text.split()


def test_an_unknown_id_is_an_error_that_says_what_ids_are(store: SQLiteStore) -> None:
    for id in ("r1", "r123456789", "", "x' OR 1=1 --"):
        with pytest.raises(UnknownIdError, match="There is no removed part with the id"):
            store.get(id)
    with pytest.raises(UnknownIdError, match="There is no document with the key"):
        store.document("abc")


def test_an_id_that_two_parts_share_names_the_longer_ones(store: SQLiteStore) -> None:
    document = hello()
    twins = [part("1234567890", document.key), part("1234567891", document.key, end=6)]
    store.put(twins, [document])
    with pytest.raises(UnknownIdError, match="several removed parts") as failure:
        store.get("r123456789")
    for twin in twins:
        assert twin.digest in str(failure.value)
        assert store.get(twin.digest).spans == twin.spans


def test_putting_the_same_again_changes_nothing(store: SQLiteStore) -> None:
    first = stored(store, TEXT)
    before = store.parts()
    stored(store, TEXT)
    assert store.parts() == before == list(first.removed)


def test_a_part_without_its_document_is_refused_and_nothing_is_stored(store: SQLiteStore) -> None:
    document = hello()
    with pytest.raises(InputError, match="neither given nor in the store"):
        store.put([part("1", document.key), part("2", "no such key")], [document])
    assert store.parts() == []
    with pytest.raises(UnknownIdError):
        store.document(document.key)


def test_search_finds_by_words_and_best_first(store: SQLiteStore) -> None:
    nothing = PromptCompressor(model=FixedScorer(lambda _, __: 0.0), removed_store=store)
    nothing.compress([TEXT, "Coffee from Brazil is dark. Tea is not.", ODD], "q", threshold=0.5)
    assert "Brazil" in store.search("coffee in Brazil")[0].text
    assert "长城" in store.search("长城")[0].text
    assert store.search("zebra") == []
    assert store.search("") == []
    assert len(store.search("the is it", most=1)) == 1
    # What comes later is found too.
    nothing.compress(["The zebra has stripes."], "q", threshold=0.5)
    assert "zebra" in store.search("zebra")[0].text


def test_deleted_parts_are_gone_and_their_documents_with_the_last(store: SQLiteStore) -> None:
    result = stored(store, TEXT, query="basic plan dollars")
    first, *rest = result.removed
    assert rest
    store.search("students")
    assert store.delete([first.id]) == 1
    with pytest.raises(UnknownIdError):
        store.get(first.id)
    assert store.document(first.key).text == TEXT
    with pytest.raises(UnknownIdError):
        store.delete([rest[0].id, "r000000000"])
    assert store.get(rest[0].id) == rest[0]
    assert store.delete([removed.id for removed in rest]) == len(rest)
    with pytest.raises(UnknownIdError):
        store.document(first.key)
    assert store.search("students python install") == []


def test_clear_forgets_everything(store: SQLiteStore) -> None:
    result = stored(store, TEXT, ODD)
    store.search("students")
    store.clear()
    assert store.parts() == []
    assert store.search("students python install") == []
    with pytest.raises(UnknownIdError):
        store.document(result.removed[0].key)


def test_documents_put_longest_ago_go_first_where_bytes_are_limited() -> None:
    clock = Clock()
    store = InMemoryStore(max_bytes=25, clock=clock)
    old, middle, new = hello("old"), hello("middle"), hello("new")
    for number, document in enumerate((old, middle)):
        store.put([part(str(number), document.key)], [document])
        clock.now += 1
    store.put([], [old])  # put again: now it is the newer one
    clock.now += 1
    store.put([], [new])
    assert store.document(old.key) == old
    assert store.document(new.key) == new
    with pytest.raises(UnknownIdError):
        store.document(middle.key)
    assert all(kept.key != middle.key for kept in store.parts())


def test_what_is_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(RemovedStoreError, match=r"11 bytes, more than the 10 .* Raise max_bytes"):
        InMemoryStore(max_bytes=10).put([], [hello()])


def test_old_documents_go_when_something_is_put() -> None:
    clock = Clock()
    store = InMemoryStore(max_age=60, clock=clock)
    old = hello("old")
    store.put([], [old])
    clock.now += 59
    store.put([], [hello("a")])
    assert store.document(old.key) == old
    clock.now += 2
    store.put([], [hello("b")])
    with pytest.raises(UnknownIdError):
        store.document(old.key)


def test_a_file_keeps_it_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "removed.db"
    code = (
        "import sys; from lingua_core import PromptCompressor; from lingua_core.removed import SQLiteStore\n"
        "c = PromptCompressor('lexical', removed_store=SQLiteStore(sys.argv[1]))\n"
        "print(c.compress([sys.argv[2]], 'Students', rate=0.3).removed[0].id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path, TEXT], capture_output=True, text=True, check=True
    )
    kept = SQLiteStore(path, create=False)
    assert kept.document(kept.get(done.stdout.strip()).key).text == TEXT


def test_many_threads_and_connections_may_put_and_get_at_once(tmp_path: Path) -> None:
    path = tmp_path / "removed.db"
    shared = SQLiteStore(path, timeout=30)
    stores = [shared, shared, SQLiteStore(path, timeout=30), SQLiteStore(path, timeout=30)]

    def work(i: int) -> list[str]:
        text = f"Text {i} is about {i} things. Students of year {i} left. It rained {i} times."
        result = stored(stores[i % 4], text)
        assert stores[(i + 1) % 4].get_many([removed.id for removed in result.removed]) == list(
            result.removed
        )
        return [removed.id for removed in result.removed]

    with ThreadPoolExecutor(8) as pool:
        ids = [id for found in pool.map(work, range(24)) for id in found]
    assert sorted(removed.id for removed in shared.parts()) == sorted(ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_store_works_in_a_forked_process(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "removed.db")
    store.put([], [hello("parent")])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.put([], [hello("child")])
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.document(hello("child").key) == hello("child")


def test_a_file_that_is_not_ours_is_left_as_it_is(tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("These are my notes, and no database at all. " * 40)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (a)")
    database.close()
    before = {path: path.read_bytes() for path in (text, other)}
    for path in before:
        with pytest.raises(RemovedStoreError, match="is no store of removed parts; it was left as it is"):
            SQLiteStore(path)
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "other.db"]


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "removed.db"
    SQLiteStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(RemovedStoreError, match=r"newer version of Lingua \(format 7"):
        SQLiteStore(path)


def test_places_that_cannot_be_are_told(tmp_path: Path) -> None:
    with pytest.raises(RemovedStoreError, match="is a folder"):
        SQLiteStore(tmp_path)
    with pytest.raises(RemovedStoreError, match=r"does not exist\. Make it first"):
        SQLiteStore(tmp_path / "no" / "removed.db")
    with pytest.raises(RemovedStoreError, match=r"does not exist\. Name the file"):
        SQLiteStore(tmp_path / "removed.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_locked_file_is_an_error_that_says_so_and_a_compression_survives_it(tmp_path: Path) -> None:
    path = tmp_path / "removed.db"
    store = SQLiteStore(path, timeout=0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(RemovedStoreError, match=r"was locked by another process for 0\.05 seconds"):
            store.put([], [hello()])
        compressor = PromptCompressor(
            "lexical", removal_note={"max_share": 0.5, "max_tokens": 80}, removed_store=store
        )
        result = compressor.compress([TEXT * 3], "Students", rate=0.5)
    finally:
        holder.close()
    assert result.documents
    assert "not_stored" in {note.code for note in result.notes}
    assert result.removal_note
    assert "get_removed" not in result.removal_note
    assert compressor.token_counter.count([result.text]) == [result.compressed_tokens]
    store.put([], [hello()])


def test_a_full_disk_is_an_error_that_says_so_and_nothing_is_half_stored(tmp_path: Path) -> None:
    path = tmp_path / "removed.db"
    store = SQLiteStore(path)
    store.put([], [hello()])
    store._database.execute("PRAGMA max_page_count = 12")  # as small a disk
    document = OriginalDocument.of(Document("x" * 200_000))
    with pytest.raises(RemovedStoreError, match="the disk is full"):
        store.put([], [document])
    with pytest.raises(UnknownIdError):
        store.document(document.key)
    assert store.document(hello().key) == hello()


def test_a_damaged_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "removed.db"
    store = SQLiteStore(path)
    store.put([], [OriginalDocument.of(Document(f"{i} " * 3000)) for i in range(20)])
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(bytes(data))
    with pytest.raises(RemovedStoreError, match=r"damaged|malformed"):
        SQLiteStore(path).parts()


@pytest.mark.parametrize(
    "options", [{"path": 3}, {"path": ""}, {"max_bytes": -1}, {"max_age": "1"}, {"timeout": True}]
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must"):
        SQLiteStore(**{"path": tmp_path / "removed.db", **options})  # untyped callers


def test_nothing_is_written_where_no_store_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    PromptCompressor("lexical", removal_note=True).compress([TEXT], "Students", rate=0.3)
    assert list(tmp_path.iterdir()) == []
