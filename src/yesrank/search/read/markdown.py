"""Markdown: a section a heading, with the path of headings above it. Fenced code holds no headings."""

import re
from collections.abc import Iterator

from yesrank.search.sections import Extract, Section

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_TITLE = re.compile(r"title:[ \t]*(.+)")
_FRONT = "---"


def read(content: str) -> Extract:
    """The sections in their order."""
    lines = content.split("\n")
    begin, title = _front_matter(lines)
    return Extract("markdown", tuple(_sections(lines, begin, (title,) if title else ())))


def _front_matter(lines: list[str]) -> tuple[int, str | None]:
    """The index of the first line after YAML at the beginning, and the title that it gives."""
    if lines[0].rstrip() != _FRONT:
        return 0, None
    for at, line in enumerate(lines[1:], start=1):
        if line.rstrip() in (_FRONT, "..."):
            found = next(
                (_TITLE.fullmatch(each.rstrip()) for each in lines[1:at] if _TITLE.match(each)), None
            )
            return at + 1, found.group(1).strip("\"' ") if found else None
    return 0, None


def _sections(lines: list[str], begin: int, above: tuple[str, ...]) -> Iterator[Section]:
    path: list[tuple[int, str]] = []
    start = begin
    for at, after, level, title in _headings(lines, begin):
        yield from _section(lines, start, at, path, above)
        path = [each for each in path if each[0] < level]
        path.append((level, _LINK.sub(r"\1", title).strip()))
        start = after
    yield from _section(lines, start, len(lines), path, above)


def _section(
    lines: list[str], start: int, end: int, path: list[tuple[int, str]], above: tuple[str, ...]
) -> Iterator[Section]:
    """What stands under a heading; of a heading with nothing under it but others, nothing."""
    text = "\n".join(lines[start:end])
    heading = tuple(title for _, title in path if title)
    if text.strip():
        whole = heading if heading[:1] == above else (*above, *heading)
        yield Section(text, whole, line=start + 1)


def _headings(lines: list[str], begin: int) -> Iterator[tuple[int, int, int, str]]:
    """(first line, line after it, level, title) of each heading outside fenced code."""
    fence = ""
    for at in range(begin, len(lines)):
        line = lines[at]
        if found := _FENCE.fullmatch(line):
            mark, rest = found.groups()
            if not fence:
                fence = mark if "`" not in rest or mark[0] == "~" else ""
            elif mark[0] == fence[0] and len(mark) >= len(fence) and not rest.strip():
                fence = ""
        elif fence:
            continue
        elif found := _HEADING.fullmatch(line):
            yield at, at + 1, len(found.group(1)), found.group(2) or ""
        elif at > begin and (found := _UNDERLINE.fullmatch(line)) and _is_title(lines, at - 1, begin):
            yield at - 1, at + 1, 1 if "=" in line else 2, lines[at - 1].strip()


def _is_title(lines: list[str], at: int, begin: int) -> bool:
    """Whether a line that is underlined is a heading: one line of text, after an empty one."""
    line = lines[at]
    above = lines[at - 1] if at > begin else ""
    plain = not line.startswith(("    ", "\t")) and not re.match(r"\s{0,3}([-*+>|#]|\d+[.)])", line)
    return bool(line.strip()) and plain and not above.strip()
