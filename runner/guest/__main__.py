# SPDX-License-Identifier: GPL-2.0-only
"""python3 -m runner.guest run: boots a platform and writes its event stream to standard output."""
from __future__ import annotations

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
