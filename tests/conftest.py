"""Fixtures that several test files share: tokenizers, and the stand-in for a reranker."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from small_tokenizers import small_tokenizer_json
from stand_ins import WordOverlapReranker

import yesrank  # noqa: F401  before any test: it switches off the usage reports of what they import

# how long an example takes says how busy the machine is
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
# the published tokenizer.json is 5 MB and not ours: tests over it run where it lies beside the repository
REAL_TOKENIZER = ROOT.parent / "shared" / "tokenizer" / "qwen3" / "tokenizer.json"


@pytest.fixture(scope="session", autouse=True)
def _signals_of_a_terminal() -> None:
    """A run in the background, or under nohup, would hand on to its processes that SIGINT and SIGHUP are ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _no_names_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The default model is the built-in one, whatever whoever runs the tests has stored."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("YESRANK_CONFIG", str(tmp_path_factory.mktemp("names") / "models.toml"))
        patched.delenv("YESRANK_MODEL", raising=False)
        yield


@pytest.fixture(scope="session")
def small_tokenizer() -> str:
    return small_tokenizer_json()


@pytest.fixture(scope="session", params=["small", "published"])
def tokenizer_json(request: pytest.FixtureRequest) -> str:
    """A tokenizer.json: one trained here, and the published one where it is at hand."""
    if request.param == "small":
        return small_tokenizer_json()
    if not REAL_TOKENIZER.exists():
        pytest.skip(f"the published tokenizer is not at {REAL_TOKENIZER.parent}")
    return REAL_TOKENIZER.read_text(encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def hashes_of_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the tests' files out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YESRANK_HASHES", str(tmp_path_factory.mktemp("hashes") / "hashes.sqlite"))
        yield


@pytest.fixture
def fake_reranker(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[WordOverlapReranker]]:
    """Puts the stand-in where the command line looks for Reranker."""
    reranker = pytest.importorskip("yesrank.models.reranker")
    monkeypatch.setattr(reranker, "Reranker", WordOverlapReranker)
    WordOverlapReranker.calls = []
    yield WordOverlapReranker
