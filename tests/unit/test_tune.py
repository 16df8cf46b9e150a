"""`yesrank tune`: what is measured, what is compared, what is recommended and what is stored."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_collection import DOCUMENTS, QUERIES, write_folder, write_lines
from typer.testing import CliRunner, Result

from yesrank import Reranker
from yesrank.bench.tune import (
    Bounds,
    Profile,
    Request,
    Sample,
    choose,
    made_up,
    of_collection,
    of_file,
    processes,
    profiles_of,
    tune,
)
from yesrank.bench.tune.figures import tuning
from yesrank.bench.tune.worker import Ran
from yesrank.cli.main import app
from yesrank.engine.openvino import open_engine
from yesrank.engine.openvino.load import PRECISIONS
from yesrank.errors import DeviceMissing, EngineError, InputError, ModelError
from yesrank.evaluate import FirstStage, read_folder
from yesrank.models.folder import builtin_folder, open_model
from yesrank.rendered import LABELS
from yesrank.store import Entry, Store

EXACT, FAST, FASTER = (Profile("openvino", kind) for kind in ("f32", "int8", "w8a8"))
SAMPLE = Sample((Request("q", ("a", "b", "c", "d")),), "four")


def ran(logits: Sequence[float], seconds: float, cpu_seconds: float = 1.0) -> Ran:
    return Ran(1.0, seconds, cpu_seconds, 1000, "told", "", [[*logits]])


# profiles


@pytest.mark.parametrize("weights", ["bf16", "int8", "int4"])
def test_the_profiles_are_what_the_engine_takes(folders: dict[str, Path], weights: str) -> None:
    found = {profile.kind for profile in profiles_of(open_model(folders[weights]))}
    for precision in set(PRECISIONS) - {"auto"}:
        if precision in found:
            open_engine(folders[weights], precision=precision).close()
        else:
            with pytest.raises(InputError):
                open_engine(folders[weights], precision=precision)


def test_a_folder_of_both_kinds_has_profiles_of_both() -> None:
    names = [profile.name for profile in profiles_of(open_model(builtin_folder()))]
    assert names[0] == "openvino/f32"
    assert "onnx/int8" in names


def test_no_profile_means_an_error(checkpoint_folder: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="not been converted"):
        profiles_of(open_model(checkpoint_folder))
    with pytest.raises(DeviceMissing):
        profiles_of(open_model(folders["int8"]), "NPU.7")


def test_profiles_are_chosen_by_name() -> None:
    assert choose((EXACT, FAST), []) == (EXACT, FAST)
    assert choose((EXACT, FAST), ["openvino/int8", "openvino/int8"]) == (FAST,)
    with pytest.raises(InputError, match="openvino/int4"):
        choose((EXACT, FAST), ["openvino/int4"])


@pytest.mark.parametrize(
    "stored", [Entry("x", Path("/x")), Entry("x", Path("/x"), engine="onnx", variant="q4")]
)
def test_a_profile_replaces_how_the_entry_is_run(stored: Entry) -> None:
    as_int8 = FAST.stored_in(stored)
    assert (as_int8.engine, as_int8.variant, as_int8.precision) == (None, None, "int8")
    as_q8 = Profile("onnx", "q8").stored_in(replace(stored, precision="bf16"))
    assert (as_q8.engine, as_q8.variant, as_q8.precision) == ("onnx", "q8", "auto")


# samples


def test_requests_are_taken_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    write_lines(
        path,
        [
            {"query": "one", "documents": ["a", {"text": "b"}], "top_n": 1},
            {"query": "<Instruct>: judge\n<Query>: two", "documents": ["c", "d", "e", "f"]},
            {"query": "three", "documents": ["g"]},
        ],
    )
    found = of_file(path, 4)
    assert found.requests == (Request("one", ("a", "b")), Request("two", ("d", "f"), "judge"))
    assert found.notes == (LABELS,)
    assert found.documents == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": "x", "documents": "y"}', "line 2 is no request"),
        ('{"query": " ", "documents": ["y"]}', "line 2 is no request"),
        ('{"query": "x", "documents": ["y", 3]}', "line 2: a document is neither"),
        ("[]", "line 2 is not a JSON object"),
    ],
)
def test_a_broken_request_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "asked.jsonl"
    path.write_text(f'{{"query": "one", "documents": ["a", "b"]}}\n{line}\n')
    with pytest.raises(InputError, match=message):
        of_file(path, 10)


def test_documents_alone_are_read_as_everywhere_and_spread(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("id,text\n" + "".join(f"{number},text {number}\n" for number in range(100)))
    found = of_file(path, 4, "why?")
    assert found.requests == (Request("why?", ("text 12", "text 37", "text 62", "text 87")),)
    assert "made-up" not in found.what
    assert "1 made-up query" in of_file(path, 4).what
    lines = tmp_path / "texts.jsonl"
    write_lines(lines, [{"text": "a"}, {"text": "b"}])
    assert of_file(lines, 9).requests[0].documents == ("a", "b")


def test_what_has_no_order_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("only one\n")
    with pytest.raises(InputError, match="no order"):
        of_file(path, 10)


def test_of_a_collection_whole_queries_are_taken(tmp_path: Path) -> None:
    collection = read_folder(write_folder(tmp_path / "c"))
    found = {"q1": {"d1": 3.0, "d5": 2.0, "d2": 1.0}, "q3": {"d5": 2.0, "d2": 1.0}}
    first = FirstStage("mine", "by hand", found, ("odd",))
    one = of_collection(collection, first, 3, top_k=2)
    text = " ".join(DOCUMENTS["d1"]), " ".join(DOCUMENTS["d5"])
    assert one.requests == (Request(QUERIES["q1"], text, None, "q1", ("d1", "d5")),)
    assert one.qrels == {"q1": {"d1": 2, "d5": 1}}
    assert "odd" in one.notes
    assert [each.name for each in of_collection(collection, first, 4, top_k=2).requests] == ["q1", "q3"]


# figures and the rule


def test_the_fastest_within_the_bounds_is_recommended() -> None:
    results = {
        FASTER: [ran([4, 3, 2, 1], seconds=0.5)] * 3,
        FAST: [ran([1.5, 2.5, 3.5, 4.5], seconds=seconds) for seconds in (4, 1, 2)],
        EXACT: [ran([1, 2, 3, 4], seconds=8)] * 3,
    }
    found = tuning(SAMPLE, Bounds(), 3, results, {})
    assert (found.base, found.recommended) == (EXACT, FAST)
    wrong, fast, exact = found.figures
    assert (wrong.tau, wrong.kept) == (-1.0, False)
    assert (fast.tau, fast.drift_mean, fast.drift_max) == (1.0, 0.5, 0.5)
    assert (fast.documents_per_second, fast.slowest, fast.fastest) == (2.0, 1.0, 4.0)
    assert (exact.tau, exact.drift_max, exact.kept) == (1.0, 0.0, True)
    assert tuning(SAMPLE, Bounds(tau=-1), 3, results, {}).recommended == FASTER


def test_a_busy_machine_is_seen_by_the_processor_time() -> None:
    logits = [1.0, 2.0, 3.0, 4.0]
    results = {EXACT: [ran(logits, 9, 9)], FAST: [ran(logits, 2, 2)], FASTER: [ran(logits, 3, 1)]}
    found = tuning(SAMPLE, Bounds(), 1, results, {})
    assert (found.recommended, found.by_cpu) == (FAST, FASTER)
    assert found.figures[2].cpu_seconds == 0.25


def test_a_loss_of_ndcg_is_a_reason_against_it() -> None:
    pytest.importorskip("ir_measures")
    sample = Sample(
        (Request("q", ("a", "b", "c"), name="q", ids=("a", "b", "c")),), "judged", qrels={"q": {"a": 1}}
    )
    results = {EXACT: [ran([3, 2, 1], 9)], FAST: [ran([2, 3, 1], 1)]}
    found = tuning(sample, Bounds(tau=0, ndcg_loss=0.1), 1, results, {})
    change = found.figures[1].ndcg
    assert change is not None
    assert change.value == pytest.approx(1 / np.log2(3) - 1)
    assert found.recommended == EXACT
    assert tuning(sample, Bounds(tau=0, ndcg_loss=0.4), 1, results, {}).recommended == FAST


def test_the_base_is_the_nearest_to_the_weights_as_they_were() -> None:
    of_int8, of_floats = Profile("openvino", "f32"), Profile("openvino", "f32", float_weights=True)
    onnx = Profile("onnx", "fp32")
    order = sorted([Profile("onnx", "q4"), FAST, of_int8, onnx, of_floats], key=lambda each: each.inexactness)
    assert order == [of_floats, onnx, of_int8, FAST, Profile("onnx", "q4")]


# processes


def copy_of_builtin(folder: Path) -> Path:
    return shutil.copytree(builtin_folder(), folder)


def test_one_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    folder = copy_of_builtin(tmp_path / "m")
    (graph,) = folder.glob("onnx/model_int8.onnx")
    content = graph.read_bytes()
    graph.write_bytes(content[:-100] + bytes(100))
    said: list[str] = []
    profiles = (Profile("onnx", "int8"), EXACT)
    found = tune(Entry("m", folder), profiles, made_up(3, 5), rounds=2, progress=said.append)
    good, bad = found.figures
    assert (bad.profile.kind, good.profile, found.recommended) == ("int8", EXACT, EXACT)
    assert bad.failed is not None
    assert good.documents_per_second > 0
    assert good.peak > 50 << 20
    assert sum("failed" in each for each in said) == 1  # and it is not tried in the second round
    with pytest.raises(EngineError, match="onnx/int8"):
        tune(Entry("m", folder), profiles[:1], made_up(3, 5), rounds=1)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL: most often there was not enough memory"),
        ("import sys; sys.exit('it broke')", "ended with 1: it broke"),
        ("print('not a result')", "ended with 0: no message"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_how_a_process_ended_is_told(monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))
    with pytest.raises(processes.Failed, match=reason):
        processes.run(Entry("m", Path("/m")), SAMPLE)


def test_what_libraries_print_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import os
from yesrank.bench.tune import worker
def noisy(given):
    print("noise")
    os.write(1, b"more noise")
    return worker.Ran(1, 1, 1, 1, "f32", "", [[1.0]])
worker.measure = noisy
worker.main()
"""
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))
    assert processes.run(Entry("m", Path("/m")), SAMPLE).logits == [[1.0]]


