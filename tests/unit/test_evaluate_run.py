"""From candidates to figures: BM25, reranking, scores that are kept, the report."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from small_collection import OverlapScorer, contender, write_folder

from yesrank.errors import InputError
from yesrank.evaluate import Collection, Evaluation, ScoreStore, bm25, evaluate, read_folder, reranking, words
from yesrank.evaluate.bounds import broken, parse_bound
from yesrank.evaluate.gate import compare
from yesrank.evaluate.measures import measure
from yesrank.evaluate.report import render
from yesrank.types import PairScores

SHARED = Path(__file__).parents[3] / "shared" / "data" / "eval"


@pytest.fixture
def small(tmp_path: Path) -> Collection:
    return read_folder(write_folder(tmp_path / "small"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ScoreStore]:
    with ScoreStore(tmp_path / "scores.sqlite") as opened:
        yield opened


# the first stage


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("scifact", {"nDCG@10": 0.6762, "R@100": 0.9127, "MRR@10": 0.6413, "AP": 0.6372}),
        # 0.9297 with documents that share no word with the query; here these are no candidates
        ("cosqa-dev", {"nDCG@10": 0.6292, "R@100": 0.9265, "MRR@10": 0.5781}),
    ],
)
def test_bm25_reaches_the_known_figures(name: str, published: dict[str, float]) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the collection {name} is not beside the repository")
    collection = read_folder(SHARED / name)
    found = measure(collection.qrels, bm25(collection).run, [*published])
    assert {key: row.mean() for key, row in found.items()} == pytest.approx(published, abs=5e-5)


def test_bm25_by_hand() -> None:
    """Lucene's BM25: idf ln(1 + (N - n + 0.5) / (n + 0.5)), without the factor k1 + 1."""
    collection = Collection("c", {"a": "cat", "b": "cat dog", "c": "bird"}, {"q": "cat"}, {"q": {"a": 1}})
    found = bm25(collection, "plain").run["q"]
    idf, mean = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5)), 4 / 3
    expected = {name: idf / (1 + 0.9 * (0.6 + 0.4 * size / mean)) for name, size in (("a", 1), ("b", 2))}
    assert found == pytest.approx(expected, rel=1e-5)
    assert [*found] == ["a", "b"]


def test_a_query_without_words_has_no_candidates() -> None:
    collection = Collection("c", {"a": "cat"}, {"q": "cat", "r": "?!"}, {"q": {"a": 1}, "r": {"a": 1}})
    found = bm25(collection)
    assert [*found.run] == ["q"]
    assert found.notes == ("first stage: 1 of 2 judged queries have no candidate; they count as 0",)


def test_a_corpus_without_words() -> None:
    with pytest.raises(InputError, match="no document holds a word"):
        bm25(Collection("c", {"a": "?!"}, {"q": "cat"}, {"q": {"a": 1}}))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the river runs to the sea and it is long", "en"),
        ("der Fluss ist sehr lang und er fließt in das Meer", "de"),
        ("река очень длинная и она течет к морю", "ru"),
        ("这条河很长流向大海", "zh"),
        ("この川はとても長くて海に流れます", "ja"),
        ("แม่น้ำสายนี้ยาวมาก", "th"),
        ("यह नदी बहुत लंबी है", "hi"),
        ("", "plain"),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    assert words.detect([text]) == language


def test_terms() -> None:
    assert words.terms_for("zh")(["大海ABC海"]) == [["大海", "abc", "海"]]
    assert words.terms_for("plain")(["Ça va, नदी!"]) == [["ça", "va", "नदी"]]
    assert words.terms_for("th")(["ยาวมา"]) == [["ยา", "าว", "วม", "มา"]]
    assert words.terms_for("en")(["the running dogs"]) == [["run", "dog"]]
    with pytest.raises(InputError, match="'xx' is not known"):
        words.terms_for("xx")


# reranking and kept scores


