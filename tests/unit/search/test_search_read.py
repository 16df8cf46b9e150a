"""What each kind of file becomes."""

import io

import pytest

from yesrank.errors import InputError
from yesrank.search.read import read_file
from yesrank.search.sections import Section


def sections(text: str, name: str) -> tuple[Section, ...]:
    return read_file(text.encode(), name).sections


def test_markdown_has_a_path_of_headings_and_lines() -> None:
    text = "intro\n\n# One\na\n\n## Two `x`\nb\n```\n# no heading\n```\n\nThree\n=====\nc\n#hash\n"
    assert [(each.heading, each.line, each.text.strip()) for each in sections(text, "a.md")] == [
        ((), 1, "intro"),
        (("One",), 4, "a"),
        (("One", "Two `x`"), 7, "b\n```\n# no heading\n```"),
        (("Three",), 14, "c\n#hash"),
    ]


def test_front_matter_gives_the_title_and_is_no_text() -> None:
    [only] = sections("---\ntitle: 'My notes'\ntags: [a]\n---\ntext\n", "a.md")
    assert (only.heading, only.line, only.text.strip()) == (("My notes",), 5, "text")


def test_a_line_of_hyphens_under_a_list_is_no_heading() -> None:
    [only] = sections("- item\n---\nrest\n", "a.md")
    assert only.heading == ()


def test_html_is_what_a_reader_sees() -> None:
    page = (
        "<!doctype html><html><head><title>Site</title><style>p{}</style></head><body><nav>menu</nav>"
        "<h1>Top</h1><p>One &amp; <b>two</b>.</p><script>x<y</script><div hidden>secret<div>more</div></div>"
        "<h2>Sub</h2><ul><li>a<li>b</ul><pre>if x:\n    y</pre></body></html>"
    )
    first, second = sections(page, "a.html")
    assert (first.heading, first.text) == (("Site", "Top"), "One & two.")
    assert second.heading == ("Site", "Top", "Sub")
    assert second.text.split() == ["a", "b", "if", "x:", "y"]
    assert "if x:\n    y" in second.text


def test_a_page_is_known_by_its_content() -> None:
    assert read_file(b"<!DOCTYPE html><html><p>hello", "saved").kind == "html"


def test_code_is_headed_by_what_encloses_it() -> None:
    body = "        return 1\n" * 50
    text = "import x\n\n\nclass Store:\n    '''Doc.'''\n\n    @property\n    def get(self):\n"
    text += f"{body}\n    def put(self):\n{body}"
    found = read_file(text.encode(), "a.py")
    assert found.kind == "code (py)"
    assert [(each.heading, each.line) for each in found.sections] == [
        ((), 1),
        (("Store", "get"), 7),
        (("Store", "put"), 60),
    ]


def test_short_definitions_share_a_section() -> None:
    [only] = sections("def a(): pass\ndef b(): pass\n", "a.py")
    assert only.text.count("def") == 2


def test_records_keep_their_line_and_id() -> None:
    found = sections(
        '{"id": "x1", "title": "T", "text": "first"}\n\n{"id": "x2", "text": "second"}\n', "a.jsonl"
    )
    assert [(each.id, each.line, each.text) for each in found] == [("x1", 1, "T first"), ("x2", 3, "second")]


def test_settings_in_json_are_text() -> None:
    found = read_file(b'{"name": {"a": 1},\n "b": [1]}', "package.json")
    assert (found.kind, found.sections[0].line) == ("data", 1)


def test_unknown_text_is_text_and_binary_is_refused() -> None:
    assert read_file(b"all:\n\tmake it\n", "Makefile").kind == "text"
    with pytest.raises(InputError, match="binary"):
        read_file(b"\x00\x01\x02" * 50, "a.bin")
    with pytest.raises(InputError, match="picture"):
        read_file(b"\x89PNG\r\n\x1a\n", "a.txt")


def test_utf_16_is_read() -> None:
    assert sections("grün", "a.txt")[0].text == "grün"
    assert read_file("grün\r\nrot".encode("utf-16"), "a.txt").sections[0].text == "grün\nrot"


def pdf(*pages: str) -> bytes:
    """A PDF of one line a page, written by hand."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {5 + 2 * at} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    made, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(made))
        made += f"{number} 0 obj\n{body}\nendobj\n".encode()
    size = len(objects) + 1
    table = f"xref\n0 {size}\n0000000000 65535 f \n" + "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(made)}\n%%EOF"
    return made + (table + end).encode()


def test_pdf_has_pages() -> None:
    found = read_file(pdf("The first page.", "", "The third page."), "a.pdf")
    assert [(each.page, each.text.strip()) for each in found.sections] == [
        (1, "The first page."),
        (3, "The third page."),
    ]
    assert found.notes == ("a.pdf: 1 of 3 pages hold no text",)


def test_pdf_without_text_or_damaged_is_refused() -> None:
    with pytest.raises(InputError, match="pictures"):
        read_file(pdf(""), "a.pdf")
    with pytest.raises(InputError, match="damaged PDF"):
        read_file(b"%PDF-1.4\nnothing", "a.pdf")


def test_word_has_headings_and_tables() -> None:
    import docx

    document = docx.Document()
    document.add_heading("Report", 0)
    document.add_heading("Costs", 1)
    document.add_paragraph("All in euros.")
    table = document.add_table(2, 2)
    for row, cells in zip(table.rows, (("item", "price"), ("pen", "2")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    held = io.BytesIO()
    document.save(held)
    [only] = read_file(held.getvalue(), "a.docx").sections
    assert only.heading == ("Report", "Costs")
    assert only.text == "All in euros.\n\nitem | price\npen | 2"
    with pytest.raises(InputError, match="no Word document"):
        read_file(b"PK\x03\x04 broken", "a.docx")
