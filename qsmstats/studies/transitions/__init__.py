"""From type to type: what becomes of lesions between visits.

``lesion_intervals`` puts each lesion at one visit beside itself at the next; ``rates`` counts what
changed per 100 lesion-years, ``apparent_change`` says how much of it raters would see where nothing
changes, ``who_changes`` asks which lesions change, and ``type_transitions`` puts the answers
together.
"""
