/* SPDX-License-Identifier: GPL-2.0-only */
/* `pmuvet crash`: the splats of console logs. */
#ifndef PV_RESULTS_CRASH_H
#define PV_RESULTS_CRASH_H

#include <stdio.h>

#include "results/splat.h"

int pv_crash_main(int argc, char **argv);

/* One splat as text, for a mail. `all`: with its registers, guesses and the lines themselves. */
void pv_crash_text(FILE *out, const char *log, const struct pv_splat *s, bool all);
/* The same as one line of JSON; `log`: NULL when there is only one. */
void pv_crash_json(FILE *out, const char *log, const struct pv_splat *s);

#endif
