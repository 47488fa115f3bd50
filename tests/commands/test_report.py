"""report.py writes a page about a folder. What is on it: test_tables.py and reproduction/test_page.py."""

import os
import shutil

import pytest
from helpers import EXPERIMENTS, assert_one_line_error, call

TABLE = os.path.join(EXPERIMENTS, "gallery", "table3_cpu.json")


@pytest.mark.parametrize("arguments", [[], ["results"], ["results", "--out", "page.html"]])
def test_the_page_is_where_it_says(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    os.mkdir("results")
    shutil.copy(TABLE, "results/table3.json")
    result = call("report.py", *arguments, "--gpu", -1)
    out = "page.html" if "--out" in arguments else "results/report.html"
    assert (result.returncode, result.stdout) == (0, f"{out}\n")
    with open(out, encoding="utf-8") as file:
        assert "TGAN vs. 3D model (SVC)" in file.read()


@pytest.mark.parametrize(
    "content",
    [None, "[]", "{", "null", '{"smoke": 3}', '{"smoke": {"format": "tgan_chainer table 1", "rows": []}}']
    + ['{"smoke": {"format": "tgan_chainer table 9", "rows": {}}}'],
)
def test_without_a_table_there_is_no_page(tmp_path, content):
    if content is not None:
        (tmp_path / "table3.json").write_text(content)
    assert_one_line_error(call("report.py", tmp_path), "table3.json")
    assert not (tmp_path / "report.html").exists()
