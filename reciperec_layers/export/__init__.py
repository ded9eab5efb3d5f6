"""The SavedModel that TensorFlow alone loads, and its manifest."""
