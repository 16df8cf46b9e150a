"""The error that names the extra, where a project is not installed."""

from yesrank.errors import MissingExtra


def missing(
    error: ModuleNotFoundError, module: str, package: str, extra: str
) -> ModuleNotFoundError | MissingExtra:
    """What to raise for `error`: itself where something else than `module` is missing, which is no matter of ours."""
    return MissingExtra(package, extra) if (error.name or "").partition(".")[0] == module else error
