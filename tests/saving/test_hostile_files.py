"""Damaged and hostile files: every one is refused by one of our errors, or gives an unchanged answer."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import reciperec_layers as rl
from reciperec_layers import indexes
from reciperec_layers.errors import ArgumentTypeError, ModelFileError, PluginError
from reciperec_layers.testing import check_damaged_files, damaged_files

pytestmark = pytest.mark.saving

USERS, RECIPES = [7, 9, 11], ["pie", "soup", "stew"]


def make(seed: int = 1) -> rl.RetrievalModel:
    model = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id", id_dropout=0.1, seed=seed),
        rl.MLPTower(RECIPES, 2, feature="recipe_id", hidden_units=(2,), seed=seed),
        {"recipe_id": RECIPES},
        index={"index": "inverted_file", "num_clusters": 2},
    )
    loss = rl.losses.InBatchSoftmax(sampling_correction="counts", candidate_counts=[*RECIPES, "pie"])
    popularity = rl.metrics.MeanPopularity(2, candidate_counts=[*RECIPES, "soup"])
    model.compile(rl.optimizers.Adagrad(0.1), loss, [rl.metrics.TopKAccuracy(2), popularity])
    model.fit({"user_id": USERS, "recipe_id": RECIPES}, verbose=0)
    return model


def answer(model: rl.RetrievalModel) -> list[Any]:
    slots = [each.numpy() for each in model.optimizer.variables] if model.compiled else []
    return [model.recommend({"user_id": USERS}, k=3), slots]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model and its weights."""
    folder, model = tmp_path_factory.mktemp("saved"), make()
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    return folder


def test_models(folder: Path):
    files = damaged_files(folder / "model.keras", num_cuts=10, num_flips=20, num_edits=30, num_arrays=2)
    outcomes = check_damaged_files(folder / "model.keras", rl.load_model, answer, files=files)
    assert outcomes["refused"] > 180


def test_weights_change_nothing_where_they_are_refused(folder: Path):
    model = make(seed=2)
    fresh = [model.get_weights(), [each.numpy() for each in model.optimizer.variables], answer(model)[0]]

    def load(path: Path) -> rl.RetrievalModel:
        try:
            model.load_weights(path)
        except BaseException:
            now = [model.get_weights(), [each.numpy() for each in model.optimizer.variables], answer(model)[0]]
            keras.tree.map_structure(np.testing.assert_array_equal, now, before[0])
            raise
        before[0] = [model.get_weights(), [each.numpy() for each in model.optimizer.variables], answer(model)[0]]
        return model

    before = [fresh]
    outcomes = check_damaged_files(folder / "model.weights.h5", load, answer)
    assert outcomes["refused"] > 80
    np.testing.assert_allclose(model.get_weights()[0], make().get_weights()[0], rtol=1e-5)


@pytest.mark.parametrize("kind", ["brute_force", "int8", "inverted_file"])
def test_indexes(kind: str, tmp_path: Path):
    options = {"num_clusters": 2} if kind == "inverted_file" else {}
    index = indexes.create(kind, **options)
    index.assign(np.random.default_rng(0).normal(size=(9, 3)), [f"r_{row}" for row in range(9)])
    index.save(tmp_path / "pies.index")
    outcomes = check_damaged_files(
        tmp_path / "pies.index", indexes.load_index, lambda loaded: [*loaded.search(np.eye(3), k=4), loaded.ids]
    )
    assert outcomes["refused"] > 100


@pytest.mark.parametrize("name", ["load_model", "inspect_model", "load_index", "load_weights"])
def test_paths_that_are_not_files(name: str, tmp_path: Path):
    tower = rl.IdTower(USERS, 2, feature="user_id")
    model = rl.RetrievalModel(tower, rl.IdTower(USERS, 2, feature="recipe_id"))
    read = getattr({"load_index": indexes, "load_weights": model}.get(name, rl), name)
    ending = ".weights.h5" if name == "load_weights" else ".keras"
    os.mkfifo(tmp_path / f"pipe{ending}")  # reading it would never end
    (tmp_path / f"zero{ending}").symlink_to("/dev/zero")
    (tmp_path / f"folder{ending}").mkdir()
    (tmp_path / f"loop{ending}").symlink_to(f"loop{ending}")
    problems = {
        f"pipe{ending}": "it is a pipe or a device",
        f"zero{ending}": "it is a pipe or a device",
        f"folder{ending}": "it is a folder",
        f"loop{ending}": "the file cannot be read",
        f"none{ending}": "there is no such file",
        f"file{'x' * 5000}{ending}": "the file cannot be read",
        f"a\0b{ending}": "the file cannot be read",
    }
    for path, problem in problems.items():
        with pytest.raises(ModelFileError, match=problem):
            read(tmp_path / path)
        with pytest.raises(ModelFileError, match=problem):
            read(str(tmp_path / path))
    for wrong in (None, 3, b"model.keras"):
        with pytest.raises(ArgumentTypeError, match="`filepath` must be a path"):
            read(wrong)


