// SPDX-License-Identifier: GPL-2.0-only
/* insmod pv_provoke.ko what=NAME: dies that way. What is survived ends with -ECANCELED, so that it
 * can be loaded again. */
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include "pv_provoke.h"

static char *what = "";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "the way to die; an unknown one prints them all");

static const struct pv_way *const tables[] = {pv_ways_arch,   pv_ways_dead,  pv_ways_faults,
					      pv_ways_memory, pv_ways_locks, pv_ways_stalls};

void *pv_symbol(const char *name)
{
	struct kprobe probe = {.symbol_name = name};
	void *found;

	if (register_kprobe(&probe))
		return NULL;
	found = probe.addr;
	unregister_kprobe(&probe);
	return found;
}

static void (*irq_fn)(void);
static bool irq_done;

static void irq_body(struct irq_work *work)
{
	irq_fn();
	WRITE_ONCE(irq_done, true);
}

void pv_in_irq(void (*fn)(void))
{
	static struct irq_work work;

	irq_fn = fn;
	irq_done = false;
	init_irq_work(&work, irq_body);
	irq_work_queue(&work);
	while (!READ_ONCE(irq_done))
		cpu_relax();
}

static const struct pv_way *find(const char *name)
{
	const struct pv_way *way;

	for (int i = 0; i < ARRAY_SIZE(tables); i++)
		for (way = tables[i]; way->name; way++)
			if (!strcmp(way->name, name))
				return way;
	return NULL;
}

static void list_all(void)
{
	for (int i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct pv_way *way = tables[i]; way->name; way++)
			pr_info("pv_provoke: %s\n", way->name);
}

static int __init provoke_init(void)
{
	const struct pv_way *way = find(what);

	if (!way) {
		pr_err("pv_provoke: no way called '%s'; there are:\n", what);
		list_all();
		return -EINVAL;
	}
	pr_notice("pv_provoke: %s\n", what);
	if (way->where == PV_IRQ)
		pv_in_irq(way->run);
	else
		way->run();
	return -ECANCELED;
}

module_init(provoke_init);
MODULE_DESCRIPTION("dies in the way that is asked for");
MODULE_LICENSE("GPL");
