"""The notebook: every cell runs, with a few iterations instead of a minute of training."""

import os

import pytest
from helpers import EXPERIMENTS


def test_every_cell_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="needs the package nbformat")
    nbclient = pytest.importorskip("nbclient", reason="needs the package nbclient")
    pytest.importorskip("ipykernel", reason="needs the package ipykernel")
    notebook = nbformat.read(os.path.join(EXPERIMENTS, "quickstart.ipynb"), 4)
    source = "\n".join(cell.source for cell in notebook.cells)
    assert source.count("--time-limit 60s") == 1 and not any(cell.get("outputs") for cell in notebook.cells)
    for cell in notebook.cells:
        shorter = cell.source.replace("--time-limit 60s", "--iterations 12")
        cell.source = shorter.replace("--num 50", "--num 8")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    text = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "| moving_mnist | 8 |" in text and "16 videos of iteration 12" in text and "error:" not in text
