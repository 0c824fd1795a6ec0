/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of the splat parser: splat.c feeds it, splat_join.c opens splats, splat_tell.c ends
 * them. */
#ifndef PV_RESULTS_SPLAT_PARSER_H
#define PV_RESULTS_SPLAT_PARSER_H

#include "results/splat_private.h"

#define OPEN_MAX      8
#define METRICS_MAX   64
#define ATTACH_WITHIN (256u << 10) /* bytes between a splat and the panic that it ends in */
#define JOIN_WITHIN   8            /* lines that are none of a splat, between its headers */
#define BOOT_MS       5000         /* a banner later than that is somebody printing it */

struct metric {
	const struct pv_splat_class *class;
	char title[PV_TITLE_MAX + 1], last[256];
	uint64_t start, end, count, worst, cap;
};

struct pv_splat_parser {
	pv_splat_fn *fn;
	void *arg;
	struct pv_scan *scan;
	struct pv_kinds *skips;
	struct pv_words *words;
	struct pv_open *open[OPEN_MAX], *spare; /* open: in the order they began in */
	struct pv_open *current; /* whose lines come now, when callers are not told */
	size_t nr_open, nr_busy; /* all; those not closed */
	struct metric metric[METRICS_MAX];
	size_t nr_metrics;
	bool told;              /* the first splat */
	bool stamped;           /* the kernel's lines have a prefix */
	bool running, expected; /* a kernel has started; its end was orderly or is known */
	char release[96];

	uint64_t at; /* of the next byte to be fed */
	char carry[PV_LOG_LINE], clean[PV_LOG_LINE];
	size_t nr_carry;
	bool carrying;
	uint64_t carry_at;
};

/* ---- splat_tell.c ---- */

/* Is it more than a `cut here` or a header whose body did not come? */
bool pv_is_splat(const struct pv_open *o);
void pv_tell_first(struct pv_splat_parser *p);
/* Tells what is over at byte `at`, from the oldest on. */
void pv_tell_closed(struct pv_splat_parser *p, uint64_t at);
void pv_tell_metrics(struct pv_splat_parser *p);
/* Another CPU's splat broke into it before it said where. */
bool pv_may_go_on(const struct pv_open *o, uint64_t at);
void pv_open_close(struct pv_splat_parser *p, struct pv_open *o);
void pv_open_again(struct pv_splat_parser *p, struct pv_open *o);
struct pv_open *pv_open_new(struct pv_splat_parser *p, const struct pv_line *l);
/* Puts the line into its text; `ours`: the splat reaches to here. */
void pv_open_line(struct pv_open *o, const struct pv_line *l, bool ours);
bool pv_open_has_tag(const struct pv_open *o, uint64_t tag);
/* The splat that a line belongs to: the same caller's; of lines without callers the latest. */
struct pv_open *pv_open_owner(struct pv_splat_parser *p, const struct pv_line *l, bool closed);

/* ---- splat_join.c ---- */

/* A line that the table matches: opens a splat or goes on with one. */
void pv_on_header(struct pv_splat_parser *p, const struct pv_splat_match *m,
		  const struct pv_line *l);

#endif
