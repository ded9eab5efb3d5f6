"""The public API of TensorFlow Recommenders on Keras 3: `import reciperec_layers.tfrs as tfrs`.

Names, arguments, defaults, metric names and logs are those of TensorFlow Recommenders 0.7.7; what is computed is this
package's. TPU embeddings are not part of it.
"""

from reciperec_layers import backend as _backend  # noqa: F401 - first: it refuses another Keras backend
from reciperec_layers.tfrs import examples, experimental, layers, metrics, models, tasks, types
from reciperec_layers.tfrs.migration import migrate
from reciperec_layers.tfrs.models import Model

__all__ = ["Model", "examples", "experimental", "layers", "metrics", "migrate", "models", "tasks", "types"]
