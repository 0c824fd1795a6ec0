/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PV_TESTS_DEATHS_H
#define PV_TESTS_DEATHS_H

#include "cases/pv.h"

/*
 * Dies as the last part of the case's id says: user-spin and power-off by itself, else by
 * pv_provoke.ko, which tests/guests/provoke.py puts behind the program.
 */
void die(struct pv_test *t);

#endif
