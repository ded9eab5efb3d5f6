import os
import warnings

import numpy as np
import pytest
import tensorflow as tf

from reciperec_layers.losses import InBatchSoftmax

# TFRS needs legacy Keras, which `tf.keras` becomes when this is set at its first use. Test modules are imported
# before any test runs, so the first use is here; other processes that tests start should not see it.
with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
    patch.setenv("TF_USE_LEGACY_KERAS", "1")
    warnings.simplefilter("ignore")
    import tensorflow_recommenders as tfrs
