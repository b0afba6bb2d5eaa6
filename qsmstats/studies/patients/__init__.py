"""From lesions to patients: one row per patient, and what it has to do with clinical variables.

``table`` counts and averages the lesions of each patient and session. ``counts``, ``groups``,
``shares``, ``lesions`` and ``change`` ask one question each, by the models of statsmodels, tests of
scipy and pingouin and the mixed models of this package; ``rows`` prepares what they are asked of,
and ``associations`` puts the answers together and adjusts them for their number.
"""
