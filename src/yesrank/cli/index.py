"""`yesrank index`: files and folders made searchable, and kept up to date."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yesrank.cli import output
from yesrank.cli.options import JsonOption
from yesrank.errors import InputError

if TYPE_CHECKING:
    from yesrank.search import Report, Status

_SHOWN = 10
NameOption = Annotated[str, typer.Option("--name", "-n", help="Which index; there may be several.")]
_MEGABYTE = 2**20


def index(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...|FOLDER...]",
            help="What is added; without any, all that the index was made of is brought up to date.",
            show_default=False,
        ),
    ] = None,
    *,
    name: NameOption = "default",
    status: Annotated[
        bool, typer.Option("--status", help="Show what the indexes hold, and change nothing.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read all of the index, and say whether it is whole.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Begin anew, with the same paths where none are given.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Delete the index; the files stay as they are.")
    ] = False,
    max_file_mb: Annotated[
        int, typer.Option("--max-file-mb", min=1, help="Leave out files that are larger.")
    ] = 64,
    as_json: JsonOption = False,
) -> None:
    """Make files searchable with yesrank search: text, Markdown, HTML, source code, JSONL, CSV, PDF, Word.

    Folders are walked; hidden files and what .gitignore leaves out are not read. Run again, only what has changed is
    read, and files that are gone are taken out. It may be interrupted at any moment: the next run goes on. PDF and Word
    files need: pip install 'yesrank[files]'.
    """
    _check_options(paths, status=status, check=check, rebuild=rebuild, remove=remove)
    if status or check:
        _show_status(name, check=check, as_json=as_json)
    elif remove:
        from yesrank import search

        search.remove(name)
        output.note(f"the index {name} is deleted")
        if as_json:
            output.show_json({"name": name, "removed": True})
    else:
        report = _run(paths or [], name, rebuild=rebuild, largest=max_file_mb * _MEGABYTE)
        if as_json:
            output.show_json(_as_data(name, report))
        _tell(report)


def _check_options(paths: list[Path] | None, **options: bool) -> None:
    chosen = [f"--{name}" for name, given in options.items() if given]
    if len(chosen) > 1 and chosen != ["--status", "--check"]:
        raise InputError("options", f"{' and '.join(chosen)} go apart", "give one of them")
    if paths and any(options[each] for each in ("status", "check", "remove")):
        raise InputError("paths", f"{chosen[0]} takes none", f"leave out {paths[0]}")


def _run(paths: list[Path], name: str, *, rebuild: bool, largest: int) -> "Report":
    from yesrank.search import index as make

    console = output.stderr_console()
    if output.is_quiet() or not console.is_terminal:
        return make(paths, name, rebuild=rebuild, largest=largest)
    with console.status("looking for files") as shown:
        seen = Counter[str]()

        def told(path: str) -> None:
            seen["files"] += 1
            if seen["files"] % 10 == 1:
                shown.update(f"{seen['files']:,} files, at {output.printable(path)}")

        return make(paths, name, rebuild=rebuild, largest=largest, told=told)


def _tell(report: "Report") -> None:
    output.note(
        f"{report.read:,} files read ({report.passages:,} passages), {report.unchanged:,} unchanged, "
        f"{report.removed:,} taken out, {report.skipped.total():,} left out"
    )
    for reason, count in report.skipped.most_common():
        output.note(f"left out: {count:,} {reason}", style="dim")
    for path, reason, detail in report.details[:_SHOWN]:
        output.note(f"  {path}: {detail or reason}", style="dim")
    if len(report.details) > _SHOWN:
        output.note("  ... all of them: yesrank index --status --json", style="dim")
    for each in report.notes[:_SHOWN]:
        output.warn(f"note: {each}", style="yellow")
    if len(report.notes) > _SHOWN:
        output.warn(f"note: {len(report.notes) - _SHOWN} more such notes", style="yellow")


def _as_data(name: str, report: "Report") -> dict[str, Any]:
    return {
        "name": name,
        "read": report.read,
        "passages": report.passages,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "skipped": dict(report.skipped),
        "details": [
            {"path": path, "reason": reason, "detail": detail} for path, reason, detail in report.details
        ],
        "notes": report.notes,
    }


def _show_status(name: str, *, check: bool, as_json: bool) -> None:
    """Of all indexes; with --check, of the named one after it was read to its end."""
    from yesrank.search import Index, index_names

    if check:
        with Index(name) as opened, output.busy("reading the index"):
            opened.check()
            output.note(f"the index {name} is whole")
    found = []
    for each in [name] if check else index_names():
        with Index(each) as opened:
            found.append((opened.status(), opened.skipped()))
    if as_json:
        output.show_json({"indexes": [_status_data(status, skipped) for status, skipped in found]})
        return
    if not found:
        output.note("there is no index yet; make one: yesrank index PATH...")
    for status, _ in found:
        output.show(output.facts(_status_rows(status), title=status.name))


def _status_rows(status: "Status") -> dict[str, str]:
    rows = {
        "files": f"{status.files:,}: "
        + ", ".join(f"{count:,} {kind}" for kind, count in status.kinds.items()),
        "passages": f"{status.passages:,}",
        "of": "\n".join(status.roots),
        "left out": ", ".join(f"{count:,} {reason}" for reason, count in status.skipped.items()) or "nothing",
        "size": output.size(status.bytes),
        "file": str(status.path),
    }
    if status.waiting:
        rows["unfinished"] = f"a run goes on, or was ended: yesrank index --name {status.name}"
    return rows


def _status_data(status: "Status", skipped: list[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "name": status.name,
        "file": str(status.path),
        "roots": status.roots,
        "files": status.files,
        "passages": status.passages,
        "kinds": status.kinds,
        "skipped": status.skipped,
        "details": [{"path": path, "reason": reason, "detail": detail} for path, reason, detail in skipped],
        "bytes": status.bytes,
        "waiting": status.waiting,
    }
