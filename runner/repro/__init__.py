# SPDX-License-Identifier: GPL-2.0-only
"""Reproducers: one C file that runs a case without pmuvet."""
import sys
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parent.parent.parent
# pmu is no package name: its modules are imported by their own.
sys.path.insert(0, str(SOURCE_ROOT / "pmu"))
