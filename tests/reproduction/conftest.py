"""The table in the gallery, as it is and with markup wherever a text may stand."""

import json
import os

import pytest
from helpers import EXPERIMENTS
from reproduction.markup import EVIL

GALLERY = os.path.join(EXPERIMENTS, "gallery")


@pytest.fixture
def sections():
    with open(os.path.join(GALLERY, "table3_cpu.json"), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture
def evil(sections):
    row = sections["cpu"]["rows"]["TGAN vs. 3D model (GAN)"]
    row["departures"] = [{"what": EVIL, "here": EVIL, "there": None}]
    row["note"] = row["winner"] = EVIL
    for run in row["runs"]:
        run["hardware"] = run["commit"] = EVIL
    row["scored"]["data"] = EVIL
    sections["cpu"]["rows"][EVIL] = {"status": EVIL, "paper": 1.0, "paper_spread": None}
    sections["cpu"]["title"] = EVIL
    return sections
