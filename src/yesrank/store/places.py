"""Where names and converted models are kept."""

import os
from pathlib import Path

CONFIG_VARIABLE, MODELS_VARIABLE = "YESRANK_CONFIG", "YESRANK_MODELS"


def config_file() -> Path:
    """The file of names: YESRANK_CONFIG, else models.toml in the platform's configuration folder."""
    if chosen := os.environ.get(CONFIG_VARIABLE):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_config_path

    return user_config_path("yesrank", appauthor=False) / "models.toml"


def models_folder() -> Path:
    """Where converted models go: YESRANK_MODELS, else models in the platform's data folder."""
    if chosen := os.environ.get(MODELS_VARIABLE):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("yesrank", appauthor=False) / "models"


def folder_for(name: str) -> Path:
    """The folder of a converted model of that name. A slash in the name makes no folder of its own."""
    return models_folder() / name.replace("/", "--")


def is_folder(path: Path) -> bool:
    """Whether it is a folder that can be seen. False, not an error, for what no file system would take."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_model(path: Path) -> bool:
    """Whether it is a folder, or a GGUF file, which is a model by itself."""
    return is_folder(path) or (path.suffix == ".gguf" and is_file(path))


def is_file(path: Path) -> bool:
    """As is_folder, of a file."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
