/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PV_RESULTS_UTF8_H
#define PV_RESULTS_UTF8_H

#include <stddef.h>

/* Length of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates) within n bytes; 0:
 * none. */
size_t pv_utf8_len(const unsigned char *p, size_t n);

#endif
