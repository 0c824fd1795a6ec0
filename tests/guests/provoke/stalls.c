// SPDX-License-Identifier: GPL-2.0-only
#include "pv_provoke.h"

const struct pv_way pv_ways_stalls[] = {{}};
