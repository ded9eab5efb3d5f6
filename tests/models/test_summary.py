"""`summary()` of a retrieval model: what its towers read and give, its weights, candidates and index."""

from __future__ import annotations

import re

import keras
import pytest

import reciperec_layers as rl
from reciperec_layers.errors import ArgumentError
from tests.models.conftest import RECIPES, USERS


def rows(text: str) -> list[list[str]]:
    lines = [re.split("[│┃]", line) for line in text.splitlines() if line[:1] in "│┃"]
    return [[cell.strip() for cell in line[1:-1]] for line in lines]


def summary(model, **options) -> str:
    printed: list[str] = []
    model.summary(print_fn=printed.append, **options)
    assert len(printed) == 1
    return printed[0]


def test_towers_candidates_and_index(make_model, capsys):
    model = make_model(compiled=False)
    text = summary(model)
    assert rows(text) == [
        ["Part", "Reads", "Output shape", "Params"],
        ["query_tower (IdTower)", "user_id", "(None, 3)", "15"],
        ["candidate_tower (IdTower)", "recipe_id", "(None, 3)", "18"],
    ]
    assert text.startswith(f'RetrievalModel: "{model.name}"')
    after = text.splitlines()[-5:]
    assert after[0] == " Candidates: 5 (columns: recipe_id, name)"
    assert after[1] == " Index: brute_force"
    assert after[2].startswith(" Total params: 33 (132.00 B)")
    assert after[3].startswith(" Trainable params: 33")
    assert after[4].startswith(" Non-trainable params: 0")
    assert "?" not in text
    model.summary()
    assert capsys.readouterr().out.strip() == text.strip()


def test_other_parts_and_what_is_trained(make_model):
    model = make_model(optimizer="adagrad", loss=rl.InBatchSoftmax(sampling_correction="counts"))
    text = summary(model, show_trainable=True)
    assert [row[0] for row in rows(text)[1:3]] == ["query_tower (IdTower)", "candidate_tower (IdTower)"]
    assert any("InBatchSoftmax" in row[0] for row in rows(text))
    assert rows(text)[1][-1] == "Y"
    model.query_tower.trainable = False
    assert [row[-1] for row in rows(summary(model, show_trainable=True))[1:3]] == ["N", "Y"]
    assert " Optimizer params: " in text


def test_a_model_without_candidates_and_with_another_index():
    bare = rl.RetrievalModel(
        rl.IdTower(USERS, 2, feature="user_id"), rl.IdTower(RECIPES, 2, feature="recipe_id"), index="int8"
    )
    text = summary(bare)
    assert " Candidates: none" in text
    assert " Index: int8" in text


def test_the_arguments_of_keras(make_model):
    model = make_model(compiled=False)
    nested = [row[0] for row in rows(summary(model, expand_nested=True))]
    assert [name.partition(" ")[0] for name in nested] == ["Part", "query_tower", "└", "└", "candidate_tower", "└", "└"]
    assert max(map(len, summary(model, line_length=100).splitlines())) == 100
    narrow = summary(model, line_length=80, positions=[0.4, 0.6, 0.8, 1.0])
    assert narrow.splitlines()[1].split("┳")[0] == "┏" + "━" * 31
    for positions in ([0.4, 1.0], [0.6, 0.4, 0.8, 1.0]):
        with pytest.raises(ArgumentError, match="`positions` must be 4 ends of columns"):
            summary(model, positions=positions)
    kept = summary(model, layer_range=[model.query_tower.name, model.query_tower.name])
    assert model.query_tower.name in kept
    assert model.candidate_tower.name not in kept


def test_names_are_not_markup():
    column = keras.Input((1,), name="age")
    tower = keras.Model({"age": column}, keras.layers.Dense(2)(column))
    model = rl.RetrievalModel(tower, rl.IdTower(RECIPES, 2, feature="[b]recipe[/b]"), name="of_bold")
    assert "[b]recipe[/b]" in re.sub(r"\s", "", summary(model))
