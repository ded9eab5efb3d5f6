"""`reciperec check-tfrs`: every kind of finding, and copies that say the same on Keras 3."""

from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reciperec_layers.cli.tfrs_findings import edited, findings_of

# Of each line: what it becomes, and the kinds of what is said of it.
LINES = {
    "import tensorflow_recommenders as tfrs": ("import reciperec_layers.tfrs as tfrs", ["change"]),
    "import tensorflow_recommenders": ("import reciperec_layers.tfrs as tensorflow_recommenders", ["change"]),
    "from tensorflow_recommenders.tasks import Retrieval": (
        "from reciperec_layers.tfrs.tasks import Retrieval",
        ["change"],
    ),
    "from tensorflow import keras": ("import keras", ["change"]),
    "from tensorflow import keras as k": ("import keras as k", ["change"]),
    "import tf_keras": ("import keras as tf_keras", ["change"]),
    "import tf_keras as keras": ("import keras", ["change"]),
    "import tensorflow.keras as K": ("import keras as K", ["change"]),
    "from tensorflow.keras import layers, losses": ("from keras import layers, losses", ["change"]),
    "from tensorflow.keras.layers.experimental.preprocessing import StringLookup": (
        "from keras.layers import StringLookup",
        ["change"],
    ),
    "from tensorflow.keras.optimizers.legacy import Adam": ("from keras.optimizers import Adam", ["change"]),
    "x = tf.keras.layers.Dense(2)": ("x = keras.layers.Dense(2)", ["change"]),
    "x = tf.keras.layers.experimental.preprocessing.Normalization()": ("x = keras.layers.Normalization()", ["change"]),
    "x = tf.keras.optimizers.legacy.Adagrad(lr=0.1)": (
        "x = keras.optimizers.Adagrad(learning_rate=0.1)",
        ["change", "change"],
    ),
    "x = tf.keras.losses.Reduction.SUM": ('x = "sum"', ["change"]),
    "x = tf.keras.losses.Reduction.NONE": ("x = None", ["change"]),
    "x = tf.keras.experimental.LinearModel()": ("x = keras.experimental.LinearModel()", ["missing", "change"]),
    "metric.reset_states()": ("metric.reset_state()", ["change"]),
    "model.optimizer.lr = 3": ("model.optimizer.learning_rate = 3", ["change"]),
    'os.environ["TF_USE_LEGACY_KERAS"] = "1"': ("# os.environ['TF_USE_LEGACY_KERAS'] = '1'", ["change"]),
    "é = 'ü'; x = tf.keras.Model": ("é = 'ü'; x = keras.Model", ["change"]),
    "class Model(tfrs.Model): pass": (None, ["look"]),
    "class Other(tfrs.models.Model): pass": (None, ["look"]),
    "model.fit(rows, workers=3)": (None, ["look"]),
    'model.save("folder")': (None, ["look"]),
    'model.save("model.keras")': (None, []),
    'tf.keras.models.load_model("folder")': ('keras.models.load_model("folder")', ["look", "change"]),
    "tf.keras.models.load_model(path)": ("keras.models.load_model(path)", ["look", "change"]),
    "model.save(path)": (None, []),
    'model.load_weights("checkpoint")': (None, ["look"]),
    "x = lookup.vocab_size()": ("x = lookup.vocabulary_size()", ["change"]),
    'user_model(["42"])': (None, ["look"]),
    'self.user_model({"user_id": ["42"]})': (None, ["look"]),
    'Own()((["42"], ["Heat"]))': (None, ["look"]),
    "model = Own([32, 16])": (None, []),
    "x = tf.keras.layers.IntegerLookup(mask_value=None)": (
        "x = keras.layers.IntegerLookup(mask_token=None)",
        ["change", "change"],
    ),
    "import tensorflow_ranking as tfr": (None, ["missing"]),
    "from scann import scann_ops_pybind": (None, ["missing"]),
    'lookup_model(["42"])': (None, []),
    'np.array(["42"])': (None, []),
    "number_layer.adapt(rows.map(f).batch(8))": (None, ["look"]),
    "number_layer.adapt(np.ones(3))": (None, []),
    "self.text.adapt(titles)": (None, ["look"]),
    "self.text.adapt(titles.batch(100))": (None, []),
    "x = keras.Sequential([Own(), keras.layers.Dense(2)])": (None, ["look"]),
    "x = keras.Sequential([keras.Sequential([y]), keras.layers.Dense(2)])": (None, ["look"]),
    "x = keras.Sequential([keras.layers.Embedding(3, 2)])": (None, []),
    "tfrs.layers.embedding.TPUEmbedding(config)": (None, ["missing"]),
    "from tensorflow_recommenders.layers.embedding import TPUEmbedding": (
        "from reciperec_layers.tfrs.layers.embedding import TPUEmbedding",
        ["missing", "change"],
    ),
    "text = 'tf.keras and tensorflow_recommenders'  # tf.keras": (None, []),
    "keras.layers.Dense(3)": (None, []),
}
HEAD = """import os, keras
import tensorflow as tf
import tensorflow_recommenders as tfrs
number_layer = keras.layers.Normalization()
class Own(keras.Model): pass
lookup_model = keras.layers.StringLookup(); self.text = keras.layers.TextVectorization()
"""
LINE = HEAD.count("\n") + 1


