"""Plain text: one section, whose lines are counted."""

from yesrank.search.sections import Extract, Section


def read(content: str, kind: str = "text") -> Extract:
    """The whole. Text of old Macs, whose lines end at CR, has lines as well."""
    lines = content if "\n" in content else content.replace("\r", "\n")
    return Extract(kind, (Section(lines, line=1),))
