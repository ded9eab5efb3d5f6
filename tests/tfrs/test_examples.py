"""The examples in the style of TFRS run, and so do the copies that `check-tfrs` makes of them as they were before."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import keras
import pytest

from reciperec_layers.cli.tfrs_findings import findings_of
from tests.cli.conftest import reciperec

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "tfrs"
SCRIPTS = {
    "recipes": "top-100: ",
    "ranking": "'rmse': ",
    "multi_task": "'rmse': ",
    "deep": "layers [64, 32]: top-100 ",
    "sequential": "top_100_categorical_accuracy",
    "dcn": "deep network: RMSE ",
    "listwise": "softmax_loss: NDCG ",
}


def as_for_tfrs(code: str) -> str:
    """Returns a script as it was before its change."""
    code = re.sub(r"import reciperec_layers\.tfrs as tfrs.*", "import tensorflow_recommenders as tfrs", code)
    code = re.sub(r"^import keras\n", "", code, flags=re.MULTILINE)
    code = re.sub(r"\bkeras\.", "tf.keras.", code).replace("optimizers.A", "optimizers.legacy.A")
    return code.replace("import reciperec_layers as rl\n", "from reciperec_layers import optimizers\nrl = optimizers\n")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_copy_with_the_safe_changes_runs(name, shared_data, tmp_path, monkeypatch, capsys):
    before = as_for_tfrs((EXAMPLES / f"{name}.py").read_text("utf-8"))
    (tmp_path / f"{name}.py").write_text(before, "utf-8")
    finished = reciperec("check-tfrs", tmp_path / f"{name}.py", "--write", tmp_path / "new")
    assert finished.code == 0, finished.err
    copy = (tmp_path / "new" / f"{name}.py").read_text("utf-8")
    assert "tensorflow_recommenders" not in copy.replace("tutorial", "")
    assert not [each for each in findings_of([copy])[0] if each.kind == "change"]
    data = shared_data / ("recipes" if name == "recipes" else "ml-latest-small")
    size = ["--epochs", "1"] if name == "recipes" else ["--rows", "3000", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", [f"{name}.py", str(data), *size])
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    keras.utils.set_random_seed(1)
    runpy.run_path(str(tmp_path / "new" / f"{name}.py"), run_name="__main__")
    assert SCRIPTS[name] in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.*shuffle=True")  # of Keras's own `fit`
@pytest.mark.parametrize("variant", ["plain", "own"])
def test_other_forms_of_the_notebook(variant, shared_data, monkeypatch, capsys):
    words = ["recipes.py", str(shared_data / "recipes"), "--variant", variant, "--epochs", "3"]
    monkeypatch.setattr(sys, "argv", words)
    keras.utils.set_random_seed(1)
    runpy.run_path(str(EXAMPLES / "recipes.py"), run_name="__main__")
    out = capsys.readouterr().out
    found = {k: float(re.search(rf"top-{k}: (\S+)", out)[1]) for k in (1, 5, 10, 50)}
    # Two runs of the notebook have .0210 and .0370, .1155 and .1540, .2100 and .2460, .4810 and .4775.
    assert 0.01 < found[1] < 0.09
    assert 0.10 < found[5] < 0.25
    assert 0.18 < found[10] < 0.35
    assert 0.43 < found[50] < 0.58
