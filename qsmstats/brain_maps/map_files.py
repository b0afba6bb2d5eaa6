"""The files of the maps of a study: images, tables, methods, provenance, and the page.

Names of images follow BIDS's drafts for statistical maps, ``contrast-LABEL_stat-WHAT_statmap``, as
nilearn and FitLins write them. Values are in single precision; p-values and false discovery rates
are written as -log10, in which nothing underflows, and a value that is missing from a picture does
not look significant as a p of zero would.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qsmstats.brain_maps.methods_text import methods_text
from qsmstats.brain_maps.page import draw_page
from qsmstats.records import renewed, versions
from qsmstats.studies.answer_files import write_table
from qsmstats.voxels.session_store import sha256
from qsmstats.voxelwise.nifti import make_image, write_nifti
from qsmstats.voxelwise.result import QUANTITIES, VoxelFit
from qsmstats.writing import written_whole

__all__ = ["effect_names", "file_label", "write_maps"]
