"""What `rl.tfrs` computes is what TensorFlow Recommenders computes, in one process, for every option."""

from __future__ import annotations

import itertools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers import tfrs

# See tests/losses/test_tfrs_parity.py.
with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
    patch.setenv("TF_USE_LEGACY_KERAS", "1")
    warnings.simplefilter("ignore")
    import tensorflow_recommenders as theirs

legacy = theirs.tasks.retrieval.tf.keras
NUM_QUERIES, DIM = 6, 4
RANDOM = np.random.default_rng(3)
QUERIES = RANDOM.normal(size=(NUM_QUERIES, DIM)).astype(np.float32)
HEADS = RANDOM.normal(size=(NUM_QUERIES, 2, DIM)).astype(np.float32)
WEIGHTS = RANDOM.uniform(0, 2, NUM_QUERIES).astype(np.float32)
CORPUS = RANDOM.normal(size=(40, DIM)).astype(np.float32)
CORPUS_IDS = np.array([f"movie {row}" for row in range(40)])


def candidates_of(num_extra):
    return np.random.default_rng(4).normal(size=(NUM_QUERIES + num_extra, DIM)).astype(np.float32)


def value_and_gradients(task, queries, candidates, **arguments):
    queries, candidates = tf.constant(queries), tf.constant(candidates)
    with tf.GradientTape() as tape:
        tape.watch([queries, candidates])
        loss = task(queries, candidates, **arguments)
        total = tf.reduce_sum(loss)
    return [loss.numpy(), *(each.numpy() for each in tape.gradient(total, [queries, candidates]))]


def options_of(loss, temperature, num_hard_negatives, remove_accidental_hits):
    return {
        "temperature": temperature,
        "num_hard_negatives": num_hard_negatives,
        "remove_accidental_hits": remove_accidental_hits,
        "loss": loss,
    }


@pytest.mark.parametrize(
    ("temperature", "hard", "hits", "has_loss", "num_extra", "weighted", "corrected", "masked"),
    [
        each
        for each in itertools.product(
            (None, 0.3), (None, 2), (False, True), (False, True), (0, 3), (False, True), (False, True), (False, True)
        )
        if sum(map(bool, each)) <= 2 or all(each)
    ],
)
@pytest.mark.parametrize("queries", [QUERIES, HEADS], ids=["one head", "two heads"])
def test_loss_gradient_and_batch_metrics(
    queries, temperature, hard, hits, has_loss, num_extra, weighted, corrected, masked
):
    candidates = candidates_of(num_extra)
    num_candidates = len(candidates)
    arguments = {"candidate_ids": np.array([1, 2, 1, 3, 2, 4, 1, 5, 3])[:num_candidates], "compute_metrics": False}
    if weighted:
        arguments["sample_weight"] = WEIGHTS
    if corrected:
        arguments["candidate_sampling_probability"] = np.linspace(1e-9, 0.9, num_candidates).astype(np.float32)
    if masked:
        mask = np.random.default_rng(5).uniform(size=(NUM_QUERIES, num_candidates)) < 0.7
        arguments["score_mask"] = mask | np.eye(NUM_QUERIES, num_candidates, dtype=bool)
    found = []
    for package, kit in ((tfrs, keras), (theirs, legacy)):
        loss = kit.losses.CategoricalCrossentropy(from_logits=True, reduction="sum") if has_loss else None
        metrics = [kit.metrics.TopKCategoricalAccuracy(k=2, name="batch_top_2")] if has_loss else []
        loss_metrics = [kit.metrics.Mean(name="mean_loss")]
        options = options_of(loss, temperature, hard, hits)
        task = package.tasks.Retrieval(batch_metrics=metrics, loss_metrics=loss_metrics, **options)
        values = value_and_gradients(task, queries, candidates, **arguments)
        found.append((values, {metric.name: float(metric.result()) for metric in task.metrics}))
    (ours, our_metrics), (their, their_metrics) = found
    for our, other in zip(ours, their, strict=True):
        np.testing.assert_allclose(our, other, rtol=1e-5, atol=1e-5)
    assert our_metrics == pytest.approx(their_metrics, rel=1e-5)


