"""Conversions and constants, each once. Names say from what to what."""

from __future__ import annotations

from typing import Final

MS_PER_S: Final = 1_000
S_PER_MIN: Final = 60
S_PER_H: Final = 3_600
H_PER_DAY: Final = 24
DAYS_PER_YEAR: Final = 365
MS_PER_MIN: Final = MS_PER_S * S_PER_MIN
MS_PER_H: Final = MS_PER_S * S_PER_H
MS_PER_DAY: Final = MS_PER_H * H_PER_DAY
MS_PER_YEAR: Final = MS_PER_DAY * DAYS_PER_YEAR

CPU_M_PER_CORE: Final = 1_000
GPU_M_PER_GPU: Final = 1_000
MIB_PER_GIB: Final = 1_024

J_PER_KWH: Final = 3_600_000
J_PER_MWH_MILLI: Final = 3.6  # joules in one milliwatt-hour
MWH_MILLI_PER_KWH: Final = 1_000_000  # milliwatt-hours in one kilowatt-hour
MG_PER_KG: Final = 1_000_000
G_PER_KG: Final = 1_000
KG_PER_T: Final = 1_000
G_PER_LB: Final = 453.59237
