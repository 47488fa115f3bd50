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
from tgan_chainer.cli import ArgumentParser, run_command
from tgan_chainer.errors import InputError
from tgan_chainer.figures import draw_curves
from tgan_chainer.files import load_json, save_text
from tgan_chainer.snapshots import GENERATOR, find_snapshots

N_SAMPLES = 16
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.3rem; margin-top: 3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .7rem; text-align: left; border-bottom: 1px solid #8886; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.reduced { border-left: .4rem solid #c33; padding: .5rem 1rem; background: #c331; }
.mark { color: #c33; font-size: .8em; }
.runs { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
img { max-width: 100%; height: auto; display: block; margin-top: .4rem; }
img.samples { image-rendering: pixelated; }
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
    print(write_report(args.folder, args.out or os.path.join(args.folder, "report.html"), args.gpu))


def write_report(folder, out, gpu=None):
    """Write the page and return its path; raise InputError if there is no table."""
    tables = {number: load_json(os.path.join(folder, f"table{number}.json")) for number in (3, 4)}
    tables = {number: content for number, content in tables.items() if isinstance(content, dict)}
    if not tables:
        raise InputError(f"{folder} holds neither table3.json nor table4.json; make one by tables.py")
    parts = [
        section(number, preset, content)
        for number, table in tables.items()
        for preset, content in table.items()
    ]
    body = "\n".join(part for part, _ in parts)
    runs = {path: name for _, found in parts for path, name in found.items()}
    figures = "\n".join(filter(None, (figure(path, name, gpu) for path, name in runs.items())))
    if figures:
        body += f"\n<h2>Runs</h2>\n<div class='runs'>\n{figures}\n</div>"
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


def section(number, preset, content):
    """Return the HTML of one table, and the folders of its runs with their names."""
    rows, runs, reduced = [], {}, set()
    for name, row in content["rows"].items():
        done = row["status"] == "done"
        mark = " <span class='mark'>reduced</span>" if row.get("reduced") else ""
        cells = [escape(name), spread(row["paper"], row.get("paper_spread"))]
        if done:
            cells += [spread(row["ours"], row["spread"]) + mark, text(row["difference"], "+.2f")]
            if number == 3:
                fair = "" if row["fair"] else " (not fair)"
                batch = text(row["game"]["batch_statistics"]["r_sample"])
                cells += [escape(row["winner"]), text(row["game"]["r_test"]) + fair, batch]
            trained = (
                f"{row['iterations']:,} iterations, seed {row['training_seed']}"
                if "iterations" in row
                else ""
            )
            made = (
                [trained, f"{row['wall_time'] / 60:.0f} min", row["hardware"], row["commit"]]
                if trained
                else []
            )
            cells.append(escape(", ".join(str(item) for item in made if item)))
            reduced.update(row["reduced"])
            for key, run_name in (
                ("folder_a", "TGAN (model A)"),
                ("folder", name.partition(" vs. ")[2] or name),
            ):
                if row.get(key):
                    runs[row[key]] = f"{run_name}, {preset}"
        else:
            cells += [f"<em>{escape(row['status'])}</em>", *[""] * (5 if number == 3 else 2)]
        rows.append("<tr>" + "".join(
            f"<td{' class=number' if 0 < i < 4 else ''}>{cell}</td>" for i, cell in enumerate(cells)
        ) + "</tr>")  # fmt: skip
    header = [
        "row",
        "paper",
        "ours",
        "difference",
        *(["winner", "r_test", "by batch statistics"] if number == 3 else []),
        "trained",
    ]
    note = ""
    if reduced or preset != "paper":
        note = (
            "<p class='reduced'><strong>REDUCED: not a reproduction of the paper's numbers.</strong> "
            f"What falls short: {escape('; '.join(sorted(reduced)))}.</p>\n"
        )
    made_by = content["made_by"]
    title = f"{escape(content['title'])}, preset {escape(preset)}"
    return (
        f"<h2>{title}</h2>\n{note}<div class='scroll'><table>\n<tr>"
        + "".join(f"<th>{name}</th>" for name in header)
        + "</tr>\n"
        + "\n".join(rows)
        + f"\n</table></div>\n<p>Data: {escape(content['data'])}. Written {escape(made_by['date'])} on "
        f"{escape(made_by['hardware'])}, commit {escape(made_by['commit'] or 'unknown')}.</p>",
        runs,
    )


def figure(folder, name, gpu):
    """Return the HTML of a run's samples and loss curves; an empty string if it is no longer there."""
    if not find_snapshots(folder, GENERATOR):
        return ""
    generator = load_generator(folder, gpu)
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "samples.gif")
        save_videos(path, list(generator.sample(N_SAMPLES, seed=0)), scale=2)
        with open(path, "rb") as file:
            samples = file.read()
    alt = f"{N_SAMPLES} moving samples of {name} after {generator.iteration} iterations"
    parts = [f"<figcaption>{escape(name)}, iteration {generator.iteration:,}</figcaption>"]
    parts.append(f"<img class='samples' alt='{escape(alt)}' src='{data_uri('gif', samples)}'>")
    log = load_json(os.path.join(folder, "log"))
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


def text(value, form=".2f"):
    value = float(value)  # JSON has infinity and NaN as texts only
    return "undefined" if math.isnan(value) else format(value, form)


def spread(value, interval):
    if interval is None:
        return text(value)
    if isinstance(interval, list | tuple):
        return f"{text(value)} [{', '.join(map(text, interval))}]"
    return f"{text(value)} ± {interval:.2f}"


if __name__ == "__main__":
    run_command(main)
