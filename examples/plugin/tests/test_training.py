import keras
import numpy as np
import pandas as pd
import pytest

import reciperec_layers as rl

INTERACTIONS = pd.DataFrame({"user_id": [7, 7, 8, 9], "recipe_id": [1, 2, 3, 1]})
TIMES = ["1 h 30 m", "20 m", None]
RECIPES = pd.DataFrame({"recipe_id": [1, 2, 3], "cooking_time": TIMES})


@pytest.mark.parametrize("tower", ["factorization_machine", "feature"])
def test_a_model_is_trained_by_name_and_saved(tower, tmp_path):
    model = rl.RetrievalModel.from_data(
        INTERACTIONS,
        RECIPES,
        query_tower="id",
        candidate_tower={"tower": tower, "encoders": {"cooking_time": "duration"}},
        embedding_dim=4,
    )
    model.compile(rl.optimizers.Adam(0.01))
    model.fit(model.batches(INTERACTIONS, batch_size=2), epochs=2, verbose=0)
    assert model.candidate_columns == ("cooking_time", "recipe_id")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in zip(recommended(loaded), recommended(model), strict=True):
        np.testing.assert_array_equal(*each)


def recommended(model):
    return model.recommend({"user_id": [7, 9, 1000]}, k=3)