def test_a_worker_scores_as_the_reranker_does() -> None:
    entry = EXACT.of(Entry("m", builtin_folder(), instruction="judge"))
    sample = made_up(5, 8)
    [request] = sample.requests
    with Reranker("builtin", precision="f32", instruction="judge") as reranker:
        hits = reranker.rank(request.query, request.documents)
    expected = [hit.logit for hit in sorted(hits, key=lambda hit: hit.index)]
    assert processes.run(entry, sample).logits == [pytest.approx(expected, abs=1e-4)]


# the verb


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "300", "NO_COLOR": "1"})


def done(*arguments: str) -> Result:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("YESRANK_CONFIG", str(tmp_path / "models.toml"))
    monkeypatch.setenv("YESRANK_MODELS", str(tmp_path / "models"))
    return Store()


QUICK = ("--documents", "3", "--words", "5", "--rounds", "1")


def test_the_choice_is_stored_only_where_that_is_asked_for(folders: dict[str, Path], names: Store) -> None:
    path = str(folders["int8"])
    done("add", "first", "--model-path", path, "--instruction", "judge")
    done("add", "second", "--model-path", path)
    told = done("tune", "first", *QUICK, "--profile", "openvino/w8a8")
    assert "recommended: openvino/w8a8" in told.stdout
    assert "yesrank tune first --save" in told.stderr
    assert names.get("first").precision == "auto"
    found = json.loads(done("tune", "first", *QUICK, "--profile", "openvino/w8a8", "--save", "--json").stdout)
    assert found["saved"] is True
    assert found["recommended"]["precision"] == "w8a8"
    assert [profile["profile"] for profile in found["profiles"]] == ["openvino/w8a8"]
    entry = names.get("first")
    assert (entry.precision, entry.engine, entry.instruction) == ("w8a8", None, "judge")
    assert [each.name for each in names.list()] == ["first", "second"]
    with Reranker("first") as reranker:
        assert reranker.info.precision == "w8a8"
    again = done("add", "first", "--model-path", path, "--instruction", "judge")
    assert "there already" in again.stdout
    assert names.get("first").precision == "w8a8"
    assert invoke("add", "first", "--model-path", path, "--precision", "f32").exit_code == 1


