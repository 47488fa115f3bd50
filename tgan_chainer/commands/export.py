"""Write trained networks as ONNX models, which run without Chainer and this package.

SOURCE is a results folder of train.py (its newest generator is taken) or one snapshot file; DIR gets

  generator.onnx            z0 to videos, float32 (N, C, T, H, W) in [-1, 1]
  temporal_generator.onnx   G0 alone: z0 to z1, (N, T, K1)
  image_generator.onnx      G1 alone: z0 and z1, of any number of frames, to videos

the latter two of a TGAN or conditional TGAN only. Any number N of videos fits. z0 is float32 (N, K0), uniform
in [-1, 1], of Video GAN N(0, 1). A conditional model takes labels as well, int64 (N,). Models say all this in
their metadata, and which labels they know.

  %(prog)s results/tgan_moving_mnist --out onnx
  %(prog)s --classifier c3d --out onnx

--classifier writes C3D, of a file of train_classifier.py or (c3d) the published one of the inception score:
classifier.onnx takes videos as above and does all that the protocol does to them, c3d.onnx is the network
behind that. Both put out fc8, scores before softmax, and fc7, the features of the Fréchet distance.

In Python, after `pip install onnxruntime`:

  import numpy as np, onnxruntime
  session = onnxruntime.InferenceSession("onnx/generator.onnx")
  z0 = np.random.uniform(-1, 1, (16, 100)).astype("float32")
  [videos] = session.run(None, {"z0": z0})
"""

import os

from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import load_classifier
from tgan_chainer.evaluations.protocols import PROTOCOLS
from tgan_chainer.files import check_can_write
from tgan_chainer.runs import load_run


def main(argv=None):
    args = parse_arguments(argv)
    if (args.source is None) == (args.classifier is None):
        raise InputError("give either a SOURCE or --classifier")
    from tgan_chainer.export import classifier_models, generator_models, save_model, signature

    use_device(-1)  # nothing is computed
    if args.classifier is None:
        models = generator_models(load_run(args.source, with_discriminator=False))
    else:
        path = None if args.classifier == "c3d" else args.classifier
        models = classifier_models(load_classifier(path, args.mean, protocol=PROTOCOLS[args.protocol]))
    check_can_write(os.path.join(args.out, "generator.onnx"))
    for name, model in models.items():
        path = os.path.join(args.out, f"{name}.onnx")
        save_model(path, model)
        print(f"{path}: {signature(model)}")


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument(
        "source", metavar="SOURCE", nargs="?", help="results folder, snapshot or name of weights"
    )
    parser.add_argument("--out", metavar="DIR", default="onnx", help="folder for the models (default: onnx)")
    parser.add_argument(
        "--classifier", metavar="FILE", help="write this classifier instead: c3d is the published one"
    )
    parser.add_argument("--mean", metavar="FILE", help="mean2.npz, for the published weights")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default="tgan",
        help="what the published weights' input goes through, see `evaluate inception --help` "
        "(default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(argv)
