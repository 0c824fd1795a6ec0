/* SPDX-License-Identifier: GPL-2.0-only */
/* Other users and fewer capabilities, for cases that ask what is forbidden to whom. */
#ifndef PV_CASES_LIB_BECOME_H
#define PV_CASES_LIB_BECOME_H

#include <stdint.h>
#include <sys/types.h>

#include "cases/pv.h"

#define PV_NOBODY  65534
#define PV_SOMEONE 65533

/* This process goes on as user `uid` with these capabilities (1 << CAP_...) and no others. */
void pv_become(struct pv_test *t, uid_t uid, uint64_t caps);
/* A process of that kind that does nothing until its parent is gone; it is ready when this
 * returns. `dumpable` is PR_SET_DUMPABLE. */
pid_t pv_idler(struct pv_test *t, uid_t uid, uint64_t caps, int dumpable);
/* Ends it and takes it away: an init that does not would be left with it. */
void pv_idler_end(pid_t pid);
#endif
