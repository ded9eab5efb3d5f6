"""Files that are whole or not there: assets beside a config, names under which Keras finds classes, plugins."""
