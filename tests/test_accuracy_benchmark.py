"""The accuracy benchmark runs on tiny folders of the public formats, and measures what `evaluate` measures."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
FOLDER = BENCHMARKS / "accuracy"
CONFIG = """\
data: tiny
embedding_dim: 4
query_tower: {normalize: true, dropout: 0.2}
candidate_tower: {normalize: true}
loss: {name: CorpusSoftmax, temperature: 0.1}
optimizer: {name: Adam, learning_rate: 0.01, schedule: cosine}
batch_size: 8
by: query
epochs: 5
prior: {weight: 0.5, trains_gate: false}
evaluate_every: 2
warm_start: true
published:
  - {name: "A paper's", recall: 0.5, ndcg: 0.25}
"""


@pytest.fixture(scope="module")
def modules() -> Iterator[Callable[[str], ModuleType]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module


def write(path: Path, lines: dict[int, list[int]]) -> None:
    text = "".join(f"{' '.join(map(str, [user, *items]))}\n" for user, items in lines.items())
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve users with ten of forty items each, of which two are for the test; one has none there."""
    (folder := tmp_path / "tiny").mkdir()
    generator = np.random.default_rng(3)
    drawn = {user: generator.permutation(40)[:10].tolist() for user in range(12)}
    write(folder / "train.txt", {user: items[:8] for user, items in drawn.items()})
    write(folder / "test.txt", {user: items[8:] if user else [] for user, items in drawn.items()})
    return tmp_path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def run(monkeypatch: pytest.MonkeyPatch, *options: object) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", ["run.py", *map(str, options)])
    runpy.run_path(str(FOLDER / "run.py"), run_name="__main__")


def test_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path, config: Path):
    written, plot = data / "found.json", data / "curve.png"
    run(monkeypatch, config, "--data", data, "--seeds", "2", "--epochs", "3", "--json", written, "--plot", plot)
    title, header, *rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    found = json.loads(written.read_text(encoding="utf-8"))
    assert title == f"tiny: R@20 and N@20 on test, seeds 2, {found['chosen_epoch']} epochs chosen on valid"
    assert header == "name source recall recall_range ndcg ndcg_range ours_over seconds peak_mb"
    for name in ("A paper's published 0.5000", "popularity this run", "reciperec_layers this run"):
        assert sum(row.startswith(name) for row in rows) == 1, name
    assert rows[-1].endswith(": not installed") or "valid" in rows[-1]
    assert [point["epoch"] for point in found["curve"]] == [0, 2, 3]
    assert found["chosen_epoch"] in (2, 3)
    assert [trial["epoch"] for trial in found["trials"]] == [found["chosen_epoch"]]
    seconds = [point["seconds"] for point in found["curve"]]
    assert seconds == sorted(seconds)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_table(modules):
    trials = [
        {"seed": seed, "recall": recall, "ndcg": recall / 2, "seconds": 10.0} for seed, recall in ((1, 0.2), (2, 0.4))
    ]
    peers = {"test": {"popularity": {"recall": 0.1, "ndcg": 0.05, "seconds": 1.0}}}
    published = [{"name": "paper", "recall": 0.5, "ndcg": 0.3}]
    found = {"name": "ours", "trials": trials, "peers": peers, "published": published, "peak_memory_mb": 900.0}
    table = modules("report").table_of(found).set_index("name")
    assert table.index.tolist() == ["popularity", "ours", "paper"]
    assert table["source"].tolist() == ["this run", "this run", "published"]
    assert table["ours_over"].tolist() == pytest.approx([3.0, 1.0, 0.6])
    ours = table.loc["ours"]
    assert (ours["recall_range"], ours["ndcg_range"]) == ("0.2000-0.4000", "0.1000-0.2000")
    assert (ours["ndcg"], ours["peak_mb"]) == (pytest.approx(0.15), 900.0)


def test_epoch_with_the_best_recall(modules):
    trial = modules("trial")
    points = [trial.Point(epoch, 0.0, recall, 0.0) for epoch, recall in ((0, 0.9), (5, 0.2), (10, 0.3), (12, 0.3))]
    assert trial.choose_epoch(points) == 10


def test_quality_is_that_of_evaluate(modules, data: Path):
    pairs = modules("data_sets").read_data_set(data / "tiny", seed=1)
    users, items = pairs.users, pairs.items
    towers = [rl.IdTower(users, 4, feature="user_id", seed=1), rl.IdTower(items, 4, feature="item_id", seed=2)]
    model = rl.RetrievalModel(*towers, candidates={"item_id": items})
    model.compile(metrics=[rl.metrics.Recall(20), rl.metrics.NDCG(20)])
    exclude = rl.data.seen(pairs.test.train, "user_id", "item_id")
    # The last row was seen: both must count it as a miss.
    held_out = pd.concat([pairs.test.held_out, pairs.test.train.tail(1)])
    split = modules("data_sets").Split(pairs.test.train, held_out)
    expected = model.evaluate(held_out, exclude=exclude, return_dict=True, verbose=0)
    found = modules("trial").quality_of(model, split)
    assert found == pytest.approx({"recall": expected["recall@20"], "ndcg": expected["ndcg@20"]}, abs=1e-9)
    assert 0 < found["recall"] < 1


