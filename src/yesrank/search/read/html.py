"""HTML: what a reader of the page sees, under its headings. No scripts, styles, menus or navigation.

Places are headings only: a line of the source says nothing to who reads the page.
"""

from html.parser import HTMLParser

from yesrank.search.sections import Extract, Section

_HIDDEN = {"script", "style", "noscript", "template", "svg", "iframe", "object", "select", "button", "nav"}
_BLOCKS = {
    "p", "div", "section", "article", "main", "header", "footer", "aside", "ul", "ol", "dl", "table", "figure",
    "blockquote", "pre", "form", "hr", "address", "details", "summary", "figcaption", "body",
}  # fmt: skip
_CLOSED = {"div", "section", "article", "aside", "header", "footer", "span", "ul", "table"}
"""Elements that are always closed: of others, hidden ones without an end would hide the rest of the page."""
_LINES = {"br", "li", "tr", "dt", "dd", "caption", "option"}
_CELLS = {"td", "th"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}


def read(content: str) -> Extract:
    """The sections in their order; the lines are those of the source."""
    page = _Page()
    page.feed(content)
    page.close()
    page.end_section()
    return Extract("html", tuple(page.sections))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sections: list[Section] = []
        self._text: list[str] = []
        self._path: list[tuple[int, str]] = []
        self._title: list[str] = []
        self._in_title = False
        self._heading: tuple[int, list[str]] | None = None
        self._hidden: list[str] = []
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden or tag in _HIDDEN or (tag in _CLOSED and _is_hidden(attrs)):
            if tag not in _VOID and (not self._hidden or tag == self._hidden[0]):
                self._hidden.append(tag)
            return
        self._in_title = tag == "title" and not self.sections
        if tag in _HEADINGS:
            self.end_section()
            self._heading = (_HEADINGS[tag], [])
        self._break(tag)
        self._verbatim += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag == self._hidden[-1]:
                self._hidden.pop()
            return
        self._in_title = False
        if tag in _HEADINGS and self._heading is not None:
            level, words = self._heading
            self._heading = None
            self._path = [*((at, title) for at, title in self._path if at < level), (level, _joined(words))]
        self._break(tag)
        self._verbatim = max(0, self._verbatim - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._in_title:
            self._title.append(data)
        elif self._heading is not None:
            self._heading[1].append(data)
        elif data.strip():
            self._text.append(data if self._verbatim else self._spaced(data))
        elif self._text and not self._text[-1].endswith((" ", "\n")):
            self._text.append(" ")

    def _spaced(self, data: str) -> str:
        """The words with single spaces between them, and at the ends where there were some."""
        begins_line = not self._text or self._text[-1].endswith((" ", "\n"))
        before = "" if begins_line or not data[0].isspace() else " "
        return f"{before}{' '.join(data.split())}{' ' if data[-1].isspace() else ''}"

    def end_section(self) -> None:
        """Keeps what stands under the heading so far."""
        text = "".join(self._text).strip()
        if text:
            title = _joined(self._title)
            path = tuple(each for _, each in self._path if each)
            above = () if not title or path[:1] == (title,) else (title,)
            self.sections.append(Section(text, (*above, *path)))
        self._text = []

    def _break(self, tag: str) -> None:
        if not self._text:
            return
        if tag in _BLOCKS:
            self._text.append("\n\n")
        elif tag in _LINES:
            self._text.append("\n")
        elif tag in _CELLS:
            self._text.append(" ")


def _is_hidden(attrs: list[tuple[str, str | None]]) -> bool:
    given = dict(attrs)
    return "hidden" in given or given.get("aria-hidden") == "true"


def _joined(words: list[str]) -> str:
    return " ".join("".join(words).split())
