"""Every public name: its types are public too, it has an example, and it refuses a foreign table.

The examples of the docstrings run one after another with what a reader has at the prompt; what they
leave there is looked at too.
"""

from __future__ import annotations

import doctest
import inspect
import re
import sys
import types
from collections import ChainMap
from operator import attrgetter

import numpy as np
import pandas as pd
import pytest

import qsmstats as qs
from qsmstats.display import LINES, WIDTH, Displayed
from qsmstats.errors import QsmstatsError
from tests.study_folder import TOML, tables, write_images, write_tables

ROOMS = {"plot"}  # the gallery runs an example of each of its functions
NAMES = [name for name in qs.__all__ if name not in {"__version__", *ROOMS}]
FOREIGN = pd.DataFrame({"foreign": ["a", "b"]})


RESULTS = {
    name
    for name in NAMES
    if isinstance(getattr(qs, name), type)
    if issubclass(getattr(qs, name), Displayed | qs.StudyDraft)
    if name != "TrialAssumptions"
}
"""Classes that a user is given and does not make."""


def callables(name):
    """Yield what is called of a public name: itself and the method that fits a model."""
    public = getattr(qs, name)
    if name not in RESULTS:
        yield public
    if isinstance(public, type) and hasattr(public, "fit") and name not in RESULTS:
        yield public.fit


def loaded_classes():
    modules = [one for name, one in sys.modules.items() if name.startswith("qsmstats.")]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, type)]
    return {one.__name__: one for one in found if one.__module__.startswith("qsmstats.")}


def classes_in(annotation, where, known):
    """Yield the classes of the package in an annotation; a word may be an alias for others."""
    for word in re.findall(r"[A-Za-z_]\w*", str(annotation)):
        found = where.get(word, known.get(word))
        if isinstance(found, type):
            yield found
        elif isinstance(found, str | types.UnionType):
            yield from classes_in(found, where, known)


def names_where(function):
    """Return the names that the annotations of a function, or of a class and its bases, can use."""
    homes = inspect.getmro(function) if isinstance(function, type) else (function,)
    return ChainMap(*(vars(sys.modules[one.__module__]) for one in homes))


def types_of(name):
    known = loaded_classes()
    for function in callables(name):
        signature = inspect.signature(function)
        parts = [one.annotation for one in signature.parameters.values() if one.name != "self"]
        for annotation in [*parts, signature.return_annotation]:
            yield from classes_in(annotation, names_where(function), known)


def test_types_of_arguments_and_results_are_public():
    public = {getattr(qs, name) for name in NAMES}
    found = {one for name in NAMES for one in types_of(name)}
    own = {one for one in found if one.__module__.startswith("qsmstats.")}
    # A protocol says what a table or record has to have, and `Extraction` has it.
    hidden = {one for one in own - public if not getattr(one, "_is_protocol", False)}
    assert len(own) > 30
    # Images that have been read, which a run hands on to itself.
    assert {one.__name__ for one in hidden} == {"ReadLabels", "ReadTissue"}


def test_what_a_public_function_returns_is_shown_short():
    returned = {one for name in NAMES for one in types_of(name)} & {
        getattr(qs, name) for name in NAMES
    }
    # Settings are shown as one types them, a draft as its study.toml.
    typed = {one for one in returned if one.__name__.endswith("Settings")}
    typed |= {qs.Dropout, qs.TrialDesign, qs.LesionTypeRule}
    typed |= {getattr(qs, name) for name in GIVEN}
    assert {one for one in returned - typed if not issubclass(one, Displayed)} == {qs.StudyDraft}
    assert len(returned - typed) > 20


MAPPING = {"mapping": {"a": ["b"]}}
CALLS = {
    "agreement": lambda _: qs.agreement(FOREIGN),
    "baseline_differences": lambda _: qs.baseline_differences(FOREIGN),
    "combat": lambda _: qs.combat(FOREIGN, ["a", "b"]),
    "compare_readings": lambda _: qs.compare_readings(
        FOREIGN, first="f", second="s", reference_standard="r", cluster="c", **MAPPING
    ),
    "consensus": lambda _: qs.consensus(FOREIGN),
    "diagnostic_accuracy": lambda _: qs.diagnostic_accuracy(
        FOREIGN, index_test="i", reference_standard="r", cluster="c", **MAPPING
    ),
    "fit_voxels": lambda _: qs.fit_voxels("y ~ years + (1 | g)", [None, None], FOREIGN, mask=None),
    "fit_many": lambda _: qs.fit_many("~ a + (1 | foreign)", FOREIGN, ["b"]),
    "harmonised_answer": lambda _: qs.harmonised_answer(
        None, FOREIGN, settings=qs.ModelSettings(harmonise="combat")
    ),
    "histology_accuracy": lambda _: qs.histology_accuracy(FOREIGN),
    "impute_types": lambda _: qs.impute_types(None, FOREIGN, FOREIGN),
    "intraclass_correlation": lambda _: qs.intraclass_correlation(
        FOREIGN, target=["t"], rater="r", value="v"
    ),
    "lesions_without_features": lambda study: qs.lesions_without_features(study, FOREIGN),
    "longcombat": lambda _: qs.longcombat(FOREIGN, ["a", "b"], random="(1 | g)"),
    "lost_lesions": lambda _: qs.lost_lesions(None, FOREIGN),
    "match_visits": lambda study: qs.match_visits(study, FOREIGN),
    "patient_associations": lambda _: qs.patient_associations(FOREIGN, FOREIGN),
    "patient_table": lambda study: qs.patient_table(study, FOREIGN),
    "rater_agreement": lambda _: qs.rater_agreement(FOREIGN, FOREIGN),
    "rescan_agreement": lambda _: qs.rescan_agreement(FOREIGN, "y"),
    "scanner_confounding": lambda _: qs.scanner_confounding("~ a", FOREIGN),
    "suggest_lesion_types": lambda _: qs.suggest_lesion_types(FOREIGN),
    "table_one": lambda study: qs.table_one(study, FOREIGN),
    "tidy_lesions": lambda study: qs.tidy_lesions(qs.read_tables(study), FOREIGN, matches=FOREIGN),
    "tissue_differences": lambda _: qs.tissue_differences(FOREIGN),
    "tissue_table": lambda study: qs.tissue_table(study, FOREIGN, lesions=FOREIGN),
    "to_long": lambda _: qs.to_long(FOREIGN, ["a"], names_to="b", values_to="c"),
    "trajectories": lambda _: qs.trajectories(FOREIGN),
    "type_transitions": lambda _: qs.type_transitions(FOREIGN),
    "MixedModel": lambda _: qs.MixedModel("y ~ 1 + (1 | g)").fit(FOREIGN),
    "GeneralizedMixedModel": lambda _: qs.GeneralizedMixedModel("y ~ 1 + (1 | g)").fit(FOREIGN),
    "TrialAssumptions": lambda _: qs.TrialAssumptions(
        patient_sd=1, slope_sd=1, lesion_sd=1, residual_sd=1, lesions=FOREIGN
    ),
}
"""Public function that takes a table -> its call with a table that has none of the columns."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of a few rows without images, whose sessions were labelled on their own."""
    toml = TOML + '\n[matching]\nlesion_ids = "independent"\n'
    return qs.open_study(write_tables(tmp_path_factory.mktemp("study"), tables(), toml))


