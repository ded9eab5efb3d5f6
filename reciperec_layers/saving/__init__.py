"""Saving and loading: assets beside a config, Keras names of classes, plugins, and atomic writes."""
