"""Commands and scripts in processes of their own that need not import TensorFlow again."""
