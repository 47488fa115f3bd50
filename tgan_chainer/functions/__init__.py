from tgan_chainer.functions.clip_singular_values import clip_singular_values, clip_singular_values_by_svd

__all__ = ["clip_singular_values", "clip_singular_values_by_svd"]
