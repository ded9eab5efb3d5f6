import numpy as np
import pandas as pd
import tensorflow as tf

import reciperec_layers as rl

MINUTES = {r"d(ays?)?": 24 * 60, r"h((ou)?rs?)?": 60, r"m(in(ute)?s?)?": 1}


@rl.features.register("duration")
class Duration(rl.features.Encoder):
    """Reads how long something takes, from text such as "1 h 30 m".

    The output is `[z, 1]`, where z is the logarithm of the minutes, scaled by mean and
    deviation of the training rows; and `[0, 0]` where no time is said.
    """

    width = 2
    form = tf.TensorSpec((None,), tf.string)
    missing = ""

    def __init__(self, data=None, *, mean=0.0, deviation=1.0, seed=None, **options):
        super().__init__(**options)
        if data is not None:
            minutes = self.prepare(self.read(data, "Duration", "data")).numpy()
            logs = np.log1p(minutes[minutes >= 0])
            mean, deviation = (logs.mean(), logs.std()) if logs.size else (0.0, 1.0)
        self.mean = float(mean)
        self.deviation = float(deviation) or 1.0
        self.seed = seed  # of the weights, for encoders that have any
        self.built = True

    def read(self, column, owner, name):
        if tf.is_tensor(column):
            return column
        texts = pd.Series(column, dtype=object)
        texts = texts.where(texts.notna(), "").astype(str)
        return tf.constant(texts.to_numpy(object), tf.string)

    def prepare(self, column):
        texts = tf.strings.lower(column)
        minutes = tf.zeros_like(texts, tf.float32)
        is_said = tf.zeros_like(texts, tf.bool)
        for unit, factor in MINUTES.items():
            pattern = rf"(?s).*?\b([0-9]{{1,5}})\s*{unit}\b.*"
            is_found = tf.strings.regex_full_match(texts, pattern)
            number = tf.strings.regex_replace(texts, pattern, r"\1")
            number = tf.strings.to_number(tf.where(is_found, number, "0"))
            minutes, is_said = minutes + factor * number, is_said | is_found
        return tf.where(is_said, minutes, -1.0)

    def is_known(self, column):
        return self.prepare(column) >= 0

    def encode(self, prepared, training=None):
        is_known = tf.cast(prepared >= 0, tf.float32)
        z = (tf.math.log1p(tf.maximum(prepared, 0.0)) - self.mean) / self.deviation
        return tf.cast(tf.stack([z * is_known, is_known], axis=1), self.compute_dtype)

    def get_config(self):
        statistics = {"mean": self.mean, "deviation": self.deviation}
        return {**super().get_config(), "data": None, **statistics, "seed": self.seed}