def evaluated(
    collection: Collection, store: ScoreStore, *scorers: OverlapScorer, **options: object
) -> Evaluation:
    each = [contender(scorer, f"model {at}") for at, scorer in enumerate(scorers)]
    return evaluate(collection, bm25(collection), each, store, **options)  # type: ignore[arg-type]


def test_side_by_side(small: Collection, store: ScoreStore) -> None:
    scorer = OverlapScorer()
    found = evaluated(small, store, scorer, top_k=2, fusion=0.5)
    assert [system.label for system in found.systems] == ["bm25", "model 0", "model 0 + bm25"]
    assert found.systems[1].means["nDCG@10"].value > 0.8
    assert found.systems[1].gains is not None
    assert scorer.closed == 1
    assert scorer.scored == [
        (small.queries[q], small.documents[d]) for q, row in found.candidates.items() for d in row
    ]


def test_what_is_not_reranked_stays_below(small: Collection, store: ScoreStore) -> None:
    found = evaluated(small, store, OverlapScorer(shift=-1000), top_k=1)
    for query, row in found.first_stage.run.items():
        assert [*found.systems[1].run[query]] == [*row]
        assert min(row.values()) > 0
        scores = [*found.systems[1].run[query].values()]
        assert scores == sorted(scores, reverse=True)


def test_known_scores_are_not_computed_again(small: Collection, store: ScoreStore) -> None:
    first, second, third = OverlapScorer(), OverlapScorer(), OverlapScorer()
    before = evaluated(small, store, first)
    after = evaluated(small, store, second)
    assert first.scored
    assert not second.scored
    assert after.systems[1].run == before.systems[1].run
    assert after.systems[1].model is not None
    assert after.systems[1].model.fresh == 0
    assert after.systems[1].model.per_second
    evaluated(small, store, third, again=True)
    assert third.scored == first.scored