def test_quality_by_hand(modules):
    recommended = {3: [5, 7, *range(100, 118)], 8: list(range(100, 120))}
    held_out = pd.DataFrame({"user_id": [8, 3, 3], "item_id": [9, 7, 4]})
    found = modules("quality").quality(lambda users: np.array([recommended[user] for user in users]), held_out, k=20)
    assert found["recall"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["ndcg"] == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3)) / 2)


def test_data_set_with_its_own_valid(modules, data: Path):
    write(data / "tiny" / "train_minus_valid.txt", {0: [1, 2], 1: [3]})
    write(data / "tiny" / "valid.txt", {0: [4], 1: []})
    pairs = modules("data_sets").read_data_set(data / "tiny", seed=1)
    assert pairs.choice.train.to_numpy().tolist() == [[0, 1], [0, 2], [1, 3]]
    assert pairs.choice.held_out.to_numpy().tolist() == [[0, 4]]
    assert (len(pairs.test.train), len(pairs.test.held_out), len(pairs.users)) == (96, 22, 12)


def test_choice_without_a_valid(modules, data: Path):
    first, again, other = (modules("data_sets").read_data_set(data / "tiny", seed=seed).choice for seed in (1, 1, 2))
    assert (len(first.train), len(first.held_out)) == (86, 10)
    assert first.held_out.equals(again.held_out)
    assert not first.held_out.equals(other.held_out)


def test_the_last_items_are_held_out(modules, tmp_path: Path):
    write(tmp_path / "Beauty.txt", {1: [5, 6, 7], 2: [6, 8, 5, 9]})
    pairs = modules("data_sets").read_data_set(tmp_path, seed=1)
    assert pairs.test.train.to_numpy().tolist() == [[1, 5], [1, 6], [2, 6], [2, 8], [2, 5]]
    assert pairs.test.held_out.to_numpy().tolist() == [[1, 7], [2, 9]]
    assert pairs.choice.train.to_numpy().tolist() == [[1, 5], [2, 6], [2, 8]]
    assert pairs.choice.held_out.to_numpy().tolist() == [[1, 6], [2, 5]]
    assert (pairs.test.k, pairs.choice.k, pairs.items.tolist()) == (10, 10, [5, 6, 7, 8, 9])


def test_the_rate_decays_over_all_epochs(modules, config: Path):
    found = modules("row_config").read_row_config(config)
    rate = found.make_optimizer(steps_per_epoch=4).get_config()["learning_rate"]["config"]
    assert (rate["initial_learning_rate"], rate["decay_steps"]) == (0.01, 20)


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("epochs: 5", "epoch: 5", r"tiny\.yaml: there is no key 'epoch'"),
        ("epochs: 5", "", r"tiny\.yaml: there must be a key 'epochs'"),
        ("dropout: 0.2", "drop: 0.2", r"query_tower: there is no key 'drop'"),
        ("temperature", "temprature", r"loss: there is no key 'temprature'"),
        ("CorpusSoftmax", "Softmax", r"loss: there is no such class"),
        ("schedule: cosine", "schedule: linear", r"optimizer: there is no such schedule"),
        ("ndcg: 0.25", "ndgc: 0.25", r"published: there is no key 'ndgc'"),
    ],
)
def test_a_wrong_key_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: Path,
    written: str,
    instead: str,
    message: str,
):
    assert written in CONFIG
    config.write_text(CONFIG.replace(written, instead), encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, config, "--data", config.parent)
    assert re.search(message, " ".join(capsys.readouterr().err.split()))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_configs_are_read(modules, path: Path):
    found = modules("row_config").read_row_config(path)
    assert found.make_loss().get_config()["temperature"] == found.loss["temperature"]
    assert found.published


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_documented(path: Path):
    if path.suffix in (".py", ".yaml"):
        assert f"`accuracy/{path.name}`" in (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    if path.name == "run.py":
        page = BENCHMARKS.parent / "docs" / "benchmarks.md"
        assert "python benchmarks/accuracy/run.py" in page.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        page = BENCHMARKS.parent / "docs" / "accuracy.md"
        assert f"benchmarks/accuracy/{path.name}" in page.read_text(encoding="utf-8")
