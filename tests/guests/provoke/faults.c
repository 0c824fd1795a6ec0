// SPDX-License-Identifier: GPL-2.0-only
/* What the processor or the kernel's own asserts refuse, on both architectures. */
#include <linux/bug.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include "pv_provoke.h"

static noinline void bug(void)
{
	BUG();
}

static noinline void warn(void)
{
	WARN_ON(PV_HIDDEN(1));
}

static noinline void warn_text(void)
{
	for (int i = 0; i < 2; i++)
		WARN_ONCE(PV_HIDDEN(1), "pv_provoke: counter %d does not count\n", 5);
}

static noinline void touch(unsigned long addr)
{
	READ_ONCE(*(unsigned long *)PV_HIDDEN(addr));
}

static noinline void store(unsigned long addr)
{
	WRITE_ONCE(*(unsigned long *)PV_HIDDEN(addr), 1);
}

static noinline void jump(unsigned long addr)
{
	((void (*)(void))PV_HIDDEN(addr))();
}

static void null_field(void)
{
	touch(0x28);
}

static void non_canonical(void)
{
	touch(0xdead4ead00000028ul);
}

static void unmapped(void)
{
	char *p = vmalloc(PAGE_SIZE);

	vfree(p);
	touch((unsigned long)p + 0x100);
}

static const int constant[1024] = {1};

static void write_read_only(void)
{
	store((unsigned long)&constant[512]);
}

static void write_text(void)
{
	store((unsigned long)panic);
}

static void jump_null(void)
{
	jump(0);
}

static void jump_data(void)
{
	jump((unsigned long)kzalloc(64, GFP_KERNEL));
}

/* The address of a page of the task's, which is there. */
static unsigned long user_page(int prot)
{
	return vm_mmap(NULL, 0, PAGE_SIZE, prot, MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, 0);
}

static void user_read(void)
{
	touch(user_page(PROT_READ | PROT_WRITE));
}

static void user_jump(void)
{
	jump(user_page(PROT_READ | PROT_WRITE | PROT_EXEC));
}

static noinline int recurse(int depth)
{
	char room[512];

	memset(room, depth, sizeof(room));
	OPTIMIZER_HIDE_VAR(depth);
	return recurse(depth + 1) + room[depth & 511];
}

static void stack_overflow(void)
{
	recurse(0);
}

static noinline void stack_smash(void)
{
	char room[16];

	memset(PV_HIDDEN(&room[0]), 0x41, 64);
	barrier();
}

static void stack_end(void)
{
	*end_of_stack(current) = 0;
	schedule_timeout_uninterruptible(1);
}

static int thread_oops(void *unused)
{
	touch(0x28);
	return 0;
}

static void oops_kthread(void)
{
	kthread_run(thread_oops, NULL, "pv_victim");
	schedule_timeout_uninterruptible(HZ);
}

static void work_oops(struct work_struct *work)
{
	touch(0x28);
}

static void oops_work(void)
{
	static DECLARE_WORK(work, work_oops);

	schedule_work(&work);
	schedule_timeout_uninterruptible(HZ);
}

static void timer_oops(struct timer_list *timer)
{
	touch(0x28);
}

static void oops_softirq(void)
{
	static DEFINE_TIMER(timer, timer_oops);

	mod_timer(&timer, jiffies + 2);
	schedule_timeout_uninterruptible(HZ);
}

static void warn_irq(void)
{
	WARN(1, "pv_provoke: in an interrupt\n");
}

static void warn_nmi(void)
{
	pv_in_nmi(warn_irq);
}

/* clang-format off */
const struct pv_way pv_ways_faults[] = {
	{ "bug", PV_TASK, bug },
	{ "warn", PV_TASK, warn },
	{ "warn-text", PV_TASK, warn_text },
	{ "warn-irq", PV_IRQ, warn_irq },
	{ "warn-nmi", PV_TASK, warn_nmi },
	{ "null-field", PV_TASK, null_field },
	{ "non-canonical", PV_TASK, non_canonical },
	{ "unmapped", PV_TASK, unmapped },
	{ "write-read-only", PV_TASK, write_read_only },
	{ "write-text", PV_TASK, write_text },
	{ "jump-null", PV_TASK, jump_null },
	{ "jump-data", PV_TASK, jump_data },
	{ "user-read", PV_TASK, user_read },
	{ "user-jump", PV_TASK, user_jump },
	{ "stack-overflow", PV_TASK, stack_overflow },
	{ "stack-smash", PV_TASK, stack_smash },
	{ "stack-end", PV_TASK, stack_end },
	{ "oops-kthread", PV_TASK, oops_kthread },
	{ "oops-work", PV_TASK, oops_work },
	{ "oops-softirq", PV_TASK, oops_softirq },
	{ "bug-irq", PV_IRQ, bug },
	{}
};
