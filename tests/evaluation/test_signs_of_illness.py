"""Each sign of illness is said of a model that has it, and a model that is well has none."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl
from reciperec_layers.evaluation import symptoms

USERS, RECIPES = np.arange(7, 127), np.arange(1000, 1080)


def interactions(seed: int) -> pd.DataFrame:
    """People like the recipes of one of four kinds, and of these the first ones most."""
    generator = np.random.default_rng(seed)
    users = np.repeat(USERS, 8)
    places = np.minimum(generator.geometric(0.15, len(users)) - 1, 19)
    return pd.DataFrame({"user_id": users, "recipe_id": RECIPES[places * 4 + users % 4]})


TRAIN, TEST = interactions(1).drop_duplicates(), interactions(2).drop_duplicates()
TEST = TEST[~pd.MultiIndex.from_frame(TEST).isin(pd.MultiIndex.from_frame(TRAIN))]


def model_of(queries: np.ndarray, candidates: np.ndarray) -> rl.RetrievalModel:
    width = queries.shape[1]
    users = rl.IdTower(USERS, width, feature="user_id")
    recipes = rl.IdTower(RECIPES, width, feature="recipe_id")
    for tower, rows in ((users, queries), (recipes, candidates)):
        tower.embedding_table.assign_rows(np.arange(1, len(rows) + 1), rows)
    return rl.RetrievalModel(users, recipes, {"recipe_id": RECIPES})


def of_kinds() -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of one axis for each kind; the first recipes of a kind are the best."""
    kinds = np.eye(4)
    return kinds[USERS % 4], kinds[np.arange(80) % 4] * (2 - np.arange(80)[:, np.newaxis] / 80)


def test_a_model_that_is_well_has_no_symptom():
    assert symptoms(model_of(*of_kinds()), TEST, TRAIN) == []


def test_held_out_pairs_that_were_trained_on():
    mixed = pd.concat([TEST, TRAIN])
    (sentence,) = symptoms(model_of(*of_kinds()), mixed, TRAIN)
    assert sentence.startswith(f"{len(TRAIN)} of {len(mixed):,} held-out pairs are among the training rows")
    assert symptoms(model_of(*of_kinds()), pd.concat([TEST, TRAIN[: len(TEST) // 5]]), TRAIN) == []


def test_ids_that_count_the_rows():
    rows = pd.DataFrame({"user_id": USERS, "recipe_id": np.resize(RECIPES, len(USERS))})
    found = symptoms(model_of(*of_kinds()), TEST[:0], rows)
    assert found == [
        "The column 'user_id' counts the rows: no query has two, and nothing can be learned of any. Name the column of "
        "the query ids."
    ]
    assert symptoms(model_of(*of_kinds()), TEST[:0], rows[1::2]) == []


def test_everybody_gets_the_same():
    queries, candidates = of_kinds()
    (sentence,) = symptoms(model_of(np.ones_like(queries), candidates), TEST, TRAIN)
    num_queries = TEST["user_id"].nunique()
    assert sentence.startswith(f"Everybody gets the same few candidates: the 10 best of {num_queries} queries of the")
    assert "are 10 in all" in sentence


def test_popular_candidates_are_pushed_down():
    queries, candidates = of_kinds()
    (sentence,) = symptoms(
        model_of(queries, candidates / np.square(candidates.sum(axis=1, keepdims=True))), TEST, TRAIN
    )
    counts = TRAIN["recipe_id"].value_counts().reindex(RECIPES, fill_value=0)
    rarest = counts.to_numpy().reshape(20, 4)[-10:].mean(axis=0)  # the ten last ones of each kind
    people = TEST["user_id"].drop_duplicates().to_numpy() % 4
    expected = f"has {rarest[people].mean():.1f} training rows on average, a candidate {counts.mean():.1f}."
    assert expected in sentence


@pytest.mark.parametrize("factor", [1.0, 5000.0])
def test_embeddings_that_collapse_or_explode(factor):
    queries, candidates = of_kinds()
    shifted = np.concatenate([candidates, np.full((80, 1), 9.0)], axis=1)
    shifted[0] *= factor
    found = symptoms(model_of(np.concatenate([queries, np.zeros((120, 1))], axis=1), shifted), TEST, TRAIN)
    directions = shifted / np.linalg.norm(shifted, axis=1, keepdims=True)
    assert f"their mean cosine is {(directions @ directions.T).mean():.2f}." in found[0]
    assert [sentence.split(":")[0] for sentence in found[1:]] == ([] if factor == 1 else ["Embeddings explode"])


def trained(history: dict[str, list[float]], loss=None) -> rl.RetrievalModel:
    model = model_of(*of_kinds())
    model.compile(loss=loss)
    model.history = keras.callbacks.History()
    model.history.history = history
    return model


def test_a_loss_at_chance():
    chance = 1.5 * np.log(len(RECIPES))
    loss = rl.losses.CorpusSoftmax(normalizer_weight=1.5)
    (sentence,) = symptoms(trained({"loss": [0.995 * chance]}, loss), TEST, TRAIN)
    assert sentence.startswith(f"The loss is at chance: {0.995 * chance:.3f}, and equal scores have {chance:.3f}.")
    assert symptoms(trained({"loss": [0.9 * chance]}, loss), TEST, TRAIN) == []


def test_a_loss_that_does_not_fall():
    (sentence,) = symptoms(trained({"loss": [4.0, 4.5, 4.0]}), TEST, TRAIN)
    assert sentence.startswith("The loss has not fallen: 4.000 in the first epoch, 4.000 in the last.")
    assert symptoms(trained({"loss": [4.0, 4.5, 3.9]}), TEST, TRAIN) == []
    assert symptoms(trained({"loss": [4.0, 4.5]}), TEST, TRAIN) == []
    # Pairs count more as they are ranked higher.
    assert symptoms(trained({"loss": [4.0, 4.5, 4.0]}, rl.losses.CorpusSoftmax(top_k=2)), TEST, TRAIN) == []


def test_a_metric_that_falls_while_the_loss_falls():
    history = {"loss": [4.0, 3.0, 2.0], "val_loss": [4.0, 5.0, 6.0], "val_recall@10": [0.1, 0.2, 0.15]}
    (sentence,) = symptoms(trained(history), TEST, TRAIN)
    assert sentence.startswith("val_recall@10 falls while the loss falls: 0.2000 after epoch 2, 0.1500 after epoch 3.")
    assert symptoms(trained({**history, "val_recall@10": [0.1, 0.2, 0.17]}), TEST, TRAIN) == []
    assert symptoms(trained({**history, "loss": [4.0, 3.0, 3.5]}), TEST, TRAIN) == []


def test_a_training_that_learns_nothing_is_told_by_what_fit_reported():
    model = model_of(*of_kinds())
    model.compile(keras.optimizers.SGD(0.0), loss=rl.losses.CorpusSoftmax(temperature=1000.0))
    model.fit(TRAIN, epochs=1, verbose=0)
    (sentence,) = symptoms(model, TEST, TRAIN)
    assert sentence.startswith("The loss is at chance: ")
