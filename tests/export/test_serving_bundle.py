"""Exported models: what TensorFlow alone returns is what `recommend` returns, and a folder is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import reciperec_layers as rl
from reciperec_layers.errors import (
    ArgumentError,
    ColumnError,
    DivergedError,
    IdError,
    ModelFileError,
    OutputError,
    OutputExistsError,
    StateError,
    UnknownIdError,
    VocabularyMismatchError,
)
from reciperec_layers.export import serving_bundle
from reciperec_layers.graph.graph_errors import raised_as_ours
from reciperec_layers.models import Corpus, read_manifest, verify_bundle
from tests.models.conftest import RECIPES, USERS

pytestmark = pytest.mark.filterwarnings("ignore:k=.* is more than the .* candidates of the corpus")

INTEGERS = np.array([105, 3, 2**62, 77, 10, 8])

# Prints what both signatures of folders return for questions in a file, in a process without the package.
ALONE = """
import json, sys
sys.modules["reciperec_layers"] = None
import tensorflow as tf
answers = []
for folder, name, arguments in json.load(open("questions.json", encoding="utf-8")):
    function = tf.saved_model.load(folder).signatures[name]
    specs = function.structured_input_signature[1]
    arguments = {key: tf.constant(value, specs[key].dtype) for key, value in arguments.items()}
    found = function(**arguments)
    ids = found["ids"].numpy().tolist()
    ids = [[item.decode("utf-8") if isinstance(item, bytes) else item for item in row] for row in ids]
    answers.append([found["scores"].numpy().tolist(), found["scores"].dtype.name, ids])