@pytest.mark.parametrize("line", LINES)
def test_lines(line):
    code = HEAD + line
    (findings,) = findings_of([code])
    expected, kinds = LINES[line]
    assert sorted(finding.kind for finding in findings if finding.line == LINE) == sorted(kinds)
    assert edited(code, findings).split("\n")[LINE - 1] == (line if expected is None else expected)
    (again,) = findings_of([edited(code, findings)])
    assert not any(finding.kind == "change" for finding in again if finding.line == LINE)


@given(st.lists(st.sampled_from(list(LINES)), max_size=8))
def test_copies_are_python_and_need_no_more_changes(lines):
    code = "\n".join(["import tensorflow as tf", "import tensorflow_recommenders as tfrs", *lines])
    (findings,) = findings_of([code])
    copy = edited(code, findings)
    ast.parse(copy)
    (again,) = findings_of([copy])
    assert not [finding for finding in again if finding.kind == "change"]
    uses_keras = any(isinstance(node, ast.Name) and node.id == "keras" for node in ast.walk(ast.parse(copy)))
    binds_keras = any(line.startswith(("import keras", "from keras")) for line in copy.split("\n"))
    used_it_before = any(line.startswith(("keras.", "x = keras.")) for line in lines)
    assert not uses_keras or binds_keras or used_it_before


def test_keras_is_imported_where_it_is_needed(tmp_path, run):
    script = tmp_path / "old.py"
    script.write_text('"""Doc."""\nfrom __future__ import annotations\nimport tensorflow as tf\nx = tf.keras.Model\n')
    finished = run("check-tfrs", script, "--write", tmp_path / "new")
    assert finished.code == 0
    assert (tmp_path / "new" / "old.py").read_text() == (
        '"""Doc."""\nfrom __future__ import annotations\nimport keras\nimport tensorflow as tf\nx = keras.Model\n'
    )
    assert f"{script}:4: change: `tf.keras` is `keras`." in finished.out
    assert "2 safe changes, 0 lines to look at." in finished.out
    assert run("check-tfrs", script, "--write", tmp_path / "new").code != 0
    assert run("check-tfrs", script, "--write", tmp_path / "new", "--overwrite").code == 0


def notebook(*sources):
    cells = [{"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": []} for source in sources]
    cells.insert(1, {"cell_type": "markdown", "source": ["tf.keras"]})
    return {"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}


def test_a_notebook_is_one_script(tmp_path, run):
    path = tmp_path / "recipes.ipynb"
    cells = (
        "!pip install -q tensorflow-recommenders\n%matplotlib inline\n!pip install scann\nfiles = !ls\ntf.data?",
        "import tensorflow as tf\nimport tensorflow_recommenders as tfrs",
        "%%bash\nls | grep (",
        "x = tf.keras.Model\nclass M(tfrs.Model):\n    %time tf.keras.backend.clear_session()",
    )
    path.write_text(json.dumps(notebook(*cells)))
    document = run("check-tfrs", path, "--write", tmp_path / "new", "--json").document()
    found = [(each["cell"], each["line"], each["kind"]) for each in document["files"][0]["findings"]]
    assert found == [
        (1, 1, "change"),
        (1, 3, "look"),
        (2, 1, "change"),
        (2, 2, "change"),
        (4, 1, "change"),
        (4, 2, "look"),
        (4, 3, "change"),
    ]
    summary = "5 safe changes, 2 lines to look at (recipes.ipynb:cell 1:3, recipes.ipynb:cell 4:2)."
    assert summary in run("check-tfrs", path).out
    written = json.loads((tmp_path / "new" / "recipes.ipynb").read_text())
    sources = ["".join(cell["source"]) for cell in written["cells"]]
    assert sources == [
        "!pip install -q 'reciperec-layers[tfrs]'\n%matplotlib inline\n!pip install scann\nfiles = !ls\ntf.data?",
        "tf.keras",
        "import keras\nimport tensorflow as tf\nimport reciperec_layers.tfrs as tfrs",
        "%%bash\nls | grep (",
        "x = keras.Model\nclass M(tfrs.Model):\n    %time keras.backend.clear_session()",
    ]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.py", "x = (", "line 1 is no Python"),
        ("a.py", "x = '\0'", "it is no Python"),
        ("a.ipynb", "x = 1", "it is no notebook"),
        ("a.ipynb", json.dumps(notebook("x = 1", "x = (")), "line 1 of cell 2 is no Python"),
        ("a.txt", "", "a file must end with .py or .ipynb"),
    ],
)
def test_what_cannot_be_read(tmp_path, run, name, text, problem):
    (tmp_path / name).write_text(text)
    finished = run("check-tfrs", tmp_path / name, "--write", tmp_path / "new")
    assert finished.code == 2
    assert problem in finished.only_error()
    assert not (tmp_path / "new").exists()


def test_files_that_are_missing_or_alike(tmp_path, run):
    assert "there is no such file" in run("check-tfrs", tmp_path / "missing.py").only_error()
    (tmp_path / "folder.py").mkdir()
    assert "it cannot be read (Is a directory)" in run("check-tfrs", tmp_path / "folder.py").only_error()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").write_text("")
    finished = run("check-tfrs", tmp_path / "a" / "x.py", tmp_path / "b" / "x.py", "--write", tmp_path / "new")
    assert "two files are called 'x.py'" in finished.only_error()