def test_what_has_no_name_cannot_be_saved_and_nothing_is_measured_for_it(
    folders: dict[str, Path], names: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "COMMAND", ("must not run",))
    refused = invoke("tune", str(folders["int8"]), "--save")
    assert "yesrank add NAME --model-path" in str(refused.exception)
    assert "built-in" in str(invoke("tune", "builtin", "--save").exception)


def test_a_folder_is_told_how_it_gets_a_name(folders: dict[str, Path], names: Store) -> None:
    found = done("tune", str(folders["int8"]), *QUICK, "--profile", "openvino/f32")
    assert f"yesrank add NAME --model-path {folders['int8']} --precision f32" in found.stderr
    assert "made-up" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "field"),
    [(("--sample", "a", "--collection", "b"), "sample"), (("--query", "why"), "query")],
)
def test_options_that_do_not_go_together(names: Store, arguments: tuple[str, ...], field: str) -> None:
    refused = invoke("tune", "builtin", *arguments)
    assert isinstance(refused.exception, InputError)
    assert refused.exception.field == field


def test_a_collection_shows_the_change_of_ndcg(tmp_path: Path, names: Store) -> None:
    pytest.importorskip("ir_measures")
    folder = write_folder(tmp_path / "c")
    profiles = ("--profile", "openvino/f32", "--profile", "openvino/int8")
    shown = done("tune", "builtin", "--collection", str(folder), "--rounds", "1", *profiles)
    assert "nDCG@10 change" in shown.stdout
    assert "(-" in shown.stdout or "(+" in shown.stdout
    assert "3 of 3 judged queries" in shown.stderr
