"""The npm package as others get it: installed from npm alone, with its samples, and keeping no id."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from browser import toolchain
from browser.site import Site, serving

QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = (
    "Venus is about as large as the Earth.\nMars looks red because of iron.\n\nJupiter has a red spot.\n"
)
NO_IDS = ("ORT_", "CI", "GITHUB_", "GITLAB_", "TF_BUILD", "JENKINS_URL", "XDG_", "TRAVIS", "BUILDKITE")
ASKED_FOR = """
document.querySelector("form").requestSubmit();
const watch = setInterval(() => {
  const lines = [...document.querySelectorAll("li")].map((line) => line.textContent);
  if (lines.length) { clearInterval(watch); globalThis.result = lines; }
}, 50);
"""


@pytest.fixture(scope="module")
def installed(web: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has installed the package, with all installation steps that its dependencies have."""
    project = tmp_path_factory.mktemp("project")
    npm = shutil.which("npm") or "npm"
    (project / "package.json").write_text('{"private": true, "type": "module"}')
    for command, place in (
        ([npm, "pack", "--silent", "--pack-destination", str(project)], web),
        ([npm, "install", "--prefer-offline", "--no-audit", "--no-fund", "./yesrank-0.1.0.tgz"], project),
    ):
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
    shutil.copytree(project / "node_modules" / "yesrank" / "samples", project / "samples")
    return project


@pytest.fixture(scope="module")
def with_runtime(installed: Path, web: Path) -> Path:
    """The same with onnxruntime-node."""
    place = installed / "node_modules" / "onnxruntime-node"
    if not place.exists():
        place.symlink_to(web / "node_modules" / "onnxruntime-node", target_is_directory=True)
    return installed


def run(
    node: str, project: Path, home: Path, *arguments: str, **variables: str
) -> tuple[int, str, list[str]]:
    """Exit code, what was printed, and the files in a home that was empty."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NO_IDS)}
    done = subprocess.run(
        [node, *arguments],
        cwd=project,
        env={**kept, "HOME": str(home), **variables},
        input=DOCUMENTS,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    files = [path.name for path in home.rglob("*") if path.is_file()]
    return done.returncode, done.stdout + done.stderr, files


def ranked(text: str) -> list[str]:
    """The documents in the order shown."""
    return [line.split(maxsplit=1)[1] for line in text.strip().splitlines()]


def test_npm_alone_is_enough(installed: Path) -> None:
    """The step that asks another feed is onnxruntime-node's."""
    lock = json.loads((installed / "package-lock.json").read_text())
    assert "node_modules/onnxruntime-web" in lock["packages"]
    assert "node_modules/onnxruntime-node" not in lock["packages"]
    assert {"dist", "samples"} <= {path.name for path in (installed / "node_modules" / "yesrank").iterdir()}


def test_without_its_runtime_it_says_what_to_install(
    node: str, web: Path, installed: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    place = installed / "node_modules" / "onnxruntime-node"
    if place.is_symlink():
        place.unlink()
    code, told, _ = run(
        node, installed, tmp_path / "home", "samples/node/rank.mjs", str(folders["yesno"]), QUERY
    )
    assert code == 1
    assert "onnxruntime-node is not installed" in told
    assert "npm install onnxruntime-node --ignore-scripts" in told


@pytest.mark.parametrize("sample", ["rank.mjs", "worker.mjs"])
def test_samples_of_node(
    node: str, with_runtime: Path, folders: dict[str, Path], tmp_path: Path, sample: str
) -> None:
    code, told, files = run(
        node, with_runtime, tmp_path / "home", f"samples/node/{sample}", str(folders["yesno"]), QUERY
    )
    assert code == 0, told
    assert sorted(ranked(told)) == sorted(line for line in DOCUMENTS.splitlines() if line)
    assert files == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the id lies in other places")
def test_without_the_library_an_id_would_be_kept(
    node: str, with_runtime: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    """And with it where the user wants that: or the test above sees nothing."""
    model = str(folders["yesno"])
    code, told, files = run(
        node,
        with_runtime,
        tmp_path / "home",
        "samples/node/rank.mjs",
        model,
        QUERY,
        ORT_DISABLE_TELEMETRY="0",
    )
    assert code == 0, told
    assert "deviceid" in files


@pytest.mark.skipif(sys.platform == "win32", reason="onnxruntime keeps no id there")
def test_a_worker_that_nobody_has_prepared_is_refused(
    node: str, with_runtime: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    script = with_runtime / "unprepared.mjs"
    script.write_text(
        "import { Worker } from 'node:worker_threads';\n"
        "const inside = `import('yesrank').then(({ Reranker }) => Reranker.load(${JSON.stringify(process.argv[2])}))\n"
        "  .then(() => console.log('loaded'), (error) => console.log(error.name, error.message, error.hint))`;\n"
        "new Worker(inside, { eval: true });\n"
    )
    code, told, files = run(node, with_runtime, tmp_path / "home", str(script), str(folders["yesno"]))
    assert (code, files) == (0, [])
    assert told.startswith("DeviceError in this worker") and "import yesrank in the main thread" in told


def test_sample_of_a_page(
    node: str, chromium: str, web: Path, installed: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Built by Vite as any page is, with the worker in a file of its own; nothing is loaded from another server."""
    page = installed / "samples" / "page"
    index = page / "index.html"
    if ASKED_FOR not in index.read_text():
        with index.open("a") as file:
            file.write(f'<script type="module">{ASKED_FOR}</script>\n')
    vite = web / "node_modules" / "vite" / "bin" / "vite.js"
    target = tmp_path / "built"
    done = subprocess.run(
        [
            node,
            str(vite),
            "build",
            str(page),
            "--outDir",
            str(target),
            "--base",
            "/built/",
            "--logLevel",
            "warn",
        ],
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "judge").symlink_to(folders["yesno"], target_is_directory=True)
    with serving(Site({"built": target, "models": tmp_path / "models"})) as site:
        told = toolchain.run_page(node, chromium, f"{site.url}/built/index.html")
    assert len(told["result"]) == 3
