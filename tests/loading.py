"""Modules loaded from files, beside those that `import` finds."""

import importlib.util
from pathlib import Path
from types import ModuleType


def from_file(path: Path, name: str) -> ModuleType:
    """Run the Python file as a module of this name, which `import` does not find afterwards."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interpreted(module: ModuleType) -> ModuleType:
    """Load the module's Python source, also if its compiled form was imported."""
    assert module.__file__ is not None
    source = Path(module.__file__.split(".")[0] + ".py")
    return from_file(source, f"interpreted_{source.stem}")
