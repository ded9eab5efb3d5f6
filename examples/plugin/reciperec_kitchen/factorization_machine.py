import keras
import tensorflow as tf

import reciperec_layers as rl


@rl.towers.register("factorization_machine")
class FactorizationMachine(rl.towers.EncodedTower):
    """Adds up the columns of a row, and the products of every two of them."""

    def __init__(self, encoders, embedding_dim, **options):
        super().__init__(encoders, embedding_dim, **options)
        self.projections = []
        for place, encoder in enumerate(self.columns.encoders):
            seed = None if self.seed is None else self.seed + place
            projection = keras.layers.Dense(
                embedding_dim,
                use_bias=False,  # a missing value, which is all zeros, adds nothing
                kernel_initializer=keras.initializers.GlorotUniform(seed),
                dtype=self.dtype_policy,
            )
            projection.build((None, encoder.width))
            self.projections.append(projection)

    def embed(self, encodings, training=None):
        pairs = zip(self.projections, encodings, strict=True)
        terms = [projection(encoding) for projection, encoding in pairs]
        total = tf.add_n(terms)
        squares = tf.add_n([tf.square(term) for term in terms])
        return total + (tf.square(total) - squares) / 2
