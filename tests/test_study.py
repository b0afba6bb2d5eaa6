"""study.toml: what it says, and everything that is wrong with it at once."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.schemas import map_schemas
from qsmstats.settings import FeatureSettings, ModelSettings
from qsmstats.study import LabelSpec, MapSpec, TissueSpec, VoxelwiseSpec
from qsmstats.study_file import open_study
from tests.study_folder import TOML


def write(folder: Path, toml: str = TOML) -> Path:
    (folder / "study.toml").write_text(toml, encoding="utf-8")
    return folder


def problems(folder: Path, toml: str) -> list[str]:
    with pytest.raises(InvalidDataError) as caught:
        open_study(write(folder, toml))
    return [str(problem) for problem in caught.value.problems]


def test_a_study_is_what_its_file_says(tmp_path):
    study = open_study(write(tmp_path))
    assert study.name == "made"
    assert study.folder == tmp_path
    assert study.maps == (
        MapSpec(
            name="mwf_percent",
            pattern="{participant}/{session}/{participant}_{session}_MWFmap.nii.gz",
            unit="percent",
            missing=0,
        ),
    )
    assert study.tables["lesions"].files == ("lesions.tsv",)
    assert study.features == FeatureSettings()
    assert study.models == ModelSettings()
    assert study.outcomes == ("mwf_percent",)
    path = study.image(study.labels.pattern, "sub-01", "ses-02")
    assert path == tmp_path / "sub-01/ses-02/sub-01_ses-02_dseg.nii.gz"


def test_other_forms_of_labels_and_tissue_are_read(tmp_path):
    text = TOML.replace(
        '_dseg.nii.gz"\n',
        '_{lesion_type}.mgz"\ninstances = "components"\n'
        "connectivity = 6\nmin_mm3 = 0\nvolume = 1\n",
    ).replace(
        'white_matter = "{participant}/{session}/{participant}_{session}_mask.nii.gz"',
        'white_matter = { pattern = "{participant}/wmparc.mgz", volume = 0, labels = '
        '["3001-3003", 5001, "Right-Cerebral-White-Matter", "left cerebral white matter"] }',
    )
    study = open_study(write(tmp_path, text.replace('lesions = "lesions.tsv"\n', "")))
    assert study.labels == LabelSpec(
        pattern="{participant}/{session}/{participant}_{session}_{lesion_type}.mgz",
        instances="components",
        connectivity=6,
        min_mm3=0,
        volume=1,
    )
    assert study.tissue["white_matter"] == TissueSpec(
        pattern="{participant}/wmparc.mgz",
        labels=((3001, 3003), (5001, 5001), (41, 41), (2, 2)),
        volume=0,
    )
    assert "lesions" not in study.tables


def test_a_study_opened_by_text_is_the_same_and_can_be_sent_to_workers(tmp_path):
    study = open_study(str(write(tmp_path)))
    assert study == open_study(tmp_path)
    assert pickle.loads(pickle.dumps(study)) == study


def test_the_name_is_the_folders_where_none_is_given(tmp_path):
    folder = tmp_path / "cohort"
    folder.mkdir()
    assert open_study(write(folder, TOML.replace('name = "made"', ""))).name == "cohort"


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("susceptibility_ppb", "ppm", 1000),
        ("susceptibility_ppb", "ppb", 1),
        ("mwf_percent", "fraction", 100),
        ("ndi", "percent", 0.01),
    ],
)
def test_units_have_factors_to_the_canonical_one(name, unit, factor):
    assert MapSpec(name=name, pattern="", unit=unit).factor == factor
    assert MapSpec(name=name, pattern="", unit=map_schemas()[name].unit).factor == 1


def test_settings_go_before_defaults(tmp_path):
    extra = """