def rewritten(source: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copies a `.keras` file with a config that was changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return target


FUNCTION = {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"}


@pytest.mark.parametrize("load", [keras.models.load_model, rl.load_model])
@pytest.mark.parametrize(
    "rate",
    [FUNCTION, {**FUNCTION, "module": "keras.ops", "config": "ones"}, {**FUNCTION, "class_name": FUNCTION["config"]}],
)
def test_a_learning_rate_that_is_called_is_refused_by_keras_too(load: Any, rate: Any, folder: Path, tmp_path: Path):
    def change(config: dict[str, Any]) -> None:
        config["compile_config"]["optimizer"]["config"]["learning_rate"] = rate

    path = rewritten(folder / "model.keras", tmp_path / "model.keras", change)
    with pytest.raises(ModelFileError, match="`learning_rate` in a file must be a number or a schedule"):
        load(path)


def test_a_schedule_is_loaded(folder: Path, tmp_path: Path):
    model = make()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=1, decay_rate=0.5)
    model.compile(rl.optimizers.Adagrad(schedule))
    model.save(tmp_path / "model.keras")
    assert float(rl.load_model(tmp_path / "model.keras").optimizer.learning_rate) == 0.5


def test_sizes_that_the_file_does_not_have_are_refused_before_they_are_made(folder: Path, tmp_path: Path):
    def change(config: dict[str, Any]) -> None:
        for side in ("query_tower", "candidate_tower"):
            config["config"][side]["config"]["embedding_dim"] = 10**9

    path = rewritten(folder / "model.keras", tmp_path / "model.keras", change)
    with pytest.raises(ModelFileError, match=r"the config describes weights of \d{11} bytes or more"):
        rl.load_model(path)
    path = rewritten(
        folder / "model.keras",
        tmp_path / "model.keras",
        lambda config: config["config"]["candidate_tower"]["config"].update(hidden_units=[1] * 10_000),
    )
    with pytest.raises(ModelFileError, match=r"the config describes \d{4} weights or more, and the file has \d\d"):
        rl.load_model(path)
    dense = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    dense.save(tmp_path / "dense.keras")

    def widen(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"]["units"] = 10**9

    path = rewritten(tmp_path / "dense.keras", tmp_path / "wide.keras", widen)
    with pytest.raises(ModelFileError, match=r"the config describes weights of \d{10} bytes or more"):
        rl.load_model(path)


@pytest.mark.parametrize("kind", ["external array", "external link", "virtual array", "soft link"])
def test_keras_alone_reads_no_other_file(kind: str, tmp_path: Path):
    """The lower bound of Keras in pyproject.toml is chosen for this."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.save_weights(tmp_path / "model.weights.h5")
    secret, name = np.arange(6, dtype=np.float32).reshape(2, 3), "layers/dense/vars/0"
    secret.tofile(tmp_path / "secret")
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["secret"] = secret
    layout = h5py.VirtualLayout(secret.shape, secret.dtype)
    layout[...] = h5py.VirtualSource(tmp_path / "secret.h5", "secret", secret.shape)
    with h5py.File(tmp_path / "model.weights.h5", "r+") as file:
        del file[name]
        if kind == "external array":
            file.create_dataset(name, secret.shape, secret.dtype, external=[(tmp_path / "secret", 0, secret.nbytes)])
        elif kind == "external link":
            file[name] = h5py.ExternalLink(tmp_path / "secret.h5", "/secret")
        elif kind == "virtual array":
            file.create_virtual_dataset(name, layout)
        else:
            file["secret"], file[name] = secret, h5py.SoftLink("/secret")
        assert (file[name][...] == secret).all()
    with pytest.raises(ValueError, match="Not allowed: H5 file with"):
        model.load_weights(tmp_path / "model.weights.h5")
    assert (model.get_weights()[0] != secret).any()


@pytest.mark.parametrize(
    "claimed",
    [
        ["reciperec-bag; rm -rf ~", "1.2"],
        ["reciperec-bag", "1.2 && true"],
        ["--index-url=https://example.org", "1"],
        ["reciperec-bag\n", "1.2"],
        ["https://example.org/bag.whl", "1"],
        ["reciperec-bag", "1.2", "3"],
        "ab",
        7,
        {"reciperec-bag": 1},
    ],
)
def test_no_command_is_shown_that_a_file_makes_up(claimed: Any, folder: Path, tmp_path: Path):
    def change(config: dict[str, Any]) -> None:
        tower = config["config"]["query_tower"]
        tower["registered_name"] = "reciperec_layers.towers>bag"
        tower["config"]["distribution"] = claimed

    path = rewritten(folder / "model.keras", tmp_path / "model.keras", change)
    with pytest.raises(PluginError, match="needs the tower 'bag', which is not registered") as raised:
        rl.load_model(path)
    assert "pip install" not in str(raised.value)


def test_compressed_by_another_program_it_still_loads(folder: Path, tmp_path: Path):
    with (
        zipfile.ZipFile(folder / "model.keras") as old,
        zipfile.ZipFile(tmp_path / "model.keras", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    expected, found = (answer(rl.load_model(each / "model.keras")) for each in (folder, tmp_path))
    keras.tree.map_structure(np.testing.assert_array_equal, found, expected)
