# SPDX-License-Identifier: GPL-2.0-only
"""
python3 -m runner.guest run: boots a platform and writes its event stream to standard output.
python3 -m runner.guest soak: what `pmuvet soak` is.
"""
from __future__ import annotations

import sys

from . import cli, soak_cli

if sys.argv[1:2] == ["soak"]:
    sys.exit(soak_cli.main(sys.argv[2:]))
sys.exit(cli.main(sys.argv[1:]))
