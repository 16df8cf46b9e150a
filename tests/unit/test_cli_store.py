"""The verbs add, list and remove, and stored names in the other verbs."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from stand_ins import WordOverlapReranker
from typer.testing import CliRunner, Result

from yesrank import Reranker
from yesrank.cli.main import app
from yesrank.errors import InputError, ModelError, ModelNotFound, NoSpace, YesrankError
from yesrank.store import Entry, Store, intake, pending
from yesrank.store.blobs import Blob
from yesrank.store.hub import _check_space
from yesrank.store.hub_errors import explaining


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YESRANK_CONFIG", str(tmp_path / "models.toml"))
    monkeypatch.setenv("YESRANK_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("YESRANK_MODEL", raising=False)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "300", "NO_COLOR": "1"})


def done(*arguments: str) -> Result:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


def test_a_converted_folder_is_used_where_it_lies(folders: dict[str, Path]) -> None:
    path = str(folders["int8"])
    added = done(
        "add",
        "mine",
        "--model-path",
        path,
        "--model-type",
        "rerank",
        "--engine",
        "optimum",
        "--device",
        "GPU",
    )
    assert "yesrank's own engine" in added.stderr
    assert "added: mine" in added.stdout
    entry = Store().get("mine")
    assert (str(entry.path), entry.device, entry.revision) == (str(folders["int8"].resolve()), "GPU", None)
    assert "mine" in done("list").stdout
    removed = json.loads(done("remove", "mine", "--delete-files", "--json").stdout)
    assert removed["freed"] == 0
    assert "was not made by yesrank" in removed["note"]
    assert folders["int8"].is_dir()
    assert Store().list() == ()


def test_a_checkpoint_is_converted_on_the_way_in(checkpoint_folder: Path, home: Path) -> None:
    options = ("--weights", "bf16", "--template", "chat", "--alias", "a", "--alias", "b", "--json")
    added = json.loads(done("add", "acme/new", "--model-path", str(checkpoint_folder), *options).stdout)
    folder = home / "models" / "acme--new"
    assert (added["path"], added["source"]) == (str(folder), str(checkpoint_folder.resolve()))
    assert added["aliases"] == ["a", "b"]
    manifest = json.loads((folder / "yesrank.json").read_text())
    assert (manifest["weights"], manifest["template"]) == ("bf16", "chat")
    freed = json.loads(done("remove", "acme/new", "--delete-files", "--json").stdout)["freed"]
    assert freed > 100_000
    assert not folder.exists()


def test_a_folder_of_two_names_is_not_deleted(checkpoint_folder: Path, home: Path) -> None:
    done("add", "one", "--model-path", str(checkpoint_folder))
    done("add", "two", "--model-path", str(home / "models" / "one"))
    assert "belongs to another name" in done("remove", "one", "--delete-files").stderr
    assert (home / "models" / "one").is_dir()
    done("remove", "two", "--delete-files")
    assert not (home / "models" / "one").exists()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("bad name",), InputError, "cannot be a name"),
        (("builtin",), InputError, "comes with yesrank"),
        (("x", "--model-type", "llm"), InputError, "use rerank or embedding"),
        (("x", "--engine", "ovgenai"), InputError, "'ovgenai' is not known"),
        (("x", "--weights", "int8"), InputError, "is converted already"),
        (("x", "--revision", "main"), InputError, "is a folder"),
        (("x", "--max-length", "100000"), InputError, "max_length: must be 1 to 4096"),
        (("x", "--model-path", "nowhere"), ModelNotFound, "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_added(
    folders: dict[str, Path], arguments: tuple[str, ...], kind: type[Exception], message: str
) -> None:
    result = invoke("add", "--model-path", str(folders["int8"]), *arguments)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert Store().list() == ()


def test_damaged_and_foreign_folders_are_not_added(folders: dict[str, Path], home: Path) -> None:
    broken = home / "broken"
    shutil.copytree(folders["int8"], broken)
    with (broken / "openvino_model.bin").open("r+b") as file:
        file.truncate(1000)
    assert isinstance(invoke("add", "x", "--model-path", str(broken)).exception, ModelError)
    (home / "empty").mkdir()
    assert isinstance(invoke("add", "x", "--model-path", str(home / "empty")).exception, ModelError)
    assert Store().list() == ()


def test_what_a_killed_run_left_is_not_taken_for_the_model(checkpoint_folder: Path, home: Path) -> None:
    (home / "models" / "x").mkdir(parents=True)
    result = invoke("add", "x", "--model-path", str(checkpoint_folder))
    assert isinstance(result.exception, InputError)
    assert "no stored model has the name x" in str(result.exception)


def test_a_folder_that_was_kept_is_never_deleted_for_a_new_one(checkpoint_folder: Path, home: Path) -> None:
    done("add", "x", "--model-path", str(checkpoint_folder))
    done("remove", "x")
    result = invoke("add", "x", "--model-path", str(checkpoint_folder))
    assert isinstance(result.exception, InputError)
    assert f"yesrank add x --model-path {home / 'models' / 'x'}" in str(result.exception)
    done("add", "x", "--model-path", str(home / "models" / "x"))
    assert json.loads(done("remove", "x", "--delete-files", "--json").stdout)["freed"] > 0


def test_a_folder_of_another_file_of_names_is_never_deleted(
    checkpoint_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done("add", "x", "--model-path", str(checkpoint_folder))
    pending.mark(home / "models" / "x", Store())  # as after a kill between the name and the end
    monkeypatch.setenv("YESRANK_CONFIG", str(home / "other.toml"))
    assert isinstance(invoke("add", "x", "--model-path", str(checkpoint_folder)).exception, InputError)
    assert (home / "models" / "x" / "openvino_model.bin").exists()


def test_two_commands_at_one_name(
    checkpoint_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_WAIT", 0.0)
    target = home / "models" / "x"
    with pending.changing(target, Store()):
        result = invoke("add", "x", "--model-path", str(checkpoint_folder))
        assert "written or removed by another process" in str(result.exception)
    done("add", "x", "--model-path", str(checkpoint_folder))
    with pending.changing(target, Store()):
        result = invoke("remove", "x", "--delete-files")
        assert "written or removed by another process" in str(result.exception)
    assert Store().get("x").path == target
    assert target.is_dir()


def test_a_name_that_is_removed_while_it_is_pulled_is_pulled(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    store.add(Entry("x", home / "gone", source="acme/x", revision="1" * 40))
    monkeypatch.setattr(intake.hub, "look_up", lambda *_: store.remove("x") and None)
    downloads = []

    def download(hub_id: str, *_: object) -> None:
        downloads.append(hub_id)
        raise ModelNotFound("the hub is away")

    monkeypatch.setattr(intake, "_download", download)
    with pytest.raises(ModelNotFound, match="is away"):
        intake.pull(store, "acme/x")
    assert downloads == ["acme/x"]


def test_a_folder_that_goes_before_its_name_is_stored(
    folders: dict[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Path(shutil.copytree(folders["int8"], home / "mine"))
    monkeypatch.setattr(intake, "_check_model", lambda *_: shutil.rmtree(mine))
    monkeypatch.setattr(intake, "_check_weights", lambda *_: None)
    assert isinstance(invoke("add", "x", "--model-path", str(mine)).exception, ModelNotFound)
    assert Store().list() == ()


def test_the_list_shows_problems_and_the_model_of_the_package(folders: dict[str, Path], home: Path) -> None:
    for name in ("gone", "short"):
        shutil.copytree(folders["int8"], home / name)
        done("add", name, "--model-path", str(home / name))
    shutil.rmtree(home / "gone")
    (home / "short" / "openvino_model.bin").write_bytes(b"short")
    text = done("list").stdout
    assert f"problem: gone: there is no folder {home / 'gone'}" in text
    assert "problem: short: " in text
    listed = {each["name"]: each for each in json.loads(done("list", "--json").stdout)["models"]}
    assert [*listed] == ["gone", "short", "builtin"]
    assert (listed["builtin"]["builtin"], listed["builtin"]["added"]) == (True, None)
    assert listed["gone"]["bytes"] == 0


def test_a_stored_name_brings_its_settings_and_options_go_before_them(
    folders: dict[str, Path], fake_reranker: type[WordOverlapReranker]
) -> None:
    settings = "--device GPU --precision f32 --template chat --max-length 99 --alias m"
    done("add", "mine", "--model-path", str(folders["int8"]), "--instruction", "Why?", *settings.split())
    done("rerank", "--model", "m", "q", "d")
    done("rerank", "--model", "mine", "q", "d", "--device", "CPU", "--precision", "auto", "--max-length", "7")
    stored, asked = fake_reranker.calls
    chosen = ("device", "precision", "template", "max_length")
    assert [stored[key] for key in chosen] == ["GPU", "f32", "chat", 99]
    assert [asked[key] for key in chosen] == ["CPU", "auto", "chat", 7]
    assert stored["model"] == folders["int8"].resolve()
    assert isinstance(invoke("rerank", "--model", "mime", "q", "d").exception, ModelNotFound)
    assert json.loads(done("inspect", "m", "--json").stdout)["problems"] == []


def test_the_model_that_ran_is_named_last(
    folders: dict[str, Path], fake_reranker: type[WordOverlapReranker]
) -> None:
    def last(*arguments: str) -> str:
        return done(*arguments).stderr.splitlines()[-1]

    assert "builtin, a small one" in last("rerank", "q", "d")
    assert "it is the default model" in done("add", "mine", "--model-path", str(folders["int8"])).stderr
    assert "mine stays the default" in done("add", "other", "--model-path", str(folders["bf16"])).stderr
    assert last("rerank", "q", "d") == f"model: mine ({folders['int8'].resolve()}, f32)"
    assert "builtin" in last("rerank", "q", "d", "--model", "builtin")
    assert "default: other" in done("default", "other").stdout
    assert json.loads(done("default", "--json").stdout)["name"] == "other"
    assert json.loads(done("rerank", "q", "d", "--json").stdout)["model"] == "other"
    assert [call["model"] for call in fake_reranker.calls][-1] == folders["bf16"].resolve()
    assert json.loads(done("list", "--json").stdout)["default"] == "other"
    assert "other (" in last("demo")


def test_the_list_fits_into_80_columns(folders: dict[str, Path]) -> None:
    done("add", "a-rather-long-name-of-a-model-that-somebody-gave", "--model-path", str(folders["int8"]))
    result = CliRunner().invoke(app, ["list"], env={"COLUMNS": "80", "NO_COLOR": "1"})
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["name", "size", "added", "weights", "runs", "on", "from"]
    assert lines[1].startswith("*  a-rather-long")
    assert date.today().isoformat() in lines[1]


def test_python_opens_a_model_by_its_name(
    folders: dict[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done("add", "mine", "--model-path", str(folders["int8"]), "--max-length", "99", "--alias", "m")
    for name, length in (("m", 99), (str(folders["int8"]), None), ("builtin", None), (None, None)):
        with Reranker(name) as reranker:
            assert length in (None, reranker.max_length)
            assert reranker.folder.path.name == ("builtin" if name in ("builtin", None) else "int8")
    with Reranker("mine", max_length=50) as reranker:
        assert reranker.max_length == 50
    with pytest.raises(ModelNotFound, match="did you mean mine"):
        Reranker("mime")
    monkeypatch.chdir(home)
    (home / "mine").symlink_to(folders["bf16"])
    with pytest.warns(UserWarning, match="the folder is used") as warned, Reranker("mine") as reranker:
        assert reranker.folder.path == Path("mine")
    assert warned[0].filename == __file__


def test_a_full_disk_is_found_before_the_download_and_named_after_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = Blob("", home / "blobs" / "x", home / "lock", "x", 10, "", {})
    _check_space("a/b", 10, [blob])
    with pytest.raises(NoSpace, match="a/b needs 1000000000"):
        _check_space("a/b", 10**18, [blob])
    with pytest.raises(NoSpace, match="goes on where it stopped"), explaining("a/b"):
        raise OSError(28, "No space left on device")
    with pytest.raises(ZeroDivisionError), explaining("a/b"):
        _ = 1 // 0


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ("rerank", "q", "d", "--model", "Qwen/Qwen3-Reranker-0.6B"),
            "yesrank pull Qwen/Qwen3-Reranker-0.6B",
        ),
        (("inspect", "https://huggingface.co/acme/tiny"), "yesrank pull acme/tiny"),
        (("verify", "https://huggingface.co/acme/tiny"), "yesrank pull acme/tiny"),
        (("convert", "acme/tiny", "out"), "yesrank pull acme/tiny"),
        (("convert", "https://huggingface.co/acme/tiny", "out"), "yesrank pull acme/tiny"),
        (("pull", "Qwen3-Reranker-0.6B"), "yesrank pull Qwen/Qwen3-Reranker-0.6B"),
        (("pull", "https://example.org/x"), "https://huggingface.co/OWNER/NAME"),
        (("pull", "."), "yesrank add NAME --model-path ."),
        (("pull", "https://huggingface.co/acme/tiny/tree/v1", "--revision", "v2"), "leave --revision out"),
    ],
)
def test_what_is_no_folder_leads_to_pull(arguments: tuple[str, ...], hint: str) -> None:
    error = invoke(*arguments).exception
    assert isinstance(error, YesrankError)
    assert hint in str(error.hint)
