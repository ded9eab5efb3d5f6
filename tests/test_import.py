from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import reciperec_layers

HEAVY = ("pandas", "pyarrow", "typer", "rich", "matplotlib", "scipy", "sklearn")

PRINT_HEAVY_IMPORTS = f"""
import sys
import tensorflow, keras
before = set(sys.modules)
import reciperec_layers
print([name for name in {HEAVY} if name in sys.modules and name not in before])
"""


def test_import_brings_no_heavy_library(run_python):
    assert run_python(PRINT_HEAVY_IMPORTS).strip() == "[]"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_one_clear_error(backend: str, tmp_path: Path):
    finished = subprocess.run(
        [sys.executable, "-c", "import reciperec_layers"],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    error = finished.stderr.strip().splitlines()[-1]
    assert finished.returncode == 1
    assert error.startswith("reciperec_layers.errors.BackendError: ")
    assert f"{backend}" in error
    assert "KERAS_BACKEND=tensorflow" in error
    assert finished.stderr.count("Traceback") == 1, "the error must not come out of another one"


def test_version_is_the_distributions():
    assert reciperec_layers.__version__ == metadata.version("reciperec-layers")


def test_public_names_exist_and_are_sorted():
    public = list(reciperec_layers.__all__)
    assert public == sorted(set(public))
    for name in public:
        assert getattr(reciperec_layers, name) is not None
    assert set(public) <= set(dir(reciperec_layers))


def test_lazy_submodules_are_the_modules_themselves():
    assert reciperec_layers.data is importlib.import_module("reciperec_layers.data")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        reciperec_layers.no_such_name  # noqa: B018
