"""Public functions for saving: register classes with Keras, load models, inspect files."""

from reciperec_layers.saving.keras_names import serializable
from reciperec_layers.saving.model_files import ModelInfo, inspect_model, load_model

__all__ = ["ModelInfo", "inspect_model", "load_model", "serializable"]
