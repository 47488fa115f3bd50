"""Make Table 3 (GAM scores on Moving MNIST) or Table 4 (inception scores on UCF-101): train, score, write.

  %(prog)s 3 --gpu 0
  %(prog)s 4 --data data/ucf101.h5 --gpu 0
  %(prog)s 3 --preset cpu
  %(prog)s 4 --preset digits
  %(prog)s 4 --preset smoke

Each row is trained if its snapshot is missing or has too few iterations, going on from the newest one, then
scored; what is there already is kept. So the same command goes on after Ctrl-C, and several days of training
may run unattended: a row that fails is marked, and the next one begins. Runs that train.py made by itself
count if they lie in the same folders and have the same data. The same command, started several times, on one
host or on several that share the folder, shares out the rows by lock files.

  preset  networks           iterations  runs in         scores
  paper   the paper's        100,000     results/        GAM of 10,000 samples; inception score of 10,000
                                                         samples, four times, by the published C3D
  cpu     an eighth as wide  5,000       results/cpu/    GAM of 5,000 samples; inception score of 1,000, four
                                                         times, by a small C3D trained on the data first
  digits  narrow, on one     2,000       results/digits/ GAM of 2,000 samples; inception score of 500, four
          digit of 32×32                                 times, by the C3D of such digits in the package; an
                                                         easier world, whose data it makes
  smoke   very narrow        20          results/smoke/  to see that everything works, in minutes; makes small
                                                         data by itself unless --data is given

--classifier (and --mean) choose another classifier, see evaluate.py inception --help.

results/tableN.md and .json have a section for each preset that was run: the paper's value, ours, the
difference, iterations, seed, wall time, hardware and commit (of Table 3's rows: TGAN's / the other's, where
they differ). Whatever departs from the paper is marked as REDUCED, and listed. results/report.html
shows the same with loss curves and moving samples.
"""

import os

from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.commands.options import add_gpu_option
from tgan_chainer.config import Config
from tgan_chainer.datasets import VideoDataset
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations import load_classifier
from tgan_chainer.reproduction.page import write_page
from tgan_chainer.reproduction.rows import TABLES
from tgan_chainer.reproduction.running import Order, default_data, load_preset, make
from tgan_chainer.reproduction.tables import PRESETS, TableFile, load_sections

FOLDER = "results"


def main(argv=None):
    args = parse_arguments(argv)
    check_arguments(args)
    rows = choose_rows(args)
    preset = load_preset(args.preset)
    names = "test_data", "classifier", "mean", "iterations", "train", "rescore", "seed", "gpu"
    given = {name: getattr(args, name) for name in names}
    order = Order(args.table, FOLDER, preset, args.data or default_data(args.table, preset), **given)
    # Missing or damaged files are met now, not after hours of training.
    for path in filter(None, (order.data, order.test_data)):
        VideoDataset(path)
    for number in TABLES:
        load_sections(number, FOLDER)
    table = TableFile(args.table, args.preset, FOLDER)
    status = make(order, rows, table)
    page = write_page(FOLDER, os.path.join(FOLDER, "report.html"), args.gpu)
    print(f"\n{table.markdown()}\n{table.path}.md, .json; {page}")
    return status


def check_arguments(args):
    """Raise InputError for what is out of range, or not there, before anything is made."""
    for name in ("classifier", "mean") if args.table == 3 else ("test_data",):
        if getattr(args, name) is not None:
            raise InputError(f"Table {args.table} has no use for --{name.replace('_', '-')}")
    Config(seed=args.seed, iterations=1 if args.iterations is None else args.iterations)  # checks them
    use_device(args.gpu)
    if args.classifier is not None:
        load_classifier(args.classifier, args.mean)


def choose_rows(args):
    rows = TABLES[args.table].rows
    if not args.rows:
        return rows
    known = {row.config or "data": row for row in rows}
    for name in args.rows:
        if name not in known:
            raise InputError(
                f"there is no row {name!r} in Table {args.table}; its rows are {', '.join(known)}"
            )
    return [known[name] for name in known if name in args.rows]


def parse_arguments(argv):
    parser = ArgumentParser(__doc__)
    parser.add_argument("table", type=int, choices=(3, 4), help="number of the table in the paper")
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="see above")
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="default: data/moving_mnist.h5 or data/ucf101.h5; of digits and smoke what they make",
    )
    parser.add_argument(
        "--test-data", metavar="FILE", help="table 3: videos not trained on (default: half of --data's clips)"
    )
    parser.add_argument("--classifier", metavar="FILE", help="table 4: weights, as of evaluate.py inception")
    parser.add_argument("--mean", metavar="FILE", help="table 4: mean2.npz, for the published weights")
    parser.add_argument(
        "--rows", nargs="+", metavar="NAME", help="only these, by the names in configs/; data: the data set"
    )
    parser.add_argument(
        "--iterations", type=int, metavar="N", help="iterations of each row (default: the preset's)"
    )
    parser.add_argument("--no-train", dest="train", action="store_false", help="score what is there")
    parser.add_argument("--rescore", action="store_true", help="score again what has been scored")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="seed of what is trained and scored now (default 0)"
    )
    add_gpu_option(parser)
    return parser.parse_args(argv)
