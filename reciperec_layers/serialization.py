"""The public door to saving: registering classes with Keras, loading models, looking into files."""

from reciperec_layers.saving.keras_names import deserialize_nested, register_name, serializable
from reciperec_layers.saving.model_files import ModelInfo, inspect_model, load_model

__all__ = ["ModelInfo", "deserialize_nested", "inspect_model", "load_model", "register_name", "serializable"]
