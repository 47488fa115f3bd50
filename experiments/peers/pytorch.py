"""A plain TGAN in PyTorch, for comparison: eager, oneDNN's or cuDNN's convolutions, torch.linalg.svd.

Layers are called as in tgan_chainer.links, so that :func:`load_chainer` can copy their weights. No step asks
for a number that the device has yet to compute.
"""

import torch
from torch import nn
from torch.nn import functional as F

EPS = 2e-5  # Chainer's, of batch normalization


class TemporalGenerator(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config.temporal_width
        widths = [max(width >> i, width // 4) for i in range(config.n_frames.bit_length() - 1)]
        self.n_hidden = len(widths)
        self.deconv0 = nn.ConvTranspose1d(config.k0, width, 1, bias=False)
        self.bn0 = nn.BatchNorm1d(width, EPS)
        for i in range(1, len(widths)):
            layer = nn.ConvTranspose1d(widths[i - 1], widths[i], 4, 2, 1, bias=False)
            setattr(self, f"deconv{i}", layer)
            setattr(self, f"bn{i}", nn.BatchNorm1d(widths[i], EPS))
        self.deconv_last = nn.ConvTranspose1d(widths[-1], config.k1, 4, 2, 1)

    def forward(self, z0):
        h = z0[:, :, None]
        for i in range(self.n_hidden):
            h = F.relu(getattr(self, f"bn{i}")(getattr(self, f"deconv{i}")(h)), inplace=True)
        return torch.tanh(self.deconv_last(h)).transpose(1, 2)


class ImageGenerator(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, size = config.image_width, config.image_size // 16
        flat = width * size**2
        self.map_shape = (width, size, size)
        self.linear_z0 = nn.Linear(config.k0, flat, bias=False)
        self.bn_z0 = nn.BatchNorm1d(flat, EPS)
        self.linear_z1 = nn.Linear(config.k1, flat, bias=False)
        self.bn_z1 = nn.BatchNorm1d(flat, EPS)
        self.deconv1 = nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, EPS)
        self.deconv2 = nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2, EPS)
        self.deconv3 = nn.ConvTranspose2d(width // 2, width // 4, 4, 2, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width // 4, EPS)
        self.deconv4 = nn.ConvTranspose2d(width // 4, width // 8, 4, 2, 1, bias=False)
        self.bn4 = nn.BatchNorm2d(width // 8, EPS)
        self.deconv5 = nn.ConvTranspose2d(width // 8, config.channels, 3, 1, 1)

    def forward(self, z1, z0):
        h0 = F.relu(self.bn_z0(self.linear_z0(z0)), inplace=True).view(-1, *self.map_shape)
        h1 = F.relu(self.bn_z1(self.linear_z1(z1)), inplace=True).view(-1, *self.map_shape)
        h = torch.cat([h0, h1], 1)
        h = F.relu(self.bn1(self.deconv1(h)), inplace=True)
        h = F.relu(self.bn2(self.deconv2(h)), inplace=True)
        h = F.relu(self.bn3(self.deconv3(h)), inplace=True)
        h = F.relu(self.bn4(self.deconv4(h)), inplace=True)
        return torch.tanh(self.deconv5(h))


class VideoGenerator(nn.Module):
    """z0, float32 (N, K0) → videos, float32 (N, C, T, H, W) in [-1, 1]."""

    def __init__(self, config):
        super().__init__()
        self.temporal_generator = TemporalGenerator(config)
        self.image_generator = ImageGenerator(config)

    def forward(self, z0):
        z1 = self.temporal_generator(z0)
        n, n_frames, _ = z1.shape
        frames = self.image_generator(z1.flatten(0, 1), z0.repeat_interleave(n_frames, 0))
        return frames.unflatten(0, (n, n_frames)).transpose(1, 2)


class VideoDiscriminator(nn.Module):
    """Videos, float32 (N, C, T, H, W) → scores, float32 (N, 1)."""

    def __init__(self, config):
        super().__init__()
        width = config.discriminator_width
        n_units = width * 8 * (config.n_frames // 16) * (config.image_size // 16) ** 2
        self.conv1 = nn.Conv3d(config.channels, width, 4, 2, 1)
        self.conv2 = nn.Conv3d(width, width * 2, 4, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm3d(width * 2, EPS)
        self.conv3 = nn.Conv3d(width * 2, width * 4, 4, 2, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(width * 4, EPS)
        self.conv4 = nn.Conv3d(width * 4, width * 8, 4, 2, 1, bias=False)
        self.bn4 = nn.BatchNorm3d(width * 8, EPS)
        self.linear5 = nn.Linear(n_units, 1)

    def forward(self, x):
        h = F.leaky_relu(self.conv1(x), 0.2, inplace=True)
        h = F.leaky_relu(self.bn2(self.conv2(h)), 0.2, inplace=True)
        h = F.leaky_relu(self.bn3(self.conv3(h)), 0.2, inplace=True)
        h = F.leaky_relu(self.bn4(self.conv4(h)), 0.2, inplace=True)
        return self.linear5(h.flatten(1))


class TGAN:
    """The networks, their optimizers, and the three parts of an iteration of Algorithm 1 (n_D = 1).

    Args:
        config (Config): Complete.
        device (torch.device or str): Where to.
        variants (collection of str): What to do otherwise than by default: "channels_last" (memory format),
            "foreach" (optimizer), "cudnn.benchmark" (search for the fastest convolution algorithms),
            "float32" (no TF32 on a GPU), "compile" (torch.compile).
    """

    def __init__(self, config, device="cpu", variants=()):
        self.device, self.k0 = device, config.k0
        self.generator = VideoGenerator(config).to(device)
        self.discriminator = VideoDiscriminator(config).to(device)
        _initialize(self.generator, self.discriminator)

        torch.backends.cudnn.benchmark = "cudnn.benchmark" in variants
        if "float32" in variants:
            torch.backends.cudnn.allow_tf32 = False
        self.video_format = torch.contiguous_format
        if "channels_last" in variants:
            self.video_format = torch.channels_last_3d
            self.generator.to(memory_format=torch.channels_last)
            self.discriminator.to(memory_format=torch.channels_last_3d)
        if "compile" in variants:
            self.generator.compile()
            self.discriminator.compile()
        self.optimizers = [
            torch.optim.RMSprop(
                network.parameters(),
                config.learning_rate,
                alpha=0.99,
                eps=1e-8,
                foreach=True if "foreach" in variants else None,
            )
            for network in (self.generator, self.discriminator)
        ]

    def draw_z0(self, n):
        return torch.rand(n, self.k0, device=self.device) * 2 - 1

    def update_discriminator(self, x):
        optimizer = self.optimizers[1]
        with torch.no_grad():
            fake = self.generator(self.draw_z0(len(x)))
        score_real, score_fake = self.discriminator(x).mean(), self.discriminator(fake).mean()
        optimizer.zero_grad()
        (score_fake - score_real).backward()
        optimizer.step()

    def update_generator(self, n):
        optimizer = self.optimizers[0]
        self.discriminator.requires_grad_(False)
        loss = -self.discriminator(self.generator(self.draw_z0(n))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.discriminator.requires_grad_(True)

    @torch.no_grad()
    def clip(self):
        for layer in self.discriminator.children():
            if isinstance(layer, nn.BatchNorm3d):
                deviation = (layer.running_var + layer.eps).sqrt()
                layer.weight.copy_(layer.weight.clamp(0.01 * deviation, deviation))
            else:
                u, s, vt = torch.linalg.svd(layer.weight.flatten(1), full_matrices=False)
                layer.weight.copy_((u * s.clamp(max=1) @ vt).view_as(layer.weight))


def load_chainer(module, link):
    """Copy the parameters of a link of tgan_chainer.links (on the CPU) to the module of the same name."""
    state = module.state_dict()
    for path, parameter in link.namedparams():
        state[name_in_pytorch(path)] = torch.from_numpy(parameter.array)
    module.load_state_dict(state)


def name_in_pytorch(path):
    """Return the name of the parameter with that path in Chainer: ``/bn2/gamma`` is ``bn2.weight``."""
    names = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
    *layer, name = path.strip("/").split("/")
    return ".".join([*layer, names[name]])


def _initialize(generator, discriminator):
    """Section 6.2: uniform in [-0.01, 0.01] in G1, HeNormal elsewhere."""
    for module in (*generator.modules(), *discriminator.modules()):
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in generator.image_generator.modules():
        if isinstance(module, nn.Linear | nn.ConvTranspose2d):
            nn.init.uniform_(module.weight, -0.01, 0.01)
