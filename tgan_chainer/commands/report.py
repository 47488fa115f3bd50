"""Write one HTML page about the tables that tables.py made: scores beside the paper's, loss curves, samples.

  python experiments/report.py
  python experiments/report.py results --out results/report.html

DIR holds table3.json, table4.json or both. Everything is inside of the page, pictures included: it can be
mailed, and needs no network. Curves and samples are shown of the runs whose folders are still there.
"""

import base64
import html
import io
import math
import os
import tempfile

import numpy as np
from PIL import Image

from tgan_chainer import load_generator, save_videos
from tgan_chainer.commands.cli import ArgumentParser
from tgan_chainer.devices import use_device
from tgan_chainer.errors import InputError
from tgan_chainer.evaluations.gam import score_text
from tgan_chainer.figures import draw_curves
from tgan_chainer.files import load_json, save_text
from tgan_chainer.logs import read_log
from tgan_chainer.snapshots import GENERATOR, find_snapshots

FORMAT = "tgan_chainer table 1"

N_SAMPLES = 16
REDUCED = "REDUCED: not a reproduction of the paper's numbers."
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.3rem; margin-top: 3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .7rem; text-align: left; border-bottom: 1px solid #8886; vertical-align: top; }
.reduced { border-left: .4rem solid #c33; padding: .5rem 1rem; background: #c331; }
.runs { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
img { max-width: 100%; height: auto; display: block; margin-top: .4rem; }
img.samples { image-rendering: pixelated; width: 100%; }
footer { margin-top: 3rem; font-size: .85rem; opacity: .7; }
"""


def main(argv=None):
    parser = ArgumentParser(__doc__)
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        default="results",
        help="with table3.json, table4.json (default: results)",
    )
    parser.add_argument("--out", metavar="FILE", help="default: DIR/report.html")
    parser.add_argument(
        "--gpu", type=int, metavar="N", help="GPU to sample on, -1 for the CPU (default: 0 if there)"
    )
    args = parser.parse_args(argv)
    use_device(args.gpu)
    print(write_report(args.folder, args.out or os.path.join(args.folder, "report.html"), args.gpu))


def write_report(folder, out, gpu=None):
    """Write the page and return its path; raise InputError if there is no table."""
    tables = {number: load_table(number, folder) for number in (3, 4)}
    if not any(tables.values()):
        raise InputError(f"{folder} holds neither table3.json nor table4.json; make one by tables.py")
    body = "\n".join(
        section(number, preset, content, folder, gpu)
        for number, presets in tables.items()
        for preset, content in presets.items()
    )
    save_text(
        out,
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width'>\n<link rel='icon' href='data:,'>\n"
        f"<title>TGAN: Tables 3 and 4</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        "<h1>Temporal Generative Adversarial Nets with Singular Value Clipping: the tables</h1>\n"
        f"{body}\n<footer>Paper: Saito, Matsumoto, Saito, ICCV 2017, arXiv:1611.06624. "
        "Every sample grid is seed 0, not chosen.</footer>\n</body>\n</html>\n",
    )
    return out


def load_table(number, folder):
    """Read the sections of a tableN.json, by their presets; none if there is no such file.

    Raises:
        InputError: It is damaged, or of another version.
    """
    path = os.path.join(folder, f"table{number}.json")
    if not os.path.exists(path):
        return {}
    try:
        content = load_json(path)
        for preset in content.values():
            if preset["format"] != FORMAT:
                raise ValueError(f"format {preset['format']}")
            # These meet what is missing.
            table(number, preset)
            origin(preset)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged, or of another version; move it away ({error})") from error
    return content


def section(number, preset, content, folder, gpu):
    """Return the HTML of one table and of the runs in it."""
    header, rows = table(number, content)
    lines = [f"<h2>{escape(title(content, preset))}</h2>"]
    if note := shortcomings(content):
        lines.append(f"<p class='reduced'><strong>{REDUCED}</strong> {escape(note)}</p>")
    lines.append("<div class='scroll'><table>")
    lines.append("<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in header) + "</tr>")
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    lines += ["</table></div>", *(f"<p>{escape(line)}</p>" for line in origin(content))]
    lines.append("<div class='runs'>")
    runs = {}
    for row in content["rows"].values():
        runs |= row.get("folders", {})
    lines += [figure(os.path.join(folder, path), name, gpu) for name, path in runs.items()]
    return "\n".join([*lines, "</div>"])


def table(number, content):
    """Return the header and the rows of a section of tableN.json, as lists of text."""
    header = ["row", "paper", "ours", "difference"]
    if number == 3:
        header[2] += " [95 % interval]"
        header += ["winner", "r_test (errors of D_A / D_B)", "by batch statistics"]
    header += ["iterations", "seed", "wall time", "hardware", "commit"]
    rows = [cells(number, name, row) for name, row in content["rows"].items()]
    return header, [row + [""] * (len(header) - len(row)) for row in rows]


def cells(number, name, row):
    result = [name, with_spread(row["paper"], row["paper_spread"])]
    if row["status"] != "done":
        return [*result, row["status"]]
    result.append(with_spread(row["ours"], row["spread"]) + (" (reduced)" if row["reduced"] else ""))
    result[-1] += f" (as scored before; now {row['note']})" if "note" in row else ""
    result.append(score_text(row["difference"], "+.2f") if math.isfinite(float(row["difference"])) else "")
    if number == 3:
        game, errors = row["game"], row["game"]["errors"]
        r_test = f"{score_text(game['r_test'])} ({errors['test_a']:.1%} / {errors['test_b']:.1%})"
        result += [row["winner"], r_test + ("" if row["fair"] else ", not fair")]
        result.append(score_text(game["batch_statistics"]["r_sample"]))
    for values in zip(*map(training_cells, row["runs"])):
        result.append(" / ".join(dict.fromkeys(values)))
    return result


def training_cells(run):
    return [
        *(f"{run['iterations']:,}", str(run["seed"]), duration(run["wall_time"])),
        *(run["hardware"] or "unknown", run["commit"] or "unknown"),
    ]


def title(content, preset):
    return f"{content['title']}, preset {preset}"


def shortcomings(content):
    """Return in what a table falls short of the paper, as text; an empty one if it does not."""
    done = {name: row["reduced"] for name, row in content["rows"].items() if row["status"] == "done"}
    trained = {name for name in done if content["rows"][name]["runs"]}  # but for the data set's own row
    found = []
    for reason in sorted(set().union(*done.values())):
        names = [name for name in done if reason in done[name]]
        found.append(reason if trained.issubset(names) else f"{reason} ({', '.join(names)})")
    return f"What falls short: {'; '.join(found)}." if found else ""


def origin(content):
    """Return lines that say on what data, when and by what rows were scored; one line if all agree."""
    found = {}
    for name, row in content["rows"].items():
        if "scored" in row:
            how = row["scored"]
            line = f"data: {how['data']}. Scored on {how['hardware']}, commit {how['commit'] or 'unknown'}, "
            found.setdefault(f"{line}{how['date'].split()[0]}.", []).append(name)
    if len(found) == 1:
        (line,) = found
        return [line[0].upper() + line[1:]]
    return [f"{', '.join(names)}: {line}" for line, names in found.items()]


def with_spread(value, spread):
    if spread is None:
        return score_text(value)
    if isinstance(spread, list | tuple):  # an interval
        return f"{score_text(value)} [{', '.join(map(score_text, spread))}]"
    return f"{score_text(value)} ± {spread:.2f}"


def duration(seconds):
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def figure(folder, name, gpu):
    """Return the HTML of a run's samples and loss curves, or of why there are none."""
    if not find_snapshots(folder, GENERATOR):
        return f"<figure><figcaption>{escape(name)}</figcaption>{escape(folder)} is not there.</figure>"
    try:
        generator = load_generator(folder, gpu)
    except InputError as error:
        return f"<figure><figcaption>{escape(name)}</figcaption>{escape(error)}</figure>"
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "samples.gif")
        save_videos(path, list(generator.sample(N_SAMPLES, seed=0)))
        with open(path, "rb") as file:
            samples = file.read()
    alt = f"{N_SAMPLES} moving samples of {name} after {generator.iteration} iterations"
    parts = [f"<figcaption>{escape(name)}, iteration {generator.iteration:,}</figcaption>"]
    parts.append(f"<img class='samples' alt='{escape(alt)}' src='{data_uri('gif', samples)}'>")
    log = read_log(folder)
    if log:
        keys = sorted({key for entry in log for key in entry if "/loss" in key})
        curves = {key: ([e["iteration"] for e in log], [e.get(key, np.nan) for e in log]) for key in keys}
        picture = png(draw_curves(curves, "loss")[0])
        parts.append(f"<img alt='losses of {escape(name)}' src='{data_uri('png', picture)}'>")
    return "<figure>" + "\n".join(parts) + "</figure>"


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(kind, content):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def escape(value):
    return html.escape(str(value), quote=True)
