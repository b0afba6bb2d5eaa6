import re

import pytest
import yaml

from qsmstats.wording.references import RELEASED, SOFTWARE, bibtex, citation


def test_only_what_the_text_cites_is_listed_and_the_software_first():
    entries = bibtex("A linear mixed model; adjusted by Holm's method (Holm 1979).", "1.2.3")
    keys = re.findall(r"@(\w+)\{(\w+),", entries)
    assert keys == [("misc", "qsmstats"), ("article", "Bates2015"), ("article", "Holm1979")]
    assert entries.count("{") == entries.count("}")
    assert "Version 1.2.3" in entries


def test_the_software_is_cited_as_its_citation_file_says(pytestconfig):
    said = yaml.safe_load((pytestconfig.rootpath / "CITATION.cff").read_text(encoding="utf-8"))
    assert said["title"] == SOFTWARE
    assert str(said["date-released"])[:4] == RELEASED
    assert said["authors"][0]["name"] in citation("1")


@pytest.mark.parametrize("cue", ["Satterthwaite", "Kenward", "Barnard and Rubin", "DeLong"])
def test_a_cited_work_has_a_doi(cue):
    assert "doi = {10." in bibtex(cue, "1").split("@article")[1]
