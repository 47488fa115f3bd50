from tgan_chainer.updaters.wgan_updater import WGANUpdater

__all__ = ["WGANUpdater"]
