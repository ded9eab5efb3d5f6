"""The application as a whole: help, towers, the demo, and what it imports."""

from __future__ import annotations

import sys

import pytest

from reciperec_layers.indexes import INDEXES
from reciperec_layers.towers import TOWERS

COMMANDS = ("train", "evaluate", "recommend", "towers", "indexes", "demo")


def test_help_lists_every_command(run):
    finished = run("--help")
    assert finished.code == 0
    assert all(command in finished.out for command in COMMANDS)
    assert run().out == finished.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_json_and_debug(run, command):
    finished = run(command, "--help")
    assert finished.code == 0
    assert "--json" in finished.out
    assert "--debug" in finished.out


def test_an_unknown_command(run):
    finished = run("trian")
    assert finished.code == 2
    assert "train" in finished.only_error()


def test_towers(run):
    found = run("towers", "--json").document()["towers"]
    assert [each["name"] for each in found] == list(TOWERS.names())
    out = run("towers").out
    assert "id" in out
    assert "reciperec" in out


def test_indexes(run):
    found = run("indexes", "--json").document()["indexes"]
    assert [each["name"] for each in found] == list(INDEXES.names())
    assert "inverted_file" in run("indexes").out


def test_a_failure_that_is_not_ours_is_one_line(run, monkeypatch):
    def fail():
        raise RuntimeError("out of [b]luck[/b]\nsecond line")

    monkeypatch.setattr("reciperec_layers.towers.describe", fail)
    finished = run("towers")
    assert finished.code == 1
    assert "RuntimeError: out of [b]luck[/b]. Use --debug" in finished.only_error()


def test_without_typer_one_line_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [name for name in sys.modules if name.startswith("reciperec_layers.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    finished = run("towers")
    assert finished.code == 1
    assert 'pip install "reciperec-layers[cli]"' in finished.only_error()


def test_help_imports_no_more_than_it_needs(run_python):
    code = (
        "import sys\n"
        "from reciperec_layers.cli import main\n"
        "before = set(sys.modules)\n"
        "main(['--help'])\n"
        "heavy = {'pandas', 'rich', 'reciperec_layers.data', 'reciperec_layers.cli.training_run'}\n"
        "print('loaded:', sorted(heavy & (set(sys.modules) - before)))\n"
    )
    assert run_python(code).splitlines()[-1] == "loaded: []"


def test_the_demo_comes_near_to_what_is_possible(tmp_path, run, monkeypatch):
    monkeypatch.setattr("reciperec_layers.models.training_choice._STEPS_OF_TRIAL", 25)
    monkeypatch.setattr("reciperec_layers.models.training_choice.SCHEDULES", (8, 8))
    folder = tmp_path / "kept"
    report = run("demo", "--seed", 1, "--keep", folder, "--json").document()
    assert report["share_of_best"] >= 0.9
    assert len(report["recommendations"]["queries"][0]["recommendations"]) == 5
    assert "recipe_name" in report["recommendations"]["queries"][0]["recommendations"][0]
    assert {path.name for path in folder.iterdir()} == {"train.csv", "test.csv", "recipes.csv", "recipes.keras"}
    again = run("demo", "--keep", folder)
    assert again.code == 2
    assert "train.csv" in again.only_error()