[lesion_types]
"typ a" = "isointense"
[features]
shell_mm = 1
[models]
outcomes = ["mwf_percent"]
df = "kenward-roger"
level = 0.9
[histology]
unmapped = "exclude"
mapping = { remyelinated = "isointense", chronic_active = ["paramagnetic_rim"] }
"""
    study = open_study(write(tmp_path, TOML + extra))
    assert study.schemas.words == {"lesion_type": {"typ a": "isointense"}}
    assert study.features == FeatureSettings(shell_mm=1.0)
    assert study.models.df == "kenward-roger"
    assert study.models.baseline == ModelSettings().baseline
    assert study.histology.mapping == {
        "remyelinated": ("isointense",),
        "chronic_active": ("paramagnetic_rim",),
    }


def test_weights_are_stated_for_all_models_of_lesions_or_for_one(tmp_path):
    extra = """
[models]
weights = "lesion_type"
[models.trajectory]
formula = "{outcome} ~ lesion_type * years + (1 | participant_id)"
weights = ["lesion_type", "volume_mm3"]
[models.tissue]
weights = "tissue"
"""
    models = open_study(write(tmp_path, TOML + extra)).models
    assert models.weights_of("baseline") == ("lesion_type",)
    assert models.weights_of("trajectory") == ("lesion_type", "volume_mm3")
    assert models.weights_of("tissue") == ("tissue",)
    assert models.is_default("baseline")
    assert models.trajectory == "{outcome} ~ lesion_type * years + (1 | participant_id)"


def test_a_folder_without_the_file_is_named(tmp_path):
    with pytest.raises(InvalidDataError, match=r"study.toml: no such file"):
        open_study(tmp_path)


@pytest.mark.parametrize("data", [b"name = ", b'name = "\xff"'])
def test_a_file_that_is_no_toml_is_named(tmp_path, data):
    (tmp_path / "study.toml").write_bytes(data)
    with pytest.raises(InvalidDataError, match="is not valid TOML"):
        open_study(tmp_path)


CHANGES = {
    "unknown section": ("[labels]", "[label]\n[labels]", "'label': is not a setting", "'labels'"),
    "unknown setting": ("missing = 0", "mising = 0", "maps.mwf_percent.mising", "mean 'missing'"),
    "unknown map": (
        "[maps.mwf_percent]",
        "[maps.mwf_perc]",
        "maps.mwf_perc'",
        "mean 'mwf_percent'",
    ),
    "unknown unit": ('"percent"', '"%"', "maps.mwf_percent.unit", "allowed: percent, fraction"),
    "unit that is no text": ('"percent"', '["percent"]', "maps.mwf_percent.unit", "is not a unit"),
    "missing value in words": (
        "missing = 0",
        'missing = "0"',
        "missing'",
        "expected the finite",
    ),
    "missing value true": ("missing = 0", "missing = true", "missing'", "found True"),
    "missing value that is none": ("missing = 0", "missing = nan", "missing'", "found nan"),
    "missing value without end": ("missing = 0", "missing = 1" + "0" * 400, "missing'", "found 10"),
    "name that is no text": ('"made"', '["made"]', "setting 'name'", "found ['made']"),
    "name without letters": ('"made"', '" "', "setting 'name'", "found ' '"),
    "pattern with more than a name": (
        "{session}_dseg",
        "{session.x}_dseg",
        "labels.pattern",
        "correct the text in braces",
    ),
    "pattern with a format": ("{session}_dseg", "{session:>9}_dseg", "labels.pattern", "in braces"),
    "pattern with an open brace": (
        "{session}_dseg",
        "{session_dseg",
        "labels.pattern",
        "in braces",
    ),
    "pattern with an unseen letter": ("_dseg.nii", "\u200b_dseg.nii", "labels.pattern", "u200b"),
    "pattern without participant": (
        "{participant}/{session}/{participant}_{session}_dseg",
        "dseg",
        "labels.pattern",
        "does not contain {participant}",
    ),
    "pattern with other braces": ("{session}_dseg", "{visit}_dseg", "labels.pattern", "in braces"),
    "pattern that is no text": (
        "[labels]\npattern = ",
        "[labels]\npattern = 3 #",
        "labels",
        "found 3",
    ),
    "table missing": ('lesions = "lesions.tsv"', "", "tables.lesions", "is missing"),
    "unknown table": ("ratings =", "rating =", "tables.rating'", "did you mean 'ratings'?"),
    "table that is no file": ('"lesions.tsv"', "3", "tables.lesions", "expected a file name"),
    "wide without names": (
        '"ratings.tsv"',
        '{ file = "r.csv", wide = ["a"] }',
        "tables.ratings",
        "a wide table needs names_to and values_to",
    ),
    "names without wide": (
        '"ratings.tsv"',
        '{ file = "r.csv", names_to = "rater_id", values_to = "lesion_type" }',
        "tables.ratings",
        "name its columns: wide",
    ),
    "wide as text": (
        '"ratings.tsv"',
        '{ file = "r.csv", wide = "ab", names_to = "rater_id", values_to = "lesion_type" }',
        "tables.ratings.wide",
        "expected a list of columns",
    ),
    "wide of numbers": (
        '"ratings.tsv"',
        '{ file = "r.csv", wide = [1], names_to = "rater_id", values_to = "lesion_type" }',
        "tables.ratings.wide",
        "expected a list of columns",
    ),
    "names_to as number": (
        '"ratings.tsv"',
        '{ file = "r.csv", wide = ["a"], names_to = 3, values_to = "lesion_type" }',
        "tables.ratings.names_to",
        "expected a column's name",
    ),
    "columns as text": (
        '"lesions.tsv"',
        '{ file = "l.csv", columns = "label" }',
        "tables.lesions.columns",
        "expected { column =",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_wrong_is_said_with_its_place_and_remedy(tmp_path, case):
    old, new, *words = CHANGES[case]
    assert old in TOML
    toml = TOML.replace(old, new, 1)
    found = [line for line in problems(tmp_path, toml) if all(word in line for word in words)]
    assert len(found) == 1
    assert found[0].startswith("study.toml, setting '")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("[features]\nshell_mm = 0", "features.shell_mm': 0.0 mm is outside 0.01 to 100 mm"),
        (
            '[features]\nshell_mm = "2"',
            "features.shell_mm': found '2'; write a number such as 2.0",
        ),
        ("[features]\nshell_mm = true", "features.shell_mm': found True; write a number"),
        ("[features]\nshell_mm = 1" + "0" * 400, "; write a number such as 2.0"),
        ("[features]\nshel_mm = 2", "features.shel_mm': is not a setting"),
        ("[models]\nlevel = 95", "models.level': must be between 0 and 1, such as 0.95, not 95.0"),
        ("[models]\nimputations = 1", "models.imputations': must be 0 (none) or from 2 to 1000"),
        ("[models]\nimputations = 2.5", "models.imputations': found 2.5; write a whole number"),
        ('[models]\ndf = "kenward"', 'models.df\': must be "satterthwaite", "ken'),
        ('[models]\nadjust = "fdr"', 'models.adjust\': must be "mvt", "tukey"'),
        ('[models]\nscanner = "site"', 'models.scanner\': must be "by_number", "fixed", "random"'),
        ('[models]\nharmonise = "yes"', 'models.harmonise\': must be "none", "combat" or'),
        ('[models]\nadjust = "dunnett"', '"sidak", "holm", "bonferroni", "fdr_bh" or "none", not'),
        (
            '[models]\noutcomes = ["mwf"]',
            "models.outcomes': 'mwf' is not a map of the study; choose",
        ),
        (
            '[lesion_types]\nx = "paramagnetic"',
            "lesion_types.x': 'paramagnetic' is not one of isointense, ",
        ),
        ('[lesion_types]\nhyperintense = "isointense"', "a level itself and cannot stand for"),
        (
            '[models]\noutcomes = ["mwf_percent", "mwf_percent"]',
            "'mwf_percent' is listed 2 times",
        ),
        ("[models]\noutcomes = []", "models.outcomes': is empty; name maps or their features, or"),
        (
            '[models]\noutcomes = ["mwf_percent.left_out_mm3"]',
            "models.outcomes': 'left_out_mm3' is not a feature of a map; choose",
        ),
        ("[models]\noutcomes = [1]", "models.outcomes': found [1]; write a list of texts"),
        ("[models]\nweights = 3", "models.weights': found 3; write a column such as"),
        ("[models.baseline]\nweights = [1]", "models.weights': found [1]; write a column such as"),
        (
            '[models.baseline]\nweight = "sex"',
            "models.baseline.weight': is not a setting; allowed: formula, weights; did you mean",
        ),
        (
            '[models.weights]\nbasline = "sex"',
            "models.weights.basline': is not a setting; allowed: baseline, tissue, trajectory; did",
        ),
        (
            '[models.tissue]\nformula = "{outcome} ~ {age}"',
            "models.tissue': '{outcome} ~ {age}' may contain only {outcome}",
        ),
        (
            '[models]\nbaseline = "mwf ~ age"',
            "models.baseline': 'mwf ~ age' does not contain {outcome}; ",
        ),
        (
            '[models]\ntissue = "{y} ~ age"',
            "models.tissue': '{y} ~ age' may contain only {outcome}",
        ),
        ('[models]\ntissue = "{outcome.x} ~ a"', "may contain only {outcome} in braces; correct"),
        ('[models]\ntissue = "{outcome ~ a"', "may contain only {outcome} in braces; correct"),
        ('[matching]\nlesion_ids = "no"', 'must be "consistent" or "independent", not \'no\''),
        (
            "[matching]\nlesion_ids = 'independent'\nmin_overlap = 0",
            "must be above 0 and at most 1, such as 0.25, not 0.0",
        ),
        (
            "[matching]\nlesion_ids = 'independent'\nmin_overlap = 1.5",
            "must be above 0 and at most 1, such as 0.25, not 1.5",
        ),
        (
            '[histology]\nunmapped = "drop"',
            'unmapped\': must be "exclude" or "negative", not \'drop\'',
        ),
        (
            "[histology]\nmapping = { a = 3 }",
            "histology.mapping': found {'a': 3}; write lists",
        ),
        (
            "[histology]\nmapping = {}",
            "histology.mapping': is empty; map at least one of",
        ),
        (
            '[histology]\nmapping = { active = "isointense" }',
            "histology.mapping.active': is not a reference class; choose from remyelinated",
        ),
        (
            '[histology]\nmapping = { remyelinated = "iso" }',
            "histology.mapping': 'iso' is not a level of the index test; choose from isointense",
        ),
        (
            "[histology]\nmapping = { remyelinated = [] }",
            "histology.mapping': is empty; map at least one of remyelinated",
        ),
        (
            '[histology]\nmapping = { remyelinated = "isointense", chronic_active = "isointense" }',
            "histology.mapping': 'isointense' is mapped to 2 classes; keep one",
        ),
        (
            "[histology]\nmapping = { a = [3] }",
            "histology.mapping': found {'a': [3]}; write",
        ),
    ],
)
def test_settings_are_checked(tmp_path, section, words):
    found = problems(tmp_path, f"{TOML}\n{section}\n")
    assert len(found) == 1
    assert words in found[0]


def test_every_problem_is_reported_at_once(tmp_path):
    toml = TOML.replace('"percent"', '"%"').replace("[labels]", "[labels]\nx = 1")
    toml = toml.replace('lesions = "lesions.tsv"\n', "") + "\n[models]\nlevel = 2\n"
    assert len(problems(tmp_path, toml)) == 4


def test_a_file_without_maps_names_the_section_to_add(tmp_path):
    start, end = TOML.index("[maps"), TOML.index("[tables]")
    found = problems(tmp_path, TOML[:start] + TOML[end:])
    assert len(found) == 1
    assert "add a section such as [maps.susceptibility_ppb]" in found[0]


def test_a_section_that_is_no_section_is_named(tmp_path):
    found = problems(tmp_path, 'features = "x"\n' + TOML)
    assert found == [
        "study.toml, setting 'features': expected a section [features], found 'x'; "
        "write its settings below such a line"
    ]


HISTOLOGY = 'histology = "histology.tsv"\n'
RATINGS = 'ratings = "ratings.tsv"\n'
MASK = TOML[TOML.index("[tissue]") : TOML.index("[maps.")]


@pytest.mark.parametrize(
    ("base", "gone", "section", "where", "needed"),
    [
        (TOML, "", "[matching]\nmin_overlap = 0.25", "matching.min_overlap", "lesion_ids ="),
        (
            TOML,
            "",
            "[lesion_type_rule]\nrim = 1.0",
            "lesion_type_rule",
            "the map susceptibility_ppb",
        ),
        (
            TOML,
            MASK,
            "[features]\nnawm_distance_mm = 4",
            "features.nawm_distance_mm",
            "white matter",
        ),
        (TOML, MASK, '[models]\ntissue = "{outcome} ~ tissue"', "models.tissue", "white matter"),
        (
            TOML,
            HISTOLOGY,
            '[histology]\nunmapped = "negative"',
            "histology",
            "a table of histology",
        ),
        (TOML, RATINGS, '[raters]\nadjudicator = "r1"', "raters", "a table of ratings"),
    ],
)
def test_a_setting_that_does_nothing_is_an_error_though_it_states_the_default(
    tmp_path, base, gone, section, where, needed
):
    found = problems(tmp_path, base.replace(gone, "", 1) + f"\n{section}\n")
    own = [line for line in found if line.startswith(f"study.toml, setting '{where}': ")]
    assert len(own) == 1
    assert needed in own[0]
    assert "remove" in own[0]
    if gone:  # with what it needs, it is no problem
        open_study(write(tmp_path, f"{base}\n{section}\n"))


def test_images_in_a_common_space_are_read(tmp_path):
    text = TOML + (
        '\n[voxelwise]\nmask = "mask.nii.gz"\n\n[voxelwise.maps.ndi]\n'
        'pattern = "{participant}.nii"\nunit = "percent"\nvolume = 1\n'
    )
    study = open_study(write(tmp_path, text))
    assert study.voxelwise == VoxelwiseSpec(
        mask="mask.nii.gz",
        maps=(MapSpec(name="ndi", pattern="{participant}.nii", unit="percent", volume=1),),
    )
    assert "voxelwise" not in "".join(study.patterns)
    assert open_study(write(tmp_path)).voxelwise == VoxelwiseSpec()


@pytest.mark.parametrize(
    ("section", "found"),
    [
        (
            'mask = 3\n[voxelwise.maps.ndi]\npattern = "{participant}"\nunit = "percent"',
            "'voxelwise",
        ),
        ('[voxelwise.maps.ndi]\npattern = "x"\nunit = "percent"', "maps.ndi.pattern"),
        ('[voxelwise.maps.ndi]\npattern = "{participant}"\nunit = "ppm"', "'ppm' is not a unit"),
        ('[voxelwise.maps.ndi]\npattern = "{participant}"\nunit = "percent"\ntitle = "x"', "title"),
        ('space = "MNI"\n[voxelwise.maps.ndi]\npattern = "{participant}"', "voxelwise.space"),
    ],
)
def test_what_is_wrong_with_the_common_space_is_named(tmp_path, section, found):
    with pytest.raises(InvalidDataError, match=found):
        open_study(write(tmp_path, f"{TOML}\n[voxelwise]\n{section}\n"))