def test_a_stopped_run_goes_on(small: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_PAIRS_AT_A_TIME", "_FIRST_PAIRS"):
        monkeypatch.setattr(reranking, name, 1)
    whole = OverlapScorer()
    with ScoreStore(tmp_path / "whole.sqlite") as store:
        expected = evaluated(small, store, whole)
    stopped, resumed = OverlapScorer(fail_after=len(whole.scored) // 2), OverlapScorer()
    with pytest.raises(KeyboardInterrupt), ScoreStore(tmp_path / "half.sqlite") as store:
        evaluated(small, store, stopped)
    with ScoreStore(tmp_path / "half.sqlite") as store:
        found = evaluated(small, store, resumed)
    assert stopped.closed
    assert stopped.scored
    assert stopped.scored + resumed.scored == whole.scored
    assert found.systems[1].run == expected.systems[1].run


class SlowScorer(OverlapScorer):
    """Three seconds a pair, on a clock of its own. One query leaves no room for a document."""

    def __init__(self, too_long: str = "") -> None:
        super().__init__()
        self.now, self.sizes, self.too_long = 0.0, list[int](), too_long

    def score(
        self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None, as_text: bool = False
    ) -> PairScores:
        if any(query == self.too_long for query, _ in pairs):
            raise InputError("query", "takes 99 tokens", "shorten it")
        self.now += 3.0 * len(pairs)
        self.sizes.append(len(pairs))
        return super().score(pairs, instruction=instruction, as_text=as_text)


def test_a_slow_model_keeps_its_scores_every_few_seconds(
    store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = SlowScorer()
    monkeypatch.setattr(reranking.time, "perf_counter", lambda: scorer.now)
    documents = {f"d{at}": f"bees {at}" for at in range(100)}
    collection = Collection("c", documents, {"q": "bees"}, {"q": {"d1": 1}})
    candidates = {"q": dict.fromkeys(documents, 1.0)}
    reranking.rerank(contender(scorer), collection, candidates, candidates, store)
    assert sum(scorer.sizes) == 100
    assert max(scorer.sizes[1:]) * 3 <= 30


def test_batches_end_with_queries_where_one_is_near(small: Collection, store: ScoreStore) -> None:
    scorer = SlowScorer()
    documents = {f"d{at}": "bees" for at in range(14)}
    collection = Collection("c", documents, {"q": "bees", "r": "wax"}, {"q": {"d1": 1}, "r": {"d1": 1}})
    candidates = {query: dict.fromkeys(documents, 1.0) for query in ("q", "r")}
    reranking.rerank(contender(scorer), collection, candidates, candidates, store)
    assert scorer.sizes[0] == 14


def test_a_query_that_is_too_long_is_named(small: Collection, store: ScoreStore) -> None:
    with pytest.raises(InputError, match="queries: 'q2': query: takes 99 tokens") as caught:
        evaluated(small, store, SlowScorer(small.queries["q2"]))
    assert caught.value.hint == "shorten it"


def test_no_store_without_contenders(small: Collection) -> None:
    assert [system.label for system in evaluate(small, bm25(small), [], None).systems] == ["bm25"]
    with pytest.raises(ValueError, match="need a store"):
        evaluate(small, bm25(small), [contender(OverlapScorer())], None)


def test_other_settings_are_other_scores(small: Collection, store: ScoreStore) -> None:
    for instruction in ("one", "two"):
        scorer = OverlapScorer()
        evaluate(small, bm25(small), [contender(scorer, instruction=instruction)], store)
        assert scorer.scored


def test_the_store_keeps_no_text(small: Collection, tmp_path: Path) -> None:
    with ScoreStore(tmp_path / "s.sqlite") as store:
        evaluated(small, store, OverlapScorer())
    assert b"honey" not in (tmp_path / "s.sqlite").read_bytes()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"not a database, though it is long enough to be one" * 10)
    with pytest.raises(InputError, match=r"scores: .* cannot be used"):
        ScoreStore(tmp_path / "s.sqlite")


def test_progress_counts_every_pair(small: Collection, store: ScoreStore) -> None:
    for _ in range(2):
        done: list[int] = []
        first = bm25(small)
        reranking.rerank(contender(OverlapScorer()), small, first.run, first.run, store, progress=done.append)
        assert sum(done) == sum(map(len, first.run.values()))


def test_k_larger_than_the_corpus(small: Collection, store: ScoreStore) -> None:
    assert (
        "top-k: 100 is more than the 5 documents of the corpus"
        in evaluated(small, store, OverlapScorer()).notes
    )
    assert not any("top-k" in note for note in evaluated(small, store, OverlapScorer(), top_k=5).notes)


def test_comparison(small: Collection, store: ScoreStore) -> None:
    found = evaluated(small, store, OverlapScorer(), OverlapScorer(shift=0.25))
    result = compare(found.systems[1], found.systems[2])
    assert (result.tau, result.overlap, result.ndcg.value) == (1, 1, 0)
    assert (result.delta_mean, result.delta_p99, result.delta_max) == pytest.approx((0.25, 0.25, 0.25))
    with pytest.raises(ValueError, match="only models"):
        compare(found.systems[0], found.systems[1])


def test_a_comparison_of_nothing_keeps_no_bound(store: ScoreStore) -> None:
    collection = Collection("c", {"a": "cat"}, {"q": "dog", "r": "cat"}, {"q": {"a": 1}, "r": {"a": 1}})
    for judged, failures in ((collection, 1), (collection.first(1), 2)):
        found = evaluated(judged, store, OverlapScorer(), OverlapScorer())
        bounds = [
            parse_bound("tau=0.9", compared=True),
            parse_bound("delta-max=1", over=True, compared=True),
        ]
        said = broken(bounds, found, compare(*found.systems[1:]))
        assert len(said) == failures
        assert "tau cannot be told" in said[0]


# the report


class Tags(HTMLParser):
    """Checks that tags are closed, and collects what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None: ...

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_is_whole(small: Collection, store: ScoreStore) -> None:
    found = evaluated(small, store, OverlapScorer(), OverlapScorer(shift=1), fusion=0.5)
    page = render(found, compare(found.systems[1], found.systems[3]))
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert not tags.links
    assert not re.search(r"<script|url\(|@import|https?:", page)
    assert page.count("<svg") == 1 + 2 * 3 + 2
    assert "nan" not in page.lower()


def test_report_has_no_control_characters(small: Collection, store: ScoreStore) -> None:
    collection = Collection("c\0", small.documents, {**small.queries, "q1": "bees\0\x07 \x9b"}, small.qrels)
    page = render(evaluated(collection, store, OverlapScorer(shift=2)))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)


def test_report_escapes(small: Collection, store: ScoreStore) -> None:
    queries = {**small.queries, "q1": "<b>bees & honey</b>"}
    collection = Collection("<i>", small.documents, queries, small.qrels)
    assert "<b>bees" not in render(evaluated(collection, store, OverlapScorer(shift=2)))
    queries["q1"] = "lone \ud800 surrogate"
    render(evaluated(collection, store, OverlapScorer(shift=2))).encode()
    assert "<i>" not in render(evaluated(collection, store))


NFD = [
    ("fr", "la sécurité des élèves à l'école", "élève"),
    ("de", "Über die Größe der Bäume", "Größe"),
    ("ru", "Пора́ чита́ть кни́ги", "читать"),
    ("tr", "İstanbul'da IŞIK söndü", "ışık"),
    ("ar", "الكِتَابُ الجَدِيدُ", "كتاب"),
    ("el", "Η Αθήνα είναι πόλη", "Αθήνας"),
    ("hi", "ज़मीन और लड़कियाँ", "लड़की"),
    ("ko", "대한민국의 수도는", "대한민국"),
    ("ja", "ガラスのパン", "ガラス"),
    ("th", "น้ำแข็ง", "น้ำ"),
    ("plain", "Thành phố Hồ Chí Minh", "phố"),
]


@pytest.mark.parametrize(("language", "text", "word"), NFD)
def test_one_text_in_two_encodings_has_the_same_terms(language: str, text: str, word: str) -> None:
    terms = words.terms_for(language)
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKD")]
    [first, *others] = terms(forms)
    assert all(other == first for other in others)
    for form in ("NFC", "NFD"):
        [asked] = terms([unicodedata.normalize(form, word)])
        assert asked
        assert set(asked) & set(first)


def test_marks_and_joiners_within_words() -> None:
    assert words.terms_for("en")(["infor\u00admation o\ufb03ce"]) == words.terms_for("en")(
        ["information office"]
    )
    assert words.terms_for("fr")(["œuvre"]) == words.terms_for("fr")(["œuvre"])
    assert words.terms_for("ru")(["за\u0301мок"]) == words.terms_for("ru")(["замок"])
    assert words.terms_for("plain")(["کتاب\u200cها"]) == words.terms_for("plain")(["کتابها"])


def test_korean_words_are_found_with_their_particles() -> None:
    [terms] = words.terms_for("ko")(["서울은 IT 도시이다"])
    assert terms == ["서울", "울은", "it", "도시", "시이", "이다"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("서울은 대한민국의 수도이다", "ko"),
        ("Η Αθήνα είναι η πρωτεύουσα της Ελλάδας", "el"),
        ("القاهرة هي عاصمة مصر وأكبر مدنها", "ar"),
        ("تهران پایتخت ایران است و شهر بزرگی است", "plain"),
        ("București este capitala și cel mai mare oraș din România, pe Dâmbovița", "ro"),
        (unicodedata.normalize("NFD", "l'élève a été reçu à l'école où il était né"), "fr"),
    ],
)
def test_more_languages_are_told_apart(text: str, language: str) -> None:
    assert words.detect([text]) == language
