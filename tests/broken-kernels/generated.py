# SPDX-License-Identifier: GPL-2.0-only
"""The files that the build adds to the kernel: PV_BROKEN() and pvbreak= on the command line."""
from __future__ import annotations

from collections.abc import Iterable

from tables import Switch

HEADER = "include/linux/pv_broken.h"
CODE = "kernel/events/pv_broken.c"
MAKEFILE = "kernel/events/Makefile"
INCLUDE = "#include <linux/pv_broken.h>\n"
MAKEFILE_LINE = "obj-y += pv_broken.o\n"

# It names no switch: a new one rebuilds its own file and no other.
HEADER_TEXT = """\
/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_PV_BROKEN_H
#define _LINUX_PV_BROKEN_H
#include <linux/compiler.h>
#include <linux/types.h>
/* Was the switch given, pvbreak=WORD (its dashes as underlines)? */
#define PV_BROKEN(x) ({ extern bool pv_broken_##x; unlikely(READ_ONCE(pv_broken_##x)); })
#endif
"""

CODE_TEXT = """\
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/pv_broken.h>

{flags}
static const struct {{
\tconst char *word;
\tbool *flag;
}} pv_switches[] __initconst = {{
{rows}}};

static void __init pv_break(const char *word)
{{
\tfor (int i = 0; i < ARRAY_SIZE(pv_switches); i++) {{
\t\tif (!strcmp(word, pv_switches[i].word)) {{
\t\t\t*pv_switches[i].flag = true;
\t\t\tpr_notice("pvbreak: %s\\n", word);
\t\t\treturn;
\t\t}}
\t}}
\tpr_warn("pvbreak: no switch called '%s'\\n", word);
}}

static int __init pv_broken_setup(char *words)
{{
\tchar *word;

\twhile ((word = strsep(&words, ",")))
\t\tpv_break(word);
\treturn 0;
}}
early_param("pvbreak", pv_broken_setup);
"""


def code(switches: Iterable[Switch]) -> str:
    order = sorted(switches, key=lambda switch: switch.word)
    flags = "".join(f"extern bool pv_broken_{s.flag};\nbool pv_broken_{s.flag} __read_mostly;\n"
                    for s in order)
    rows = "".join(f'\t{{"{s.word}", &pv_broken_{s.flag}}},\n' for s in order)
    return CODE_TEXT.format(flags=flags, rows=rows)