assert sys.modules["reciperec_layers"] is None
print(json.dumps(answers))
"""


def make_model(candidate_ids: Any = RECIPES, query_tower: Any = None, seed: int = 0) -> rl.RetrievalModel:
    """A model of whole numbers, in which scores are exact and ties are real."""
    rng = np.random.default_rng(seed)
    candidates = rl.IdTower(candidate_ids, 3, feature="recipe_id")
    candidates.set_weights([rng.integers(-1, 2, (len(candidate_ids) + 1, 3))])
    if query_tower is None:
        query_tower = rl.IdTower(USERS, 3, feature="user_id")
        query_tower.set_weights([rng.integers(-2, 3, (len(USERS) + 1, 3))])
    return rl.RetrievalModel(query_tower, candidates, {"recipe_id": candidate_ids}, "recipe_id")


def padded(lists: list[list[Any]], fill: Any) -> list[list[Any]]:
    width = max(map(len, lists))
    return [[*each, *[fill] * (width - len(each))] for each in lists]


def assert_equal(found: Any, expected: tuple[np.ndarray, np.ndarray]) -> None:
    ids = found["ids"].numpy()
    if ids.dtype == object:
        ids = np.array([[item.decode("utf-8") for item in row] for row in ids], dtype=object).reshape(ids.shape)
    np.testing.assert_array_equal(ids, expected[1])
    assert found["scores"].dtype == tf.float32
    np.testing.assert_allclose(found["scores"].numpy(), expected[0], rtol=1e-6)


@pytest.mark.saving
def test_tensorflow_alone_recommends_the_same(tmp_path, run_python):
    texts = np.array(["ann", "bé", "\n", "\0"], dtype=object)
    questions, expected = [], []
    for user_ids, candidate_ids, fill in ((USERS, RECIPES, ""), (USERS, INTEGERS, -1), (texts, RECIPES, "")):
        tower = rl.MLPTower(
            user_ids, 3, feature="user_id", hidden_units=(4,), num_oov_indices=3, normalize=True, seed=1
        )
        model = make_model(candidate_ids, tower)
        folder = str(tmp_path / f"bundle{len(questions)}")
        model.export(folder, k=4)
        unknown = [12345, -7] if user_ids.dtype == np.int64 else ["", "nobody"]
        users = [*user_ids.tolist(), *unknown]
        other = 4 if fill == -1 else "tofu"
        ids = candidate_ids.tolist()
        exclude = [[], ids[:2], [other], ids, [ids[-1], other, ids[0], ids[0]], []]
        questions.append([folder, "serving_default", {"user_id": users}])
        expected.append(model.recommend({"user_id": users}, k=4))
        for k in (1, 3, len(ids), len(ids) + 3):
            questions.append([folder, "recommend", {"user_id": users, "k": k, "exclude": padded(exclude, fill)}])
            expected.append(model.recommend({"user_id": users}, k=k, exclude=exclude))
    (tmp_path / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    answers = json.loads(run_python(ALONE).splitlines()[-1])
    assert len(answers) == len(expected)
    for (scores, dtype, found), (expected_scores, expected_ids) in zip(answers, expected, strict=True):
        assert found == expected_ids.tolist()
        assert dtype == "float32"
        np.testing.assert_allclose(scores, expected_scores, atol=1e-6, rtol=1e-6)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[rl.RetrievalModel, Any]:
    """A model with equal scores, and its export, loaded."""
    model = make_model(np.array([f"r{row}" for row in range(9)], dtype=object))
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    model.export(folder, k=12)
    return model, tf.saved_model.load(folder)


@given(
    users=st.lists(st.sampled_from([*USERS.tolist(), 99, -1]), min_size=1, max_size=4),
    k=st.integers(1, 12),
    data=st.data(),
)
def test_any_k_and_any_exclusion(bundle, users, k, data):
    model, loaded = bundle
    some = st.lists(st.sampled_from([f"r{row}" for row in range(9)] + ["tofu", "é"]), max_size=9)
    exclude = data.draw(st.lists(some, min_size=len(users), max_size=len(users)))
    tensors = {"user_id": tf.constant(users, tf.int64), "k": tf.constant(k)}
    lists = np.array(padded(exclude, ""), dtype=object).reshape(len(users), -1)
    found = loaded.signatures["recommend"](**tensors, exclude=tf.constant(lists, tf.string))
    assert_equal(found, model.recommend({"user_id": users}, k=k, exclude=exclude))
    for row, left_out in zip(found["ids"].numpy().tolist(), exclude, strict=True):
        assert not {item.encode() for item in left_out} & set(row)


def test_the_default_signature_is_padded_to_its_k(bundle):
    model, loaded = bundle
    found = loaded.signatures["serving_default"](user_id=tf.constant([11, 99], tf.int64))
    assert found["ids"].shape == (2, 12)
    assert_equal(found, model.recommend({"user_id": [11, 99]}, k=12))
    none = loaded.signatures["serving_default"](user_id=tf.zeros((0,), tf.int64))
    assert none["scores"].shape == (0, 12)


def test_wrong_arguments_of_a_loaded_bundle_are_clear(bundle):
    recommend = bundle[1].signatures["recommend"]
    users, nothing = tf.constant([11], tf.int64), tf.constant([[""]])
    for k in (0, -2):
        with pytest.raises(ArgumentError, match=f"`k` must be a positive integer. Received: k={k}"), raised_as_ours():
            recommend(user_id=users, k=tf.constant(k), exclude=nothing)
    with pytest.raises(ArgumentError, match="places of the results would be empty; at most"), raised_as_ours():
        recommend(user_id=users, k=tf.constant(2**31 - 1), exclude=nothing)
    with pytest.raises(ArgumentError, match="each of 1 queries. Received: 2 rows"), raised_as_ours():
        recommend(user_id=users, k=tf.constant(1), exclude=tf.constant([["r1"], ["r2"]]))


@given(
    users=st.lists(st.sampled_from([*USERS.tolist(), 99]), min_size=1, max_size=3),
    k=st.integers(1, 12),
    data=st.data(),
)
def test_any_allowed_candidates(bundle, users, k, data):
    model, loaded = bundle
    some = st.lists(st.sampled_from([f"r{row}" for row in range(9)] + ["tofu", "é"]), max_size=12)
    both = st.lists(some, min_size=len(users), max_size=len(users))
    allow, exclude = data.draw(both), data.draw(both)
    lists = [np.array(padded(each, ""), dtype=object).reshape(len(users), -1) for each in (allow, exclude)]
    tensors = {"user_id": tf.constant(users, tf.int64), "k": tf.constant(k)}
    tensors |= {name: tf.constant(each, tf.string) for name, each in zip(("allow", "exclude"), lists, strict=True)}
    found = loaded.signatures["recommend_allowed"](**tensors)
    assert_equal(found, model.recommend({"user_id": users}, k=k, exclude=exclude, allow=allow))


@pytest.mark.saving
@pytest.mark.parametrize("index", ["int8", {"index": "inverted_file", "scored_fraction": 0.1}])
def test_other_indexes_are_exported(tmp_path, index):
    rng = np.random.default_rng(0)
    ids = np.arange(20_000)
    query, candidate = rl.IdTower(USERS, 4, feature="user_id"), rl.IdTower(ids, 4, feature="recipe_id")
    query.set_weights([rng.integers(-5, 6, (len(USERS) + 1, 4))])
    candidate.set_weights([rng.integers(-50, 51, (len(ids) + 1, 4))])
    model = rl.RetrievalModel(query, candidate, {"recipe_id": ids}, index=index)
    model.export(tmp_path / "bundle", k=20)
    assert read_manifest(tmp_path / "bundle").index == (index if isinstance(index, str) else "inverted_file")
    signatures = tf.saved_model.load(tmp_path / "bundle").signatures
    users = [*USERS.tolist(), 99, 98]  # as many as have other ways than one query has
    assert_equal(
        signatures["serving_default"](user_id=tf.constant(users, tf.int64)), model.recommend({"user_id": users}, 20)
    )
    expected = model.recommend({"user_id": [11]}, 20)
    assert_equal(signatures["serving_default"](user_id=tf.constant([11], tf.int64)), expected)
    exclude = expected[1][:, :10]
    asked = {"user_id": tf.constant([11], tf.int64), "k": tf.constant(30), "exclude": tf.constant(exclude)}
    assert_equal(signatures["recommend"](**asked), model.recommend({"user_id": [11]}, 30, exclude=exclude))


def test_what_fills_up_excludes_nothing_even_where_it_is_an_id(tmp_path):
    model = make_model(np.array([5, -1, 6]))
    model.export(tmp_path / "bundle")
    recommend = tf.saved_model.load(tmp_path / "bundle").signatures["recommend"]
    found = recommend(user_id=tf.constant([12], tf.int64), k=tf.constant(3), exclude=tf.constant([[-1, 6]], tf.int64))
    assert_equal(found, model.recommend({"user_id": [12]}, k=3, exclude=[[6]]))


def test_unknown_ids_are_refused_as_by_the_model(tmp_path):
    model = make_model(query_tower=rl.IdTower(USERS, 3, feature="user_id", num_oov_indices=0))
    model.export(tmp_path / "bundle")
    serve = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"]
    with pytest.raises(UnknownIdError) as expected:
        model.recommend({"user_id": [11, 500]})
    with pytest.raises(UnknownIdError) as found, raised_as_ours():
        serve(user_id=tf.constant([11, 500], tf.int64))
    assert str(expected.value).endswith(str(found.value))
    assert_equal(serve(user_id=tf.constant([13], tf.int64)), model.recommend({"user_id": [13]}))


@pytest.mark.saving
def test_training_goes_on_and_another_export_has_the_new_weights(tmp_path, make_model, pairs):
    model = make_model()
    model.export(tmp_path / "bundle", k=3)
    model.fit(rl.data.batches(pairs, batch_size=8, seed=0), epochs=2, verbose=0)
    model.export(tmp_path / "bundle", k=3)
    serve = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"]
    assert_equal(serve(user_id=tf.constant([11, 99], tf.int64)), model.recommend({"user_id": [11, 99]}, k=3))


class TasteTower(rl.Tower):
    """Reads a vector, a number and a text."""

    def __init__(self, embedding_dim, **kwargs):
        super().__init__(embedding_dim, ["user tastes", "age", "k"], **kwargs)
        self.lookup = rl.layers.IdLookup(["vegan", "any"])
        self.table = rl.layers.EmbeddingTable(3, embedding_dim)
        self.dense = keras.layers.Dense(embedding_dim)
        self.dense.build((None, 3))
        self.built = True

    def call(self, inputs, training=None):
        numbers = tf.concat([inputs["user tastes"], inputs["age"][:, tf.newaxis]], axis=1)
        return self.dense(numbers) + self.table(self.lookup(inputs["k"]))


def test_several_columns_are_described_by_an_example(tmp_path):
    model = make_model(query_tower=TasteTower(3))
    rows = {"user tastes": [[0.5, 1.0], [2.0, -1.0]], "age": [30.0, 40.5], "k": ["vegan", "none"], "other": [1, 2]}
    with pytest.raises(ArgumentError, match="not known: 'user tastes', 'age', 'k'.*example="):
        model.export(tmp_path / "bundle")
    with pytest.raises(ColumnError, match="export: example: there is no column 'k'"):
        model.export(tmp_path / "bundle", example={"user tastes": [[1.0]], "age": [2.0]})
    model.export(tmp_path / "bundle", k=4, example=rows)
    assert read_manifest(tmp_path / "bundle").columns == {
        "user tastes": {"argument": "user_tastes", "dtype": "float32", "shape": [None, 2]},
        "age": {"argument": "age", "dtype": "float32", "shape": [None]},
        "k": {"argument": "column_k", "dtype": "string", "shape": [None]},
    }
    serve = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"]
    arguments = {"user_tastes": "user tastes", "age": "age", "column_k": "k"}
    found = serve(**{argument: tf.constant(rows[column]) for argument, column in arguments.items()})
    assert_equal(found, model.recommend(rows, k=4))


def test_examples_that_do_not_fit(tmp_path):
    model, target = make_model(), tmp_path / "bundle"
    with pytest.raises(IdError, match="example: column 'user_id': ids must be integers, as in training, not text"):
        model.export(target, example={"user_id": ["ann"]})
    with pytest.raises(ArgumentError, match="not dense"):
        model.export(target, example={"user_id": tf.ragged.constant([[1], [2, 3]])})
    model.export(target, example={"user_id": np.array([11], np.int32), "age": [4]})
    assert read_manifest(target).columns["user_id"]["dtype"] == "int64"


def functional() -> keras.Model:
    inputs = {"user_id": keras.Input((), dtype="int64", name="user_id"), "tastes": keras.Input((2,), name="tastes")}
    row = rl.IdTower(USERS, 3)(inputs["user_id"])
    return keras.Model(inputs, row + keras.layers.Dense(3)(inputs["tastes"]))


def sequential() -> keras.Model:
    lookup = keras.layers.IntegerLookup(vocabulary=USERS)
    return keras.Sequential([keras.Input((), dtype="int64"), lookup, keras.layers.Embedding(5, 3)])


@pytest.mark.parametrize(
    ("tower", "features"),
    [
        (functional, {"user_id": [11, 99], "tastes": [[1.0, 2.0], [3.0, 4.0]]}),
        (lambda: rl.towers.LayerTower(sequential(), ["user_id"], 3), {"user_id": [11, 99]}),
        (lambda: rl.towers.LayerTower(rl.IdTower(USERS, 3), ["user_id"], 3), {"user_id": [11, 99]}),
        (lambda: rl.IdTower(USERS, 3, feature="user_id", regularizer="l2", id_dropout=0.5), {"user_id": [11, 99]}),
        (lambda: rl.IdTower(USERS, 3, feature="user_id", dtype="mixed_bfloat16"), {"user_id": [11, 99]}),
    ],
)
def test_other_towers(tmp_path, tower, features):
    model = make_model(query_tower=tower())
    model.export(tmp_path / "bundle", k=3)
    serve = tf.saved_model.load(tmp_path / "bundle").signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    found = serve(**{name: tf.constant(column, specs[name].dtype) for name, column in features.items()})
    assert_equal(found, model.recommend(features, k=3))


def test_columns_that_would_have_one_name(tmp_path):
    inputs = {name: keras.Input((3,), name=name) for name in ("user id", "user_id")}
    tower = keras.Model(inputs, keras.layers.Add()(list(inputs.values())))
    with pytest.raises(ArgumentError, match="the same name in TensorFlow"):
        make_model(query_tower=tower).export(tmp_path / "bundle")


def test_what_cannot_be_exported(tmp_path):
    model, target = make_model(), tmp_path / "bundle"
    with pytest.raises(ArgumentError, match="no such format. Received: format='onnx'"):
        model.export(target, format="onnx")
    with pytest.raises(ArgumentError, match="`k` must be a positive integer"):
        model.export(target, k=0)
    bare = rl.RetrievalModel(rl.IdTower([7], 2, feature="user_id"), rl.IdTower([9], 2, feature="recipe_id"))
    with pytest.raises(StateError, match="RetrievalModel.export: the model has no candidates"):
        bare.export(target)
    (table,) = model.candidate_tower.get_weights()
    table[1] = np.nan
    model.candidate_tower.set_weights([table])
    with pytest.raises(DivergedError, match="1 of 5 candidate embeddings are not finite"):
        model.export(target)
    assert os.listdir(tmp_path) == []


def test_the_manifest_describes_the_bundle(tmp_path):
    model = make_model()
    model.export(tmp_path / "bundle", k=6, format="tf_saved_model")
    manifest = verify_bundle(tmp_path / "bundle", corpus=model.corpus)
    assert manifest == read_manifest(tmp_path / "bundle")
    versions = {"reciperec_layers": rl.__version__, "keras": keras.__version__, "tensorflow": tf.__version__}
    assert manifest.versions == versions
    assert manifest.columns == {"user_id": {"argument": "user_id", "dtype": "int64", "shape": [None]}}
    assert (manifest.candidate_id, manifest.candidate_id_dtype) == ("recipe_id", "string")
    assert (manifest.num_candidates, manifest.embedding_dim, manifest.k) == (5, 3, 6)
    assert manifest.fingerprints["candidate_ids"] == rl.Vocabulary(RECIPES).fingerprint
    assert manifest.fingerprints["query_vocabularies"] == [rl.Vocabulary(USERS).fingerprint]
    assert {"saved_model.pb", "variables/variables.index"} <= manifest.files.keys()


@pytest.fixture
def exported(tmp_path) -> Path:
    make_model().export(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_of_another_catalogue_is_refused(exported):
    same = {"recipe_id": RECIPES}
    verify_bundle(exported, corpus=Corpus(same, "recipe_id"))
    with pytest.raises(VocabularyMismatchError, match="of other candidates than the corpus. Received: .*bundle=5, co"):
        verify_bundle(exported, corpus=Corpus({"recipe_id": RECIPES[:4]}, "recipe_id"))
    with pytest.raises(VocabularyMismatchError, match="ids are equal, columns are not"):
        verify_bundle(exported, corpus=Corpus({**same, "minutes": range(5)}, "recipe_id", ["minutes"]))


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.data-00000-of-00001", "fingerprint.pb"])
def test_a_file_that_changed_or_is_missing_is_named(exported, name):
    content = bytearray((exported / name).read_bytes())
    content[len(content) // 2] ^= 1
    (exported / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=f"not as they were exported: '{name}'"):
        verify_bundle(exported)
    (exported / name).unlink()
    with pytest.raises(ModelFileError, match=f"not whole, it lacks: '{name}'"):
        verify_bundle(exported)


def test_folders_that_are_no_bundles(exported, tmp_path):
    manifest = exported / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    for changed, message in (
        (text[:50], "manifest.json is damaged"),
        ("[]", "belongs to something else"),
        ('{"format": "another"}', "belongs to something else"),
        (text.replace('"format_version": 1', '"format_version": 2'), "only version 1 .*format_version=2"),
        (text.replace('"k": 10', '"k": "ten"'), "damaged: 'k'"),
        (text.replace('"files"', '"other"'), "damaged: 'files'"),
    ):
        manifest.write_text(changed, encoding="utf-8")
        with pytest.raises(ModelFileError, match=message):
            verify_bundle(exported)
    manifest.unlink()
    with pytest.raises(ModelFileError, match="was not written completely: it lacks manifest.json"):
        verify_bundle(exported)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="it is a file"):
        read_manifest(tmp_path / "file")
    with pytest.raises(ModelFileError, match="there is no such folder"):
        read_manifest(tmp_path / "none")


@pytest.mark.saving
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("there", [False, True])
def test_what_stops_half_way_leaves_what_was_there(tmp_path, monkeypatch, error, there):
    model, target = make_model(), tmp_path / "bundle"
    if there:
        model.export(target, k=3)

    def stop(folder):
        assert (folder / "saved_model.pb").is_file()
        raise error("stopped")

    monkeypatch.setattr(serving_bundle, "file_hashes", stop)
    with pytest.raises(error, match="stopped"):
        model.export(target, k=5)
    assert os.listdir(tmp_path) == ["bundle"] * there
    assert not there or verify_bundle(target).k == 3


def test_only_a_bundle_is_replaced(exported, tmp_path, monkeypatch):
    model = make_model()
    with pytest.raises(OutputExistsError, match="the folder exists"):
        model.export(exported, overwrite=False)
    (exported / "variables" / "variables.index").unlink()  # a damaged one may be replaced
    model.export(exported, k=4)
    assert verify_bundle(exported).k == 4
    (exported / "mine.txt").write_text("soup")
    with pytest.raises(OutputExistsError, match="other files in its folder: 'mine.txt'"):
        model.export(exported)
    for name in ("empty", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    for name in ("empty", "other"):
        with pytest.raises(OutputExistsError, match="exists and is not an exported model"):
            model.export(tmp_path / name)
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(OutputExistsError):
        model.export(".")
    assert sorted(os.listdir(tmp_path)) == ["bundle", "empty", "other"]


def test_a_link_is_followed(exported, tmp_path):
    (tmp_path / "current").symlink_to(exported)
    make_model().export(tmp_path / "current", k=2)
    assert (tmp_path / "current").is_symlink()
    assert read_manifest(exported).k == 2


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OutputError, match=r"cannot be written \(.*No space left on device"):
        make_model().export(tmp_path / "bundle")
    assert os.listdir(tmp_path) == []


@pytest.mark.saving
def test_a_copy_is_a_bundle(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "copy")
    assert verify_bundle(tmp_path / "copy") == read_manifest(exported)
