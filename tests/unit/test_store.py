"""The file of names: what is kept, what is refused, and that nothing is ever lost."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from yesrank.errors import InputError, ModelError, ModelNotFound
from yesrank.store import BUILTIN, Entry, Store, builtin_entry, config_file, models_folder, resolve, toml
from yesrank.store.resolve import from_address

FULL = Entry(
    "acme/Tiny-0.1_b",
    Path("/models/tiny").absolute(),
    source="acme/tiny",
    revision="0" * 40,
    device="GPU.0",
    precision="int8",
    instruction='Is it "about"\nthe query? \\ é 日本',
    template="chat",
    max_length=512,
    aliases=("tiny", "t"),
    added=date(2026, 1, 31),
)
HERE = Path.cwd()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "config" / "models.toml")


def test_what_is_added_is_read_back(store: Store) -> None:
    assert store.list() == ()
    store.add(FULL)
    store.add(Entry("plain", HERE))
    assert store.list() == (FULL, Entry("plain", HERE))
    assert store.get("acme/Tiny-0.1_b") == store.get("t") == FULL
    assert store.find("nothing") is None
    text = store.path.read_text(encoding="utf-8")
    assert text.startswith("# The models")
    assert "added = 2026-01-31" in text


def test_removal(store: Store) -> None:
    store.add(FULL)
    with pytest.raises(InputError, match="is an alias of"):
        store.remove("tiny")
    assert store.remove(FULL.name) == FULL
    assert store.list() == ()
    with pytest.raises(ModelNotFound):
        store.remove(FULL.name)


def test_a_name_belongs_to_one_model(store: Store) -> None:
    store.add(FULL)
    for names in (("tiny",), ("TINY",), ("new", "T"), (FULL.name,)):
        with pytest.raises(InputError, match="already"):
            store.add(Entry(names[0], HERE, aliases=names[1:]))
    with pytest.raises(InputError, match="comes with yesrank"):
        store.add(Entry("x", HERE, aliases=(BUILTIN,)))
    store.add(replace(FULL, device="CPU"), replace=True)
    assert [entry.device for entry in store.list()] == ["CPU"]


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-a", ".a", "a/", "/a", "a//b", "a/../b", "a\\b", "a:b", "é", "a\n", "x" * 201]
)
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a name"):
        Entry(name, HERE)
    if name == "a:b":
        return  # an alias can be so
    with pytest.raises(InputError, match="cannot be a name"):
        Entry("fine", HERE, aliases=(name,))


def test_entries_that_cannot_be() -> None:
    with pytest.raises(InputError, match="twice"):
        Entry("a", HERE, aliases=("A",))
    with pytest.raises(InputError, match="template"):
        Entry("a", HERE, template="none")
    with pytest.raises(InputError, match="max_length"):
        Entry("a", HERE, max_length=0)
    with pytest.raises(InputError, match="device"):
        Entry("a", HERE, device=" ")


MODEL = '[models.a]\npath = "/a"\nadded = 2026-01-31\n'


@pytest.mark.skipif(os.name == "nt", reason="the paths are of another kind")
@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("format = 1\n[models.a\n", 2, "not valid TOML"),
        ("format = 2\n", 1, "upgrade yesrank"),
        ("# The models that yesrank kn", 1, "cut short"),
        ("format = 1\n[model]\n", 2, "model is not known"),
        ("\nmodel = 3\n", 2, "model is not known"),
        (MODEL + 'devise = "GPU"\n', 4, "devise is not known; the keys are path, "),
        (MODEL + "device = 7\n", 4, "device must be a string"),
        (MODEL + "max_length = true\n", 4, "max_length must be a whole number"),
        (MODEL + 'aliases = "b"\n', 4, "aliases must be a list of strings"),
        (MODEL + "aliases = [1]\n", 4, "aliases must be a list of strings"),
        (MODEL + 'aliases = ["b c"]\n', 4, "'b c' cannot be a name"),
        (MODEL + 'template = "poem"\n', 4, "'poem' is not known"),
        ('[models.a]\npath = "a"\nadded = 2026-01-31\n', 2, "path must be a whole path"),
        ('[models.a]\npath = "/a"\nadded = "today"\n', 3, "added must be a date"),
        ('[models.a]\npath = "/a"\n', 1, "added is missing"),
        ('# x\n[models."a b"]\npath = "/a"\nadded = 2026-01-31\n', 2, "'a b' cannot be a name"),
        (MODEL + MODEL.replace(".a", ".A"), 4, "'A' is a name of 'a' already"),
        (MODEL + MODEL.replace(".a", ".b") + 'aliases = ["a"]\n', 7, "'a' is a name of 'a' already"),
        (MODEL.replace(".a", ".builtin"), 1, "'builtin' is a name of 'the package' already"),
        (MODEL + MODEL, 4, "not valid TOML"),
        ("format = 1\ndefault = 3\n", 2, "default must be the name"),
        ('format = 1\ndefault = "b"\n' + MODEL, 2, "default is 'b', and no model has that name"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_kept(
    store: Store, text: str, line: int, message: str
) -> None:
    store.path.parent.mkdir()
    store.path.write_text(text)
    for action in (
        store.list,
        lambda: store.add(FULL),
        lambda: store.remove("a"),
        lambda: resolve("a", store),
    ):
        with pytest.raises(ModelError) as caught:
            action()
        assert str(store.path) in caught.value.message
        assert message in caught.value.message
        assert f"line {line}" in caught.value.message
        assert caught.value.hint
    assert store.path.read_text() == text


def test_a_file_that_is_no_text(store: Store) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="cannot be read"):
        store.list()
    store.path.unlink()
    store.path.mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        store.add(FULL)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="POSIX modes")
def test_a_link_stays_a_link_and_the_mode_stays(store: Store, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("")
    real.chmod(0o600)
    store.path.parent.mkdir()
    store.path.symlink_to(real)
    store.add(FULL)
    assert store.path.is_symlink()
    assert toml.read(real) == toml.Contents((FULL,))
    assert real.stat().st_mode & 0o777 == 0o600


ADDER = """
import sys
from pathlib import Path
from yesrank.store import Entry, Store
store = Store(Path(sys.argv[1]))
for number in range(20):
    store.add(Entry(f"{sys.argv[2]}-{number}", Path.cwd()))
