"""Write a web page that makes videos with a trained generator, in the browser.

SOURCE is a results folder of train.py (its newest generator is taken), one snapshot file, or the name of
weights that come along (generate.py --list). DIR/index.html makes up new videos, walks from one to another
along the line between their z0, shows them in slow motion by the points between their z1 (of a TGAN), and
takes a label (of a conditional model). The seeds on the page are those of generate.py.

  %(prog)s results/tgan_moving_mnist --out demo
  %(prog)s results/tgan_moving_mnist --out demo --runtime onnxruntime-web-1.30.0.tgz

Everything is inside of the page: open it with a browser, mail it, or put it on a server; it needs no network.
ONNX Runtime Web, which computes there, is fetched once, 14 MB, and kept in the cache; where its server cannot
be reached, npm fetches it, if it is installed. --runtime takes npm's package instead, as `npm pack
onnxruntime-web@1.30.0` fetches it.
"""

import os

from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.devices import use_device
from tgan_chainer.files import check_can_write
from tgan_chainer.runs import load_run


def main(argv=None):
    args = parse_arguments(argv)
    from tgan_chainer.demo import load_runtime, write_demo

    use_device(-1)  # nothing is computed
    run = load_run(args.source, with_discriminator=False)
    runtime = load_runtime(args.runtime)
    path = os.path.join(args.out, "index.html")
    check_can_write(path)
    print(write_demo(path, run, runtime, args.source))


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("source", metavar="SOURCE", help="results folder, snapshot or name of weights")
    parser.add_argument("--out", metavar="DIR", default="demo", help="folder for the page (default: demo)")
    parser.add_argument(
        "--runtime", metavar="FILE", help="package of ONNX Runtime Web, or a folder it was unpacked to"
    )
    return parser.parse_args(argv)
