// SPDX-License-Identifier: GPL-2.0-only
/* Time that is taken and not given back; the limits are the command line's (sysctl.*, rcupdate.*).
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/smp.h>
#include <linux/workqueue.h>
#include <uapi/linux/sched/types.h>
#include "pv_provoke.h"

#define LONG_MS 15000 /* beyond every limit that a test sets */

static void busy(int ms)
{
	u64 end = ktime_get_mono_fast_ns() + ms * 1000000ull;

	while (ktime_get_mono_fast_ns() < end)
		cpu_relax();
}

static int hold_cpu(void *unused)
{
	preempt_disable();
	busy(LONG_MS);
	preempt_enable();
	return 0;
}

static int hold_cpu_irqs_off(void *unused)
{
	local_irq_disable();
	busy(LONG_MS);
	local_irq_enable();
	return 0;
}

static int hold_rcu(void *unused)
{
	rcu_read_lock();
	busy(LONG_MS);
	rcu_read_unlock();
	return 0;
}

/* A thread on the last CPU, this task on the first. */
static void start(int (*fn)(void *), const char *name)
{
	struct task_struct *task = kthread_create(fn, NULL, "%s", name);

	if (IS_ERR(task))
		return;
	set_cpus_allowed_ptr(current, cpumask_of(0));
	kthread_bind(task, num_online_cpus() - 1);
	wake_up_process(task);
}

static void soft_lockup(void)
{
	start(hold_cpu, "pv_hog");
	msleep(LONG_MS + 1000);
}

static void hard_lockup(void)
{
	start(hold_cpu_irqs_off, "pv_hog");
	msleep(LONG_MS + 1000);
}

static int wait_for_rcu(void *unused)
{
	synchronize_rcu();
	return 0;
}

static void rcu_stall_self(void)
{
	/* Without someone who waits for it nothing is stalled. */
	kthread_run(wait_for_rcu, NULL, "pv_waiter");
	msleep(100);
	preempt_disable();
	busy(LONG_MS);
	preempt_enable();
}

/* The stalled CPU cannot tell: another one has to. */
static void rcu_stall_other(void)
{
	start(hold_cpu_irqs_off, "pv_hog");
	synchronize_rcu();
}

static void rcu_stall_task(void)
{
	start(hold_rcu, "pv_reader");
	synchronize_rcu();
}

static void rcu_stall_expedited(void)
{
	start(hold_cpu_irqs_off, "pv_hog");
	msleep(100);
	synchronize_rcu_expedited();
}

static DEFINE_MUTEX(wanted);

static int want(void *unused)
{
	mutex_lock(&wanted);
	mutex_unlock(&wanted);
	return 0;
}

static void hung_task(void)
{
	mutex_lock(&wanted);
	kthread_run(want, NULL, "pv_waiter");
	msleep(LONG_MS);
	mutex_unlock(&wanted);
}

static void hung_completion(void)
{
	DECLARE_COMPLETION_ONSTACK(never);

	wait_for_completion_timeout(&never, msecs_to_jiffies(LONG_MS));
}

static void hog_pool(struct work_struct *work)
{
	preempt_disable();
	busy(LONG_MS);
	preempt_enable();
}

static void nothing(struct work_struct *work)
{
}

static void workqueue_lockup(void)
{
	static DECLARE_WORK(hog, hog_pool);
	static DECLARE_WORK(behind, nothing);
	int last = num_online_cpus() - 1;

	set_cpus_allowed_ptr(current, cpumask_of(0));
	schedule_work_on(last, &hog);
	schedule_work_on(last, &behind);
	msleep(LONG_MS + 1000);
}

static void hog_some(struct work_struct *work)
{
	busy(200);
}

static void workqueue_hog(void)
{
	static DECLARE_WORK(work, hog_some);

	for (int i = 0; i < 8; i++) {
		schedule_work_on(0, &work);
		msleep(300);
	}
}

static int realtime(void *unused)
{
	sched_set_fifo(current);
	busy(3000);
	return 0;
}

static void rt_throttled(void)
{
	start(realtime, "pv_realtime");
	msleep(4000);
}

/* clang-format off */
const struct pv_way pv_ways_stalls[] = {
	{ "soft-lockup", PV_TASK, soft_lockup },
	{ "hard-lockup", PV_TASK, hard_lockup },
	{ "rcu-stall-self", PV_TASK, rcu_stall_self },
	{ "rcu-stall-other", PV_TASK, rcu_stall_other },
	{ "rcu-stall-task", PV_TASK, rcu_stall_task },
	{ "rcu-stall-expedited", PV_TASK, rcu_stall_expedited },
	{ "hung-task", PV_TASK, hung_task },
	{ "hung-completion", PV_TASK, hung_completion },
	{ "workqueue-lockup", PV_TASK, workqueue_lockup },
	{ "workqueue-hog", PV_TASK, workqueue_hog },
	{ "rt-throttled", PV_TASK, rt_throttled },
	{}
};