@pytest.mark.parametrize("name", CALLS)
def test_a_table_without_the_columns_is_refused_in_words(name, study):
    with pytest.raises(QsmstatsError, match=r"column|give a whole number") as refused:
        CALLS[name](study)
    assert "'" in str(refused.value)


@pytest.mark.parametrize(
    ("part", "call"),
    [
        ("ratings has no", lambda rows: qs.rater_agreement(FOREIGN, rows)),
        ("lesions has no", lambda rows: qs.rater_agreement(rows.assign(rater_id="r"), FOREIGN)),
        ("lesions has no", lambda rows: qs.patient_associations(rows, FOREIGN)),
        ("ratings has no", lambda rows: qs.impute_types(None, rows, FOREIGN)),
        ("no column 'years'", lambda rows: qs.trajectories(rows.drop(columns="years"))),
    ],
)
def test_each_table_is_named_with_what_it_lacks(part, call):
    rows = qs.example_lesions(1).assign(measured=True, n_lesions=1)
    with pytest.raises(QsmstatsError, match=part):
        call(rows)


def test_every_public_function_that_takes_a_table_is_called_with_a_foreign_one():
    takes = {
        name
        for name in NAMES
        for function in callables(name)
        for one in inspect.signature(function).parameters.values()
        if "DataFrame" in str(one.annotation)
    }
    assert takes - {"show"} == set(CALLS)  # `show` prints any table


BY_A_COMMAND = {"run_study", "simulate_study", "write_report"}
"""Their examples take minutes; test_pipeline, test_report and conftest call them."""
GIVEN = {"LabelFiles", "LabelSpec", "TissueFile", "TissueSpec"}
"""Made from study.toml."""
WITH_EXAMPLES = [name for name in NAMES if name not in RESULTS | GIVEN or name == "Schemas"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The folder in which a reader works, with a study in ``demo``."""
    write_images(write_tables(tmp_path / "demo" / "study", tables()))
    monkeypatch.chdir(tmp_path)


def documented():
    """Yield the public names, and what their classes hold, with their docstrings."""
    for name in [*NAMES, *(f"plot.{name}" for name in qs.plot.__all__)]:
        public = attrgetter(name)(qs)
        held = vars(public).items() if isinstance(public, type) else ()
        for inner, one in [("", public), *held]:
            if not inner.startswith("_") and (callable(one) or isinstance(one, property)):
                yield f"{name}.{inner}", one.__doc__ or ""


def test_no_docstring_sends_its_reader_to_a_constant_or_the_docstring_of_a_module():
    """The documentation shows neither."""
    sent = re.compile(r"see the module|module's docstring|`(?:\w+\.)?[A-Z]{3,}[A-Z_]*`")
    assert [(name, sent.findall(said)) for name, said in documented() if sent.search(said)] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_every_public_name_has_an_example_that_runs(name, request):
    documented = inspect.getdoc(getattr(qs, name))
    names = {"qs": qs, "pd": pd, "np": np}
    test = doctest.DocTestParser().get_doctest(documented, names, name, None, None)
    skipped = {one.options.get(doctest.SKIP, False) for one in test.examples}
    assert skipped == {name in BY_A_COMMAND}
    if "demo/study" in documented or "results/" in documented:
        request.getfixturevalue("desk")
    said = []
    failed, _ = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert not failed, "".join(said)
    for value in names.values():
        if isinstance(value, Displayed):
            lines = repr(value).splitlines()
            assert lines[0] == type(value).__name__
            assert len(lines) <= LINES
            assert max(map(len, lines)) <= WIDTH
            assert "array(" not in repr(value)
            assert value._repr_html_().count("<table") == 1 + len(value._opened(value.displayed()))