"""


def test_two_processes_lose_nothing(store: Store) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", ADDER, str(store.path), name], stderr=subprocess.PIPE)
        for name in ("left", "right")
    ]
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
    names = [entry.name for entry in store.list()]
    assert sorted(names) == sorted(f"{side}-{number}" for side in ("left", "right") for number in range(20))
    for side in ("left", "right"):
        mine = [name for name in names if name.startswith(side)]
        assert mine == sorted(mine, key=lambda name: int(name.partition("-")[2]))


KILLED = """
import os, sys
from pathlib import Path
from yesrank.store import Entry, Store
def wait(_):
    print("writing", flush=True)
    sys.stdin.read()
os.fsync = wait  # the new text is written, and not yet in its place
Store(Path(sys.argv[1])).add(Entry("second", Path.cwd()))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_writer_leaves_the_old_file_and_no_lock(store: Store) -> None:
    store.add(FULL)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert store.list() == (FULL,)
    store.add(Entry("third", HERE))
    assert [entry.name for entry in store.list()] == [FULL.name, "third"]
    left = {path.name for path in store.path.parent.iterdir()}
    assert left <= {"models.toml", "models.toml.lock"}


# resolve


def test_a_model_folder_goes_before_a_name_and_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(FULL)
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    assert resolve("tiny", store, said.append) == FULL
    (tmp_path / "tiny").mkdir()
    assert resolve("tiny", store, said.append) == FULL  # no model is in that folder
    assert resolve("./tiny", store, said.append).path == Path("tiny")
    assert said == []
    (tmp_path / "tiny" / "config.json").touch()
    assert resolve("tiny", store, said.append).path == Path("tiny")
    assert "tiny is a folder here and the name of " in said[0]
    odd = tmp_path / "my model (1)"
    odd.mkdir()
    assert resolve(odd, store).name == "my-model-1-"


