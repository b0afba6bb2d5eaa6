"""Images that stand for two are seen by the sums at the end of their files."""

from __future__ import annotations

import gzip
import shutil

import numpy as np

from qsmstats.checks.study import check_study
from qsmstats.study_file import open_study
from tests.study_folder import TOML, write_image, write_images, write_tables


def image(folder, visit, name="MWFmap"):
    return folder / visit / f"{visit.replace('/', '_')}_{name}.nii.gz"


def messages(folder):
    return list(check_study(open_study(folder))["message"])


def test_a_map_copied_from_another_session_is_named_with_it(tmp_path):
    write_images(write_tables(tmp_path))
    assert messages(tmp_path) == []
    shutil.copy(image(tmp_path, "sub-02/ses-01"), image(tmp_path, "sub-03/ses-01"))
    assert messages(tmp_path) == [
        "sub-03/ses-01/sub-03_ses-01_MWFmap.nii.gz: is identical to "
        "sub-02/ses-01/sub-02_ses-01_MWFmap.nii.gz, the mwf_percent of its session; replace "
        "the copy by the image that was measured"
    ]


def test_compressed_anew_it_is_the_same_still(tmp_path):
    write_images(write_tables(tmp_path))
    content = gzip.decompress(image(tmp_path, "sub-02/ses-01").read_bytes())
    image(tmp_path, "sub-03/ses-01").write_bytes(gzip.compress(content, 1))
    assert len(messages(tmp_path)) == 1


def test_one_file_for_two_maps_is_named(tmp_path):
    pattern = "{participant}/{session}/{participant}_{session}_MWFmap.nii.gz"
    toml = TOML.replace(
        "[tables]", f'[maps.ndi]\npattern = "{pattern}"\nunit = "percent"\n[tables]'
    )
    write_images(write_tables(tmp_path, None, toml))
    found = [line for line in messages(tmp_path) if "is identical to" in line]
    assert len(found) == 5


def test_what_has_no_sum_of_its_own_is_not_compared(tmp_path):
    write_images(write_tables(tmp_path))
    # Masks and label images may well agree; and of two members only the last has its sum at the
    # end.
    shutil.copy(image(tmp_path, "sub-02/ses-01", "mask"), image(tmp_path, "sub-03/ses-01", "mask"))
    values = np.random.default_rng(1).normal(10, 1, (12, 12, 12)).astype(np.float32)
    for visit in ("sub-02/ses-01", "sub-03/ses-01"):
        raw = gzip.decompress(write_image(image(tmp_path, visit), values).read_bytes())
        image(tmp_path, visit).write_bytes(gzip.compress(raw[:500]) + gzip.compress(raw[500:]))
    assert messages(tmp_path) == []
