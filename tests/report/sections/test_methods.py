from qsmstats.report.sections.methods import once_per_model, shared_once


def test_what_holds_for_several_maps_is_said_once():
    told = "A model, {} ~ age, was fitted to {} lesions."
    paragraphs = [
        told.format("mwf_percent", 9),
        told.format("ndi", 9),
        told.format("susceptibility_ppb", 8),
    ]
    assert once_per_model(paragraphs) == [
        "A model, Y ~ age, was fitted to 9 lesions. Y is myelin water fraction (MWF) or neurite"
        " density index (NDI).",
        "A model, Y ~ age, was fitted to 8 lesions. Y is magnetic susceptibility (QSM).",
    ]


def test_paragraphs_without_a_model_stay_and_speak_in_words():
    assert once_per_model(["", " chronic_inactive from hyperintense. ", "As before."]) == [
        "chronic inactive from hyperintense.",
        "As before.",
    ]


def test_what_all_models_share_is_said_once_after_the_last_of_them():
    told = [
        "A model, Y ~ age, had 9 rows. It was checked. One.",
        "A model, Y ~ sex. It was checked.",
    ]
    assert shared_once([*told, "Something else. It was checked."]) == [
        "A model, Y ~ age, had 9 rows. One.",
        "A model, Y ~ sex.",
        "All of these models: It was checked.",
        "Something else.",
    ]
    assert shared_once(told[:1]) == told[:1]