@pytest.mark.parametrize("layer", ["dataset", "Streaming", "BruteForce"])
@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_corpus_metrics(layer, by_id, weighted):
    random = np.random.default_rng(6)
    queries = random.normal(size=(32, DIM)).astype(np.float32)
    true_rows = random.integers(0, len(CORPUS), 32)
    weights = random.uniform(0, 1, (32, 1)).astype(np.float32) if weighted else None
    found = []
    for package in (tfrs, theirs):
        candidates = tf.data.Dataset.from_tensor_slices((CORPUS_IDS, CORPUS)).batch(7)
        if layer != "dataset":
            candidates = getattr(package.layers.factorized_top_k, layer)().index_from_dataset(candidates)
        metric = package.metrics.FactorizedTopK(candidates, ks=(1, 3, 10, 30))
        for rows in np.split(np.arange(32), 4):
            metric.update_state(
                queries[rows],
                CORPUS[true_rows[rows]],
                true_candidate_ids=CORPUS_IDS[true_rows[rows]] if by_id else None,
                sample_weight=None if weights is None else weights[rows],
            )
        found.append([float(result) for result in metric.result()])
    assert 0 < found[0][1] < found[0][-1] < 1
    np.testing.assert_allclose(*found, rtol=1e-5)


def pair_of_models(mean_losses=False):
    """The same model with the same weights, on both sides; a made-up recipe set."""
    users, recipes = np.arange(100, 130), np.arange(7, 27)
    random = np.random.default_rng(8)
    # Sixteenths: a score is the same however it is computed. TFRS's true candidates lose places to themselves else.
    start = [random.integers(-8, 9, (len(ids) + 1, DIM)).astype(np.float32) / 16 for ids in (users, recipes)]

    def make(package, kit):
        def tower(ids, embeddings):
            lookup = kit.layers.IntegerLookup(vocabulary=ids, mask_token=None)
            initializer = kit.initializers.Constant(embeddings)
            return kit.Sequential([lookup, kit.layers.Embedding(len(ids) + 1, DIM, embeddings_initializer=initializer)])

        class Recipes(package.Model):
            def __init__(self):
                super().__init__()
                self.user_model, self.recipe_model = tower(users, start[0]), tower(recipes, start[1])
                candidates = tf.data.Dataset.from_tensor_slices(recipes).batch(6).map(self.recipe_model)
                self.task = package.tasks.Retrieval(metrics=package.metrics.FactorizedTopK(candidates, ks=(1, 5, 10)))

            def compute_loss(self, features, training=False):
                return self.task(self.user_model(features["user_id"]), self.recipe_model(features["recipe_id"]))

        model = Recipes()
        if package is tfrs:
            model.mean_losses = mean_losses
        model.compile(kit.optimizers.Adagrad(0.1, epsilon=1e-7))
        return model

    rows = {"user_id": random.choice(users, 200), "recipe_id": random.choice(recipes, 200)}
    return make(tfrs, keras), make(theirs, legacy), tf.data.Dataset.from_tensor_slices(rows).batch(16)


def accuracy(model, rows, k):
    """In float64, where the true candidate is ahead of all with its score."""
    users, recipes = (
        np.asarray(tower(tf.constant(ids))).astype(np.float64)
        for tower, ids in ((model.user_model, np.arange(100, 130)), (model.recipe_model, np.arange(7, 27)))
    )
    hits = []
    for batch in rows:
        scores = users[batch["user_id"].numpy() - 100] @ recipes.T
        true = scores[np.arange(len(scores)), batch["recipe_id"].numpy() - 7]
        hits.append((scores > true[:, np.newaxis]).sum(axis=1) < k)
    return np.mean(np.concatenate(hits))


def test_training_and_evaluation_of_the_recipe_model():
    ours, other, rows = pair_of_models()
    before = [model.evaluate(rows, return_dict=True, verbose=0) for model in (ours, other)]
    assert before[0] == pytest.approx(before[1], rel=1e-5)
    histories = [model.fit(rows, epochs=2, verbose=0).history for model in (ours, other)]
    assert sorted(histories[0]) == sorted(histories[1])
    for name in ("loss", "regularization_loss", "total_loss"):
        values = histories[1][name]
        np.testing.assert_allclose(histories[0][name], values, rtol=1e-4, err_msg=name)
    after = [model.evaluate(rows, return_dict=True, verbose=0) for model in (ours, other)]
    assert after[0]["loss"] == pytest.approx(after[1]["loss"], rel=1e-4)
    assert after[0]["loss"] != pytest.approx(before[0]["loss"])
    for k in (1, 5, 10):
        name = f"factorized_top_k/top_{k}_categorical_accuracy"
        assert after[0][name] == pytest.approx(accuracy(ours, rows, k))
        assert after[1][name] <= after[0][name] + 1e-6


