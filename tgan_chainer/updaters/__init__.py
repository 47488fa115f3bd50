from tgan_chainer.updaters.gan_updater import GANUpdater

__all__ = ["GANUpdater"]
