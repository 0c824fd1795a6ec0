# SPDX-License-Identifier: GPL-2.0-only
"""Guests: boots a platform, decodes what the agent in it says, writes the event stream."""
import sys
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parent.parent.parent
# vm-images is no package name: its modules are imported by their own.
sys.path.insert(0, str(SOURCE_ROOT / "vm-images"))