def test_means_of_losses_where_asked():
    ours, _, rows = pair_of_models(mean_losses=True)
    last, _, _ = pair_of_models()
    of_batches = [last.test_on_batch(batch, return_dict=True)["loss"] for batch in rows]
    mean = ours.evaluate(rows, return_dict=True, verbose=0)["loss"]
    assert mean == pytest.approx(np.mean(of_batches), rel=1e-5)
    assert last.evaluate(rows, return_dict=True, verbose=0)["loss"] == pytest.approx(of_batches[-1], rel=1e-5)


@pytest.mark.parametrize("self_interaction", [False, True])
@pytest.mark.parametrize("skip_gather", [False, True])
def test_dot_interaction(self_interaction, skip_gather):
    features = [QUERIES, candidates_of(0), QUERIES**2]
    options = {"self_interaction": self_interaction, "skip_gather": skip_gather}
    ours = tfrs.layers.feature_interaction.DotInteraction(**options)([tf.constant(each) for each in features])
    other = theirs.layers.feature_interaction.DotInteraction(**options)([tf.constant(each) for each in features])
    np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"projection_dim": 2}, {"diag_scale": 0.5, "preactivation": "tanh"}])
def test_cross(options):
    ours, other = tfrs.layers.dcn.Cross(**options), theirs.layers.dcn.Cross(**options)
    inputs = tf.constant(QUERIES), tf.constant(candidates_of(0))
    ours(*inputs), other(*inputs)
    weights = {weight.shape: RANDOM.normal(size=weight.shape) for weight in other.weights}
    ours.set_weights([weights[tuple(weight.shape)] for weight in ours.weights])
    other.set_weights([weights[weight.shape] for weight in other.weights])
    np.testing.assert_allclose(ours(*inputs), other(*inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"learning_rate": 0.5, "accumulator_relative_threshold": 0.01, "absolute_threshold": 0.1},
        {"learning_rate": 0.5, "clip_accumulator_update": True},
        {"learning_rate": 0.5, "use_standard_accumulator_update": True},
    ],
)
@pytest.mark.parametrize("sparse", [False, True])
def test_clippy_adagrad(options, sparse):
    start = RANDOM.normal(size=(5, 3)).astype(np.float32)
    variables = keras.Variable(start), tf.Variable(start)
    optimizers = (
        tfrs.experimental.optimizers.ClippyAdagrad(**options),
        theirs.experimental.optimizers.ClippyAdagrad(**options),
    )
    for step in range(3):
        gradient = tf.constant(np.random.default_rng(step).normal(size=(3, 3)).astype(np.float32))
        gradient = tf.IndexedSlices(gradient, tf.constant([4, 1, 4]), tf.constant([5, 3]))
        gradient = gradient if sparse else tf.convert_to_tensor(gradient)
        for optimizer, variable in zip(optimizers, variables, strict=True):
            optimizer.apply_gradients([(gradient, variable)])
    np.testing.assert_allclose(variables[0].numpy(), variables[1].numpy(), rtol=1e-5, atol=1e-6)


def test_lists_of_movies_and_their_evaluation():
    rows = {
        "user_id": np.repeat(["a", "b", "c"], [6, 5, 2]),
        "movie_title": np.array([f"film {row % 7}" for row in range(13)]),
        "user_rating": np.arange(13, dtype=np.float32),
    }
    lists = [
        list(package.examples.movielens.sample_listwise(tf.data.Dataset.from_tensor_slices(rows), 2, 3, seed=1))
        for package in (tfrs, theirs)
    ]
    assert len(lists[0]) == len(lists[1]) == 4
    for ours, other in zip(*lists, strict=True):
        for name, values in other.items():
            assert np.array_equal(ours[name].numpy(), values.numpy())

    interactions = {"user_id": np.repeat(np.arange(6), 4), "movie_id": RANDOM.integers(0, 20, 24).astype(np.int32)}
    train = {"user_id": np.repeat(np.arange(6), 2), "movie_id": RANDOM.integers(0, 20, 12).astype(np.int32)}
    movies = {"movie_id": np.arange(20, dtype=np.int32)}
    users, films = RANDOM.normal(size=(6, DIM)).astype("f4"), RANDOM.normal(size=(20, DIM)).astype("f4")
    arguments = [tf.data.Dataset.from_tensor_slices(each) for each in (interactions, movies, train)]
    found = [
        package.examples.movielens.evaluate(
            lambda columns: tf.gather(users, columns["user_id"]),
            lambda columns: tf.gather(films, columns["movie_id"]),
            *arguments,
            k=5,
        )
        for package in (tfrs, theirs)
    ]
    assert found[0] == pytest.approx(found[1])
