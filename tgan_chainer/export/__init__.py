"""Taking trained networks elsewhere: ONNX models. Needs the package ``onnx``, the extra ``onnx``."""

from tgan_chainer.export.models import classifier_models, generator_models, save_model, signature

__all__ = ["classifier_models", "generator_models", "save_model", "signature"]
