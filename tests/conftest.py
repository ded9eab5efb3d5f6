"""What all tests share: Keras's environment, Hypothesis profiles, the skips that CI allows, data, fresh processes."""

from __future__ import annotations

import gc
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

# Before anything imports Keras or TensorFlow.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # the processes would wait for each other's threads

import numpy as np
import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]
IN_CI = os.environ.get("CI", "").lower() == "true"

# Reasons, as regular expressions, for which CI lets a test be skipped. Anything else that is skipped there fails.
ALLOWED_SKIPS: tuple[str, ...] = ()

# The folder of files that earlier versions wrote, and the script that wrote them.
collect_ignore = ["saving/golden"]

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=30)
settings.load_profile("ci" if IN_CI else "local")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.scheduling import FileScheduling  # not without pytest-xdist

    return FileScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _fail_unless_allowed((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _fail_unless_allowed((yield))


def _fail_unless_allowed(report: Report) -> Report:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(re.search(allowed, reason) for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"CI does not allow this skip (ALLOWED_SKIPS in tests/conftest.py). {reason}"
    return report


@pytest.fixture(scope="module", autouse=True)
def what_a_module_leaves_is_not_collected() -> Generator[None, None, None]:
    """Taking the graphs of one model apart takes 50 ms, those of all tests minutes; the process ends soon."""
    yield
    gc.freeze()


SHORT_SCHEDULES = (8, 12)


@pytest.fixture
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model chooses by itself is tried with few steps and epochs."""
    monkeypatch.setattr("reciperec_layers.models.training_choice._STEPS_OF_TRIAL", 16)
    monkeypatch.setattr("reciperec_layers.models.training_choice.SCHEDULES", SHORT_SCHEDULES)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: RECIPEREC_DATA, else `../shared/data` beside the checkout."""
    folder = Path(os.environ.get("RECIPEREC_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}; set RECIPEREC_DATA to their folder")
    return folder


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., str]:
    """Runs Python code in a fresh process, in the test's temporary folder, and returns what it printed."""

    def run(code: str, **environment: str) -> str:
        finished = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if finished.returncode:
            pytest.fail(f"the fresh process ended with exit code {finished.returncode}:\n{finished.stderr}")
        return finished.stdout

    return run


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[str], None, None]:
    """The words before `reciperec` or the path of a script that run it in a fork of a process that has imported all."""
    path = tmp_path_factory.mktemp("preloaded") / "socket"
    command = [sys.executable, "-m", "tests.preloaded.server", str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield [sys.executable, "-IS", str(REPOSITORY / "tests" / "preloaded" / "client.py"), str(path)]
        server.terminate()


@pytest.fixture(scope="session")
def shell_path(preloaded: list[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH where `reciperec` is run by `preloaded`."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "reciperec").write_text(f'#!/bin/sh\nexec {shlex.join(preloaded)} reciperec "$@"\n')
    (folder / "reciperec").chmod(0o755)
    return os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture
def recipe_files(tmp_path: Path) -> Path:
    """A folder with a small `interactions.csv` and `recipes.csv`, in the columns of the documentation."""
    generator = np.random.default_rng(42)
    recipe_ids = 200_000 + np.arange(120)
    user_ids = 6_145_350 + generator.integers(0, 60, 600)
    rows = zip(user_ids, generator.choice(recipe_ids, 600), generator.integers(1, 6, 600), range(600), strict=True)
    interactions = ["user_id,recipe_id,rating,dateLastModified"]
    interactions += [
        f"{user},{recipe},{rating},2017-{1 + row // 60:02d}-{1 + row % 28:02d}T12:00:00.5"
        for user, recipe, rating, row in rows
    ]
    interactions.append("6145350,200000,5,2017-01-01T08:00:00")
    recipes = ["recipe_id,recipe_name,ingredients"]
    recipes += [f"{recipe},Stew number {row},onion^salt^water" for row, recipe in enumerate(recipe_ids)]
    (tmp_path / "interactions.csv").write_text("\n".join(interactions) + "\n", encoding="utf-8")
    (tmp_path / "recipes.csv").write_text("\n".join(recipes) + "\n", encoding="utf-8")
    return tmp_path
