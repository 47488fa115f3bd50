"""Write one HTML page about the tables that tables.py made: scores beside the paper's, loss curves, samples.

  %(prog)s
  %(prog)s results --out results/report.html

DIR holds table3.json, table4.json or both. Everything is inside of the page, pictures included: it can be
mailed, and needs no network. Curves and samples are shown of the runs whose folders are still there.
"""

import os

from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_gpu_option
from tgan_chainer.devices import use_device
from tgan_chainer.reproduction.page import write_page


def main(argv=None):
    args = parse_arguments(argv)
    use_device(args.gpu)
    print(write_page(args.folder, args.out or os.path.join(args.folder, "report.html"), args.gpu))


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        default="results",
        help="with table3.json, table4.json (default: results)",
    )
    parser.add_argument("--out", metavar="FILE", help="default: DIR/report.html")
    add_gpu_option(parser)
    return parser.parse_args(argv)
