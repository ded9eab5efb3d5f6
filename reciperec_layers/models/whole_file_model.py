"""WholeFileModel: a Keras model whose files are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from reciperec_layers.errors import VocabularyMismatchError, explain
from reciperec_layers.layers import IdLookup
from reciperec_layers.saving.whole_files import write_beside


class WholeFileModel(keras.Model):
    """Base of models that save beside and rename, and load weights wholly or not at all.

    Example:
        >>> from reciperec_layers.models import RetrievalModel
        >>> issubclass(RetrievalModel, WholeFileModel)
        True
    """

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves as `keras.Model.save` does, beside its place, then renames: the file is never half a model.

        Raises:
            OutputExistsError: The file exists and `overwrite` is not set.
            OutputError: It cannot be written.
        """
        save = super().save
        if _is_local(filepath, ".keras"):
            write_beside(filepath, lambda beside: save(beside, zipped=zipped, **kwargs), overwrite)
        else:
            save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the weights as Keras does, beside their place, then renames."""
        save_weights = super().save_weights
        if _is_local(filepath, ".weights.h5"):
            write_beside(filepath, lambda beside: save_weights(beside, **kwargs), overwrite)
        else:
            save_weights(filepath, overwrite=overwrite, **kwargs)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads weights; those of another vocabulary are refused and change nothing.

        Raises:
            VocabularyMismatchError: The weights belong to another vocabulary.
        """
        variables = [*self.variables, *(self.optimizer.variables if self.compiled else ())]
        before = [variable.numpy() for variable in variables]
        try:
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
        except ValueError as error:
            # Keras goes on after a layer that fails, so others have been overwritten by now.
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            lookups = [layer for layer in self._flatten_layers() if isinstance(layer, IdLookup)]
            if all(lookup.vocabulary_mismatch is None for lookup in lookups):
                raise
            problem = "the weights belong to another vocabulary than the model's"
            fix = "Load the whole model with keras.models.load_model, or build this one with the vocabulary of the file"
            owner = f"{type(self).__name__}.load_weights"
            raise VocabularyMismatchError(explain(owner, problem, filepath=Path(filepath), fix=fix)) from error


def _is_local(filepath: Any, ending: str) -> bool:
    return str(filepath).endswith(ending) and "://" not in str(filepath)
