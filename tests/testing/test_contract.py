"""Every public serializable class keeps the contract, and the contract can be broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import reciperec_layers as rl
from reciperec_layers import features, indexes, layers, losses, metrics, models, optimizers, tfrs, towers
from reciperec_layers.candidates.popularity_prior import PopularityPrior
from reciperec_layers.testing import check_serializable, check_tower

USERS, RECIPES = [7, 9, 2**62], ["pie", "soup", "\u2028"]
MANY = np.arange(5000)
REGISTERED = re.compile(r"reciperec_layers(\.towers|\.indexes)?>")


@dataclass
class Case:
    """How a class is made for the suite; `skip` gives the reason for each check that does not apply."""

    make: Callable[[], Any]
    inputs: Any = None
    larger: Callable[[], Any] | None = None
    skip: dict[str, str] = field(default_factory=dict)


def id_tower(ids: Any = USERS) -> towers.Tower:
    return rl.IdTower(ids, 4, feature="user_id", num_oov_indices=2, normalize=True, regularizer="l2", seed=3)


def mlp_tower(ids: Any = RECIPES) -> towers.Tower:
    return rl.MLPTower(
        ids, 4, feature="recipe_id", hidden_units=(5, 6), activation="tanh", id_embedding_dim=3, normalize=True, seed=1
    )


def encoders(ids: Any) -> dict[str, features.Encoder]:
    return {
        "recipe_id": features.Id(vocabulary=ids, width=4, seed=1),
        "author": features.Category([7, 9], width=3, seed=2),
        "minutes": features.Number([5.0, None, 20.0], seed=3),
        "recipe_name": features.Text(["apple pie", "onion soup"], width=4, seed=4),
    }


RECIPE_COLUMNS = {
    "recipe_id": np.array(["soup", "cake"]),
    "author": np.array(["5", "7"]),
    "minutes": np.array([np.nan, 5.0], np.float32),
    "recipe_name": np.array(["", "apple soup"]),
}


def feature_tower(ids: Any = RECIPES) -> towers.Tower:
    return towers.FeatureTower(
        encoders(ids), 4, hidden_units=(5, 6), activation="tanh", dropout=0.1, feature_dropout=0.1, layer_norm=True,
        normalize=True, seed=3,
    )  # fmt: skip


def cross_tower(ids: Any = RECIPES) -> towers.Tower:
    return towers.CrossTower(
        encoders(ids), 4, num_crosses=3, projection_dim=2, hidden_units=(5,), activation="tanh", dropout=0.1,
        feature_dropout=0.1, normalize=True, seed=3,
    )  # fmt: skip


def text_tower(texts: Any = ("apple pie", "onion soup")) -> towers.Tower:
    text = features.Text(texts, width=3, character_ngrams=None, seed=1)
    return towers.TextTower(
        text, 4, feature="recipe_name", hidden_units=(5,), activation="tanh", dropout=0.1, normalize=True, seed=3
    )


def mixture_tower(ids: Any = RECIPES) -> towers.Tower:
    return towers.MixtureTower([mlp_tower(ids), feature_tower(ids)], 4, normalize=True)


def layer_tower() -> towers.Tower:
    columns = {"minutes": keras.Input((1,), name="minutes"), "nutrients": keras.Input((2,), name="nutrients")}
    joined = keras.layers.Concatenate()([columns["minutes"], columns["nutrients"]])
    model = keras.Model(columns, keras.layers.Dense(4)(joined))
    return towers.LayerTower(model, features=["minutes", "nutrients"], embedding_dim=4, as_dict=True)


def retrieval_model(ids: Any = USERS) -> rl.RetrievalModel:
    return rl.RetrievalModel(
        id_tower(ids), mlp_tower(), {"recipe_id": RECIPES, "minutes": [1, 2, 3]}, keep_columns=["minutes"]
    )


def index_of(cls: type[indexes.Index], ids: Any = RECIPES, **options: Any) -> indexes.Index:
    index = cls(k=3, **options)
    index.assign(rows(len(ids), 4), ids)
    return index


def rows(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


NEEDS_INPUT = {
    "sequential": "at the front of a Sequential it needs a keras.Input of its dtype, as Keras casts to float32"
}
LOADED_FROM_ASSETS = "its config has only the fingerprint; the files have the data"

SERIALIZABLE = {
    rl.Vocabulary: Case(
        lambda: KEPT[rl.Vocabulary], larger=lambda: rl.Vocabulary(MANY), skip={"config_has_all": LOADED_FROM_ASSETS}
    ),
    models.Corpus: Case(
        lambda: KEPT[models.Corpus],
        larger=lambda: models.Corpus({"recipe_id": MANY, "minutes": MANY}, "recipe_id", ["minutes"]),
        skip={"config_has_all": LOADED_FROM_ASSETS},
    ),
    layers.IdLookup: Case(
        lambda: layers.IdLookup(RECIPES, num_oov_indices=3, id_dropout=0.5, seed=3),
        np.array([["pie", "\u2028"], ["", "soup"]]),
        larger=lambda: layers.IdLookup(list(map(str, MANY)), num_oov_indices=3, id_dropout=0.5, seed=3),
    ),
    layers.EmbeddingTable: Case(
        lambda: layers.EmbeddingTable(5, 4, initializer="glorot_uniform", regularizer="l2"),
        np.array([[4], [0], [4]]),
        skip=NEEDS_INPUT,
    ),
    layers.MLP: Case(lambda: layers.MLP(3, 4, hidden_units=(5,), activation="tanh", dropout=0.5, seed=1), rows(2, 3)),
    # An index returns scores and ids; models with one in them are saved in tests/indexes/test_keras_models.py.
    indexes.BruteForceIndex: Case(
        lambda: index_of(indexes.BruteForceIndex), larger=lambda: index_of(indexes.BruteForceIndex, MANY)
    ),
    indexes.Int8Index: Case(lambda: index_of(indexes.Int8Index), larger=lambda: index_of(indexes.Int8Index, MANY)),
    indexes.InvertedFileIndex: Case(
        lambda: index_of(indexes.InvertedFileIndex, scored_fraction=0.5, num_clusters=2, seed=3),
        larger=lambda: index_of(indexes.InvertedFileIndex, MANY, scored_fraction=0.5, num_clusters=2, seed=3),
    ),
    losses.CorpusSoftmax: Case(
        lambda: losses.CorpusSoftmax(temperature=0.5, normalizer_weight=1.5, reduction="none"),
        (rows(3, 4), rows(5, 4), np.array([4, 0, 1])),
    ),
    losses.InBatchSoftmax: Case(
        lambda: losses.InBatchSoftmax(
            temperature=0.5,
            sampling_correction="counts",
            candidate_counts=[7, 7, 9],
            remove_accidental_hits=True,
            num_hard_negatives=2,
            reduction="none",
        ),
        (rows(3, 4), rows(3, 4), np.array([7, 9, 11])),
        larger=lambda: losses.InBatchSoftmax(sampling_correction="counts", candidate_counts=MANY),
    ),
    losses.SamplingCorrection: Case(
        lambda: losses.SamplingCorrection(["a", "a", "b"], num_buckets=16),
        np.array(["a", "c"]),
        larger=lambda: losses.SamplingCorrection(list(map(str, MANY)), num_buckets=16),
        skip=NEEDS_INPUT,
    ),
    metrics.AUC: Case(lambda: metrics.AUC("area", "row")),
    metrics.Coverage: Case(lambda: metrics.Coverage(3, "reach")),
    metrics.HitRate: Case(lambda: metrics.HitRate(3, "hits", "row")),
    metrics.MAP: Case(lambda: metrics.MAP(3, "precisions", "row", at_most_k=True)),
    metrics.MeanPopularity: Case(
        lambda: metrics.MeanPopularity(3, ["a", "a", "b"], "bias", as_percentile=True),
        larger=lambda: metrics.MeanPopularity(3, MANY, "bias", as_percentile=True),
    ),
    metrics.MRR: Case(lambda: metrics.MRR(3, "reciprocal", "row")),
    metrics.NDCG: Case(lambda: metrics.NDCG(3, "gain", "row")),
    metrics.Precision: Case(lambda: metrics.Precision(3, "share", "row")),
    metrics.Recall: Case(lambda: metrics.Recall(3, "found", "row", at_most_k=True)),
    metrics.TopKAccuracy: Case(lambda: metrics.TopKAccuracy(3, name="top_3")),
    PopularityPrior: Case(
        lambda: PopularityPrior(rl.Vocabulary(["pie", "soup"]), 3, time="date", name="known_before"),
        larger=lambda: PopularityPrior(rl.Vocabulary(MANY), 3, time="date", name="known_before"),
    ),
    optimizers.SGD: Case(lambda: optimizers.SGD(0.3, 0.5, True, gradient_accumulation_steps=3)),
    optimizers.Adagrad: Case(lambda: optimizers.Adagrad(0.3, 0.2, 1e-5, clipnorm=1.0)),
    optimizers.ClippyAdagrad: Case(lambda: optimizers.ClippyAdagrad(0.3, 0.2, export_clipping_factors=True)),
    optimizers.CompositeOptimizer: Case(
        lambda: optimizers.CompositeOptimizer([(optimizers.SGD(0.3, 0.5), [1]), (optimizers.Adagrad(0.3), [0])])
    ),
    tfrs.layers.blocks.MLP: Case(lambda: tfrs.layers.blocks.MLP([3, 2], final_activation="tanh"), rows(2, 4)),
    tfrs.layers.dcn.Cross: Case(lambda: tfrs.layers.dcn.Cross(2, 0.5, preactivation="tanh"), rows(2, 4)),
    tfrs.layers.feature_interaction.MultiLayerDCN: Case(
        lambda: tfrs.layers.feature_interaction.MultiLayerDCN(2, 2), rows(2, 4)
    ),
    tfrs.layers.feature_interaction.DotInteraction: Case(
        lambda: tfrs.layers.feature_interaction.DotInteraction(self_interaction=True), [rows(2, 4), rows(2, 4)]
    ),
    optimizers.RowwiseAdagrad: Case(lambda: optimizers.RowwiseAdagrad(0.3, 0.2, 1e-5, clipvalue=1.0)),
    optimizers.Adam: Case(lambda: optimizers.Adam(0.3, 0.8, 0.9, 1e-5, True, weight_decay=0.1)),
    optimizers.LossScaleOptimizer: Case(
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.3), initial_scale=8.0, dynamic_growth_steps=5)
    ),
    models.RetrievalModel: Case(
        retrieval_model,
        {"user_id": np.array([7, 5])},
        larger=lambda: retrieval_model(MANY),
        skip={"config_has_all": "the corpus, which is in the config, has taken `keep_columns` in"},
    ),
}

# Vocabularies live as long as someone holds them, as a layer does.
KEPT = {
    rl.Vocabulary: rl.Vocabulary.from_data(["b", "a", "b"]),
    models.Corpus: models.Corpus({"recipe_id": RECIPES, "minutes": [1, 2, 3]}, "recipe_id", ["minutes"]),
}

TOWERS = {
    towers.IdTower: Case(id_tower, np.array([[9, 7], [5, 7]]), larger=lambda: id_tower(MANY)),
    towers.MLPTower: Case(
        mlp_tower, {"recipe_id": np.array(["soup", "cake", "pie"])}, larger=lambda: mlp_tower(list(map(str, MANY)))
    ),
    towers.CrossTower: Case(cross_tower, RECIPE_COLUMNS, larger=lambda: cross_tower(list(map(str, MANY)))),
    towers.FeatureTower: Case(feature_tower, RECIPE_COLUMNS, larger=lambda: feature_tower(list(map(str, MANY)))),
    towers.MixtureTower: Case(mixture_tower, RECIPE_COLUMNS, larger=lambda: mixture_tower(list(map(str, MANY)))),
    towers.TextTower: Case(
        text_tower,
        {"recipe_name": np.array(["", "apple soup"])},
        larger=lambda: text_tower([f"word{each}" for each in MANY]),
    ),
    towers.LayerTower: Case(
        layer_tower,
        {"minutes": rows(3, 1), "nutrients": rows(3, 2)},
    ),
}


def by_name(cases: dict[type, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases.values(), ids=[cls.__name__ for cls in cases])


def test_nothing_that_is_registered_escapes():
    registered = {
        cls
        for name, cls in keras.saving.get_custom_objects().items()
        if REGISTERED.match(name) and cls.__module__.startswith("reciperec_layers.")
    }
    assert registered == SERIALIZABLE.keys() | TOWERS.keys()


@by_name(SERIALIZABLE)
def test_serializable(case: Case):
    check_serializable(case.make, case.inputs, larger=case.larger, skip=case.skip)


@by_name(TOWERS)
def test_tower(case: Case):
    check_tower(case.make, case.inputs, larger=case.larger, skip=case.skip)


class SumTower(towers.Tower):
    """A sound tower of one column of two numbers; the broken ones below differ from it in one thing each."""

    def __init__(self, embedding_dim: int, scale: float = 1.0, name: str | None = None, **options: Any) -> None:
        super().__init__(embedding_dim, (), name, **options)
        self.scale = scale
        self.kernel = self.add_weight(shape=(2, embedding_dim), name="kernel")
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.scale * keras.ops.matmul(inputs, self.kernel)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


class ForgetfulTower(SumTower):
    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "scale"}


class SecretiveTower(SumTower):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": 1.0}


class LazyTower(SumTower):
    def __init__(self, embedding_dim: int, scale: float = 1.0, name: str | None = None, **options: Any) -> None:
        super().__init__(embedding_dim, scale, name, **options)
        self.inner = keras.layers.Dense(embedding_dim)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs) + self.inner(inputs)


class NosyTower(SumTower):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs - keras.ops.mean(inputs, axis=0))


class FrozenTower(SumTower):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.ops.stop_gradient(super().call(inputs))


class NarrowTower(SumTower):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs)[..., :-1]


class LyingTower(SumTower):
    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.KerasTensor((*inputs.shape[:-1], self.embedding_dim), dtype="float64")


class StiffTower(SumTower):
    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.ops.cast(super().call(inputs), "float32")


class HoardingTower(SumTower):
    """Keeps its vocabulary in the config."""

    def __init__(self, embedding_dim: int, ids: Any = (), **options: Any) -> None:
        super().__init__(embedding_dim, **options)
        self.ids = list(ids)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ids": self.ids}


class ObscureTower(SumTower):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": np.array([self.scale, 1j])}


for broken in (SumTower, *SumTower.__subclasses__()):
    keras.saving.register_keras_serializable("tests.contract")(broken)


def test_a_sound_tower_passes():
    check_tower(lambda: SumTower(3, scale=2.0), rows(3, 2), larger=lambda: SumTower(3, scale=2.5))


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (ForgetfulTower, "config_has_all"),
        (SecretiveTower, "clone"),
        (LazyTower, "functional"),
        (NosyTower, "neighbours"),
        (FrozenTower, "training"),
        (LyingTower, "symbolic"),
        (StiffTower, "mixed_precision"),
        (ObscureTower, "config_is_json"),
    ],
)
def test_a_broken_tower_fails(broken: type[SumTower], check: str):
    with pytest.raises(AssertionError, match=f"{broken.__name__} fails the check '{check}'"):
        check_tower(lambda: broken(3, scale=2.0), rows(3, 2))


def test_an_output_of_another_size_fails():
    with pytest.raises(AssertionError, match=r"NarrowTower fails the check 'symbolic'"):
        check_tower(lambda: NarrowTower(3, scale=2.0), rows(3, 2))
    skip = {"symbolic": "to reach the next check", "functional": "the same"}
    with pytest.raises(AssertionError, match=r"NarrowTower fails the check 'output'.*\(3, 2\)"):
        check_tower(lambda: NarrowTower(3, scale=2.0), rows(3, 2), skip=skip)


def test_a_config_that_grows_fails():
    with pytest.raises(AssertionError, match=r"HoardingTower fails the check 'config_size'"):
        check_tower(lambda: HoardingTower(3, ids=[1]), rows(3, 2), larger=lambda: HoardingTower(3, ids=range(99)))


def test_a_skip_must_name_a_check():
    with pytest.raises(ValueError, match=r"No check is called \['sequental'\]"):
        check_tower(lambda: SumTower(3), tf.ones((2, 2)), skip={"sequental": "a typing error"})
