# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m runner.repro: what `pmuvet repro` is."""
from __future__ import annotations

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
