"""Models: two towers together, with their corpus."""

from reciperec_layers.candidates.popularity_prior import PopularityPrior
from reciperec_layers.corpus import Corpus
from reciperec_layers.export.bundle_manifest import BundleManifest, read_manifest, verify_bundle
from reciperec_layers.models.base_model import BaseModel
from reciperec_layers.models.retrieval_model import RetrievalModel
from reciperec_layers.models.training_choice import TrainingChoice
from reciperec_layers.saving.model_files import ModelInfo, inspect_model, load_model

__all__ = [
    "BaseModel",
    "BundleManifest",
    "Corpus",
    "ModelInfo",
    "PopularityPrior",
    "RetrievalModel",
    "TrainingChoice",
    "inspect_model",
    "load_model",
    "read_manifest",
    "verify_bundle",
]