def test_a_folder_is_opened_where_the_file_of_names_is_broken(store: Store, tmp_path: Path) -> None:
    store.path.parent.mkdir()
    store.path.write_text("?")
    assert resolve(tmp_path, store).path == tmp_path


def test_the_model_of_the_package(store: Store) -> None:
    assert resolve(None, store) == resolve("builtin", store) == builtin_entry()
    assert resolve(None, store).path.name == "builtin"


def test_the_default_is_the_first_until_one_is_chosen(store: Store) -> None:
    assert store.default() == builtin_entry()
    second = Entry("second", HERE)
    store.add(FULL)
    store.add(second)
    assert resolve(None, store) == store.default() == FULL
    assert store.set_default("second") == store.default() == second
    store.add(replace(FULL, device="CPU"), replace=True)
    assert store.default() == second
    store.remove("second")
    assert store.default().name == FULL.name
    assert store.set_default("builtin") == store.default() == builtin_entry()
    assert store.set_default("tiny").name == FULL.name
    assert toml.read(store.path).default == FULL.name
    with pytest.raises(ModelNotFound):
        store.set_default("nothing")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://huggingface.co/acme/tiny", ("acme/tiny", None)),
        ("huggingface.co/acme/tiny/", ("acme/tiny", None)),
        ("https://hf.co/acme/tiny/tree/v1.0", ("acme/tiny", "v1.0")),
        ("https://huggingface.co/acme/tiny?library=openvino", ("acme/tiny", None)),
        ("https://huggingface.co/acme/tiny/blob/main/config.json", ("acme/tiny", None)),
        ("acme/tiny", ("acme/tiny", None)),
        ("https://huggingface.co/datasets/acme/tiny", ("https://huggingface.co/datasets/acme/tiny", None)),
        ("https://example.org/acme/tiny", ("https://example.org/acme/tiny", None)),
    ],
)
def test_the_address_of_a_model_of_the_hub(address: str, found: tuple[str, str | None]) -> None:
    assert from_address(address) == found


def test_what_is_not_there_names_what_is_near(store: Store) -> None:
    store.add(FULL)
    with pytest.raises(ModelNotFound, match="did you mean tiny") as caught:
        resolve("tinny", store)
    assert "yesrank list" in str(caught.value)
    for model in ("Qwen/Qwen3-Reranker-0.6B", "https://huggingface.co/Qwen/Qwen3-Reranker-0.6B"):
        with pytest.raises(ModelNotFound, match=r"yesrank pull Qwen/Qwen3-Reranker-0\.6B"):
            resolve(model, store)
    with pytest.raises(ModelNotFound, match="yesrank pull OWNER/NAME"):
        resolve("https://example.org/model", store)
    for name in ("", "x" * 5000, "a\0b"):
        with pytest.raises(ModelNotFound):
            resolve(name, store)


def test_what_a_caller_asks_for_goes_before_the_entry() -> None:
    asked = FULL.overridden(device="CPU", max_length=99)
    assert (asked.device, asked.max_length, asked.precision, asked.template) == ("CPU", 99, "int8", "chat")
    assert FULL.overridden() == FULL


def test_places_follow_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YESRANK_CONFIG", str(tmp_path / "names.toml"))
    monkeypatch.setenv("YESRANK_MODELS", str(tmp_path / "kept"))
    assert config_file() == Store().path == tmp_path / "names.toml"
    assert models_folder() == tmp_path / "kept"
    monkeypatch.delenv("YESRANK_CONFIG")
    monkeypatch.delenv("YESRANK_MODELS")
    assert config_file().name == "models.toml"
    assert "yesrank" in str(models_folder())


@pytest.mark.parametrize("alias", ["cohere.rerank-v3-5:0", "text-rerank@001", "nvidia/nv-rerank-qa:1"])
def test_an_alias_may_be_as_other_services_write_names(tmp_path: Path, alias: str) -> None:
    assert Entry("own", tmp_path, aliases=(alias,)).names == ("own", alias)
    with pytest.raises(InputError):
        Entry(alias, tmp_path)
