"""Towers and encoders of installed packages: good, broken, of a wrong type, two of one name, and gone at load."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import PluginError
from reciperec_layers.features import ENCODERS
from reciperec_layers.registry import Registry
from reciperec_layers.towers import TOWERS
from tests.site_folder import SiteFolder

TASTE = """
import reciperec_layers as rl

class TasteTower(rl.towers.FeatureTower):
    "Any columns."
"""

LENGTH = """
import tensorflow as tf
from reciperec_layers.features import Encoder

class Length(Encoder):
    "How long a text is."

    width, form, missing = 1, tf.TensorSpec((None,), tf.string), ""

    def __init__(self, data=None, *, seed=None, name=None, **options):
        super().__init__(name, **options)
        self.built = True

    def encode(self, prepared, training=None):
        return tf.cast(tf.strings.length(prepared), self.compute_dtype)[:, tf.newaxis]

    def get_config(self):
        return {**super().get_config(), "data": None, "seed": None}
"""

GOOD = {"tower": TASTE, "encoder": LENGTH}
CLASS = {"tower": "TasteTower", "encoder": "Length"}
REGISTRIES: dict[str, Registry[Any]] = {"tower": TOWERS, "encoder": ENCODERS}

INTERACTIONS = {"user_id": [7, 8, 7, 9], "recipe_id": [1, 2, 3, 1]}
RECIPES = {"recipe_id": [1, 2, 3], "recipe_name": ["pie", "soup", ""]}


class Kitchen:
    """An environment whose packages come and go, in one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sites = {kind: SiteFolder(folder, registry.group) for kind, registry in REGISTRIES.items()}

    def install(self, kind: str, code: str, *, name: str = "good", package: str = "kitchen", to: str = "") -> None:
        module = f"{package}_{kind}"
        entry_point = f"{name} = {to or f'{module}:{CLASS[kind]}'}"
        self.sites[kind].install(f"reciperec-{package}-{kind}", "1.2", {module: code}, entry_point)
        REGISTRIES[kind].refresh()

    def restart(self) -> None:
        """Forgets the classes of installed packages, as a new process does."""
        for registry in REGISTRIES.values():
            for name, cls in list(registry._classes.items()):
                if (self.folder / f"{cls.__module__}.py").is_file():
                    del registry._classes[name]
                    registry._loaded.pop(name, None)
                    del keras.saving.get_custom_objects()[f"{registry.group}>{name}"]
            registry.refresh()
        for site in self.sites.values():
            site.forget_modules()

    def uninstall_all(self) -> None:
        self.restart()
        for each in self.folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        self.restart()


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kitchen]:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Kitchen(folder)
    yield made
    made.uninstall_all()


def model_by_name(kind: str, name: str = "good") -> rl.RetrievalModel:
    """A model of which one part is made by its name."""
    of_encoder = {"tower": "feature", "encoders": {"recipe_name": name}}
    tower = of_encoder if kind == "encoder" else name
    return rl.RetrievalModel.from_data(INTERACTIONS, RECIPES, query_tower="id", candidate_tower=tower, embedding_dim=2)


def made_by_name(kind: str) -> rl.Tower:
    """A tower that is, or has, a part made by its name."""
    if kind == "encoder":
        return rl.towers.FeatureTower({"recipe_name": ENCODERS.create("good")}, 2)
    return TOWERS.create(
        "good", encoders={"recipe_name": rl.features.Category(RECIPES["recipe_name"])}, embedding_dim=2
    )


def nested(kind: str) -> dict[str, Any]:
    """Models that have a part of a package at different depths."""
    inputs = {"recipe_name": keras.Input((), dtype="string", name="recipe_name")}
    functional = keras.Model(inputs, keras.layers.Dense(2)(made_by_name(kind)(inputs)))
    mixture = rl.towers.MixtureTower([made_by_name(kind), rl.IdTower([1, 2], 2, feature="recipe_id")], 2)
    return {
        "by name": model_by_name(kind),
        "in a mixture": rl.RetrievalModel(rl.IdTower([7], 2, feature="user_id"), mixture, RECIPES),
        "alone": made_by_name(kind),
        "a functional model": functional,
        "a functional model as a tower": rl.RetrievalModel(
            rl.IdTower([7], 2, feature="user_id"), functional, RECIPES, "recipe_id"
        ),
    }


@pytest.mark.saving
@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_good_one_is_used_by_name_and_found_at_load(kind: str, kitchen: Kitchen, tmp_path: Path):
    kitchen.install(kind, GOOD[kind])
    assert REGISTRIES[kind].describe("good").origin == f"reciperec-kitchen-{kind} 1.2"
    models = nested(kind)
    models["by name"].compile("adam")
    models["by name"].fit(INTERACTIONS, epochs=1, verbose=0)
    expected = models["by name"].recommend({"user_id": [7]}, k=3)
    for name, model in models.items():
        keras.saving.save_model(model, tmp_path / f"{name}.keras")
    for name in models:
        # Keras looks for a tower outside a model itself, and knows no entry points.
        is_ours = kind == "tower" and name in ("alone", "a functional model")
        kitchen.restart()
        loaded = (rl.load_model if is_ours else keras.models.load_model)(tmp_path / f"{name}.keras")
        if name == "by name":
            for each, before in zip(loaded.recommend({"user_id": [7]}, k=3), expected, strict=True):
                assert each.tolist() == before.tolist()

    kitchen.uninstall_all()
    message = f"needs the {kind} 'good' of the package reciperec-kitchen-{kind} 1.2, which is not installed"
    for name, model in models.items():
        with pytest.raises(PluginError, match=f"{message}.*pip install reciperec-kitchen-{kind}==1.2"):
            rl.load_model(tmp_path / f"{name}.keras")
        if isinstance(model, rl.RetrievalModel) or (kind == "encoder" and name == "alone"):
            with pytest.raises(PluginError, match=message):
                keras.models.load_model(tmp_path / f"{name}.keras")

    kitchen.install(kind, "import not_there_at_all")
    for name in models:
        with pytest.raises(PluginError, match=f"'good' of reciperec-kitchen-{kind} 1.2 .*No module named 'not_there_a"):
            rl.load_model(tmp_path / f"{name}.keras")


@pytest.mark.parametrize("kind", REGISTRIES)
def test_others_break_only_their_own_names(kind: str, kitchen: Kitchen):
    other = {"tower": "encoder", "encoder": "tower"}[kind]
    kitchen.install(kind, GOOD[kind])
    kitchen.install(kind, "import not_there_at_all", name="broken", package="broken")
    kitchen.install(kind, GOOD[other], name="odd", package="odd", to=f"odd_{kind}:{CLASS[other]}")
    for package in ("first", "second"):
        kitchen.install(kind, GOOD[kind], name="twin", package=package)
    problems = {
        "broken": f"'broken' of reciperec-broken-{kind} 1.2 .*ModuleNotFoundError: No module named 'not_there_at_all'",
        "odd": f"'odd' of reciperec-odd-{kind} 1.2 .*'odd' must be a subclass of reciperec_layers",
        "twin": f"'twin' is offered more than once, by .*reciperec-first-{kind} 1.2 .*Uninstall all but one",
    }
    for name, problem in problems.items():
        with pytest.raises(PluginError, match=problem):
            model_by_name(kind, name)
    errors = {found.name: found.error for found in REGISTRIES[kind].describe() if found.error is not None}
    assert errors.keys() == problems.keys()
    assert model_by_name(kind).recommend({"user_id": [7]}, k=3)[1].shape == (1, 3)
