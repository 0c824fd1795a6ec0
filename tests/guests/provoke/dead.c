// SPDX-License-Identifier: GPL-2.0-only
/* Deaths that a guest's runner must tell apart, whatever they print. */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kdebug.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include "pv_provoke.h"

static void die_panic(void)
{
	panic("pv_provoke: asked to");
}

static void panic_nmi(void)
{
	pv_in_nmi(die_panic);
}

static noinline void oops(void)
{
	*(volatile int *)PV_HIDDEN((int *)NULL) = 1;
}

static void spin(void *unused)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static void irqs_off_spin(void)
{
	smp_call_function(spin, NULL, 0);
	spin(NULL);
}

static int hog(void *unused)
{
	preempt_disable();
	for (;;)
		cpu_relax();
	return 0;
}

/* Starts a thread on each other CPU, then calls fn here. */
static void on_each(int (*fn)(void *))
{
	int cpu, here = get_cpu();

	put_cpu();
	set_cpus_allowed_ptr(current, cpumask_of(here));
	for_each_online_cpu(cpu)
	{
		struct task_struct *task = kthread_create(fn, NULL, "pv_hog/%d", cpu);

		if (cpu == here || IS_ERR(task))
			continue;
		kthread_bind(task, cpu);
		wake_up_process(task);
	}
	fn(NULL);
}

static void soft_hang(void)
{
	on_each(hog);
}

/* ---- the tables ---- */

static void unmap(unsigned long addr)
{
	u64 *entry, *pages;
	int level;

	entry = addr ? pv_entry(addr, &level) : NULL;
	if (!entry || level > 1)
		return;
	if (level == 0) {
		*entry = 0;
		return;
	}
	pages = (u64 *)__get_free_page(GFP_ATOMIC);
	if (!pages)
		return;
	for (int i = 0; i < 512; i++)
		pages[i] = pv_page_of_block(*entry, i);
	pages[addr >> 12 & 511] = 0;
	*entry = pv_table_entry(virt_to_phys(pages));
}

/*
 * What a console needs to print, and a task to die, is no longer mapped: each oops is written to
 * the log and faults once more at its end; nothing is seen outside.
 */
static const char *const needed[] = {
	"serial8250_console_write",   "pl011_console_write", "pl011_console_write_atomic",
	"pl011_console_write_thread", "make_task_dead",      "pvpanic_panic_notify",
	"pvpanic_send_event",
};
/* Then it ends, or the log would hold no more than the last of them. */
#define OOPSES 24

static int count_oops(struct notifier_block *block, unsigned long event, void *data)
{
	static int oopses;

	if (event == DIE_OOPS && ++oopses > OOPSES)
		spin(NULL);
	return NOTIFY_DONE;
}

static void corrupt_tables(void)
{
	static struct notifier_block counter = {.notifier_call = count_oops};
	unsigned long addr[ARRAY_SIZE(needed)];

	register_die_notifier(&counter);
	/* To look for a symbol is to read code. */
	for (int i = 0; i < ARRAY_SIZE(needed); i++)
		addr[i] = (unsigned long)pv_symbol(needed[i]);
	for (int i = 0; i < ARRAY_SIZE(needed); i++)
		unmap(addr[i]);
	on_each_cpu(pv_flush, NULL, 1);
	smp_call_function(spin, NULL, 0);
	local_irq_disable();
	for (;;)
		pr_emerg("pv_provoke: still here\n");
}

/* clang-format off */
const struct pv_way pv_ways_dead[] = {
	{ "panic", PV_TASK, die_panic },
	{ "panic-irq", PV_IRQ, die_panic },
	{ "panic-nmi", PV_TASK, panic_nmi },
	{ "oops", PV_TASK, oops },
	{ "oops-irq", PV_IRQ, oops },
	{ "reset", PV_TASK, pv_reset },
	{ "irqs-off-spin", PV_TASK, irqs_off_spin },
	{ "soft-hang", PV_TASK, soft_hang },
	{ "corrupt-tables", PV_TASK, corrupt_tables },
	{}
};
