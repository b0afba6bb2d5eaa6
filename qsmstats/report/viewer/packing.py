"""Files within the page: NiiVue's script and images as NIfTI-1, as gzip in base64."""

from __future__ import annotations

import base64
import gzip
import re
import struct
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from qsmstats.arrays import Floats

__all__ = ["Whole", "nifti_bytes", "packed", "packed_niivue"]

NIIVUE = "_assets/js/niivue.umd.js"
# A module's first four bytes, zero and "asm", in base64.
WASM = re.compile('"AGFzb[A-Za-z0-9+/=]+"')
HEADER_SIZE, DATA_OFFSET = 348, 352
UINT8, UINT16 = 2, 512
LABEL = 1002  # intent
MILLIMETRES = 2
SCANNER = 1

Whole = NDArray[np.uint8] | NDArray[np.uint16]
"""Grey levels, or labels."""


def packed_niivue() -> str:
    """Return NiiVue's script as gzip in base64, without its decoders of Zarr volumes.

    Empty where nilearn does not carry it.
    """
    path = files("nilearn") / NIIVUE
    if not path.is_file():
        return ""
    # More than half of it unpacks Zarr volumes by WebAssembly, which no page has.
    return packed(WASM.sub('""', path.read_text(encoding="utf-8")).encode("utf-8"))


def packed(content: bytes) -> str:
    """Return a file as gzip in base64."""
    # No file name and no time in the gzip header: the same content gives the same page.
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def nifti_bytes(volume: Whole, affine: Floats) -> bytes:
    """Write a volume of whole numbers as a NIfTI-1 file.

    Parameters
    ----------
    volume
        Shape (i, j, k); grey levels as uint8, labels as uint16.
    affine
        Voxel index to mm; stored as sform.

    Returns
    -------
    bytes
        The file, not compressed. Source: nifti1.h (https://nifti.nimh.nih.gov).
    """
    header = bytearray(HEADER_SIZE)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    struct.pack_into("<i", header, 0, HEADER_SIZE)
    struct.pack_into("<8h", header, 40, 3, *volume.shape, 1, 1, 1, 1)
    kind = UINT8 if volume.dtype == np.uint8 else UINT16
    if kind == UINT16:
        # NiiVue draws the outlines of labels, and nothing for 0.
        struct.pack_into("<h", header, 68, LABEL)
    struct.pack_into("<2h", header, 70, kind, 8 * volume.dtype.itemsize)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 1.0, 1.0, 1.0, 1.0)
    struct.pack_into("<3f", header, 108, DATA_OFFSET, 1.0, 0.0)
    struct.pack_into("<b", header, 123, MILLIMETRES)
    struct.pack_into("<2h", header, 252, 0, SCANNER)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    struct.pack_into("<4s", header, 344, b"n+1\0")
    return bytes(header) + b"\0" * (DATA_OFFSET - HEADER_SIZE) + volume.tobytes(order="F")
