"""The host adapter for HDF5 files, such as Keras `.h5`: a user block in front of the file (SPEC JF-HDF)."""

from __future__ import annotations

from jellyformat_hdf5.adapter import ADAPTER, Hdf5Adapter

__all__ = ["ADAPTER", "Hdf5Adapter"]
