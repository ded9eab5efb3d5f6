"""Models in the style of TFRS on mirrored devices."""

from __future__ import annotations

import textwrap


def test_metrics_under_a_strategy_equal_those_without(run_python):
    """In a new process, because logical devices are made before TensorFlow starts."""
    run_python(
        textwrap.dedent("""
            import keras, numpy as np, tensorflow as tf
            from reciperec_layers import tfrs

            cpu, *_ = tf.config.list_physical_devices("CPU")
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
            random, users, films = np.random.default_rng(1), np.arange(20).astype(str), np.arange(30).astype(str)
            columns = {"user": random.choice(users, 330), "film": random.choice(films, 330)}
            rows = tf.data.Dataset.from_tensor_slices(columns).batch(64)


            def tower(ids):
                lookup = keras.layers.StringLookup(vocabulary=ids, mask_token=None)
                return keras.Sequential([lookup, keras.layers.Embedding(len(ids) + 1, 8)])


            class TwoTowers(tfrs.Model):
                def __init__(self):
                    super().__init__()
                    self.user_model, self.film_model = tower(users), tower(films)
                    self.film_model(tf.constant(["1"]))
                    candidates = tf.data.Dataset.from_tensor_slices(films).batch(16).map(self.film_model)
                    self.task = tfrs.tasks.Retrieval(metrics=tfrs.metrics.FactorizedTopK(candidates, ks=(1, 5)))

                def compute_loss(self, features, training=False):
                    return self.task(self.user_model(features["user"]), self.film_model(features["film"]))


            def compiled():
                model = TwoTowers()
                model.compile(keras.optimizers.Adam(0.05))
                return model


            with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
                mirrored = compiled()
            mirrored.evaluate(rows, verbose=0)  # the first look at the candidates; weights of users are made here
            mirrored.fit(rows, epochs=2, verbose=0)  # outside of the scope, as the tutorial has it
            found = mirrored.evaluate(rows, return_dict=True, verbose=0)
            one = compiled()
            one.evaluate(rows, verbose=0)
            one.set_weights(mirrored.get_weights())
            expected = one.evaluate(rows, return_dict=True, verbose=0)
            for k in (1, 5):
                name = f"factorized_top_k/top_{k}_categorical_accuracy"
                np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
            assert found[name] > 0.3
        """)
    )
