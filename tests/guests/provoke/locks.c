// SPDX-License-Identifier: GPL-2.0-only
/* Locks taken and rules of RCU and preemption broken. */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include "pv_provoke.h"

static DEFINE_SPINLOCK(a);
static DEFINE_SPINLOCK(b);
static DEFINE_MUTEX(m);
static DEFINE_MUTEX(n);

static void give_way_atomic(void)
{
	preempt_disable();
	schedule_timeout_uninterruptible(1);
	preempt_enable();
}

static void sleep_atomic(void)
{
	spin_lock(&a);
	msleep(1);
	spin_unlock(&a);
}

static void sleep_irqs_off(void)
{
	local_irq_disable();
	mutex_lock(&m);
	mutex_unlock(&m);
	local_irq_enable();
}

static void cpu_preemptible(void)
{
	pr_info("pv_provoke: on CPU %d\n", smp_processor_id());
}

static void spin_magic(void)
{
	static spinlock_t *lock;

	lock = kzalloc(sizeof(*lock), GFP_KERNEL);
	spin_lock(lock);
}

static void spin_recursion(void)
{
	spin_lock(&a);
	spin_lock(&a);
}

static void spin_unlocked(void)
{
	spin_unlock(&a);
}

static int hold(void *unused)
{
	spin_lock(&a);
	for (;;)
		cpu_relax();
	return 0;
}

static void spin_lockup(void)
{
	struct task_struct *task = kthread_create(hold, NULL, "pv_holder");

	set_cpus_allowed_ptr(current, cpumask_of(0));
	kthread_bind(task, num_online_cpus() - 1);
	wake_up_process(task);
	msleep(100);
	spin_lock(&a);
}

static void lock_circular(void)
{
	mutex_lock(&m);
	mutex_lock(&n);
	mutex_unlock(&n);
	mutex_unlock(&m);
	mutex_lock(&n);
	mutex_lock(&m);
	mutex_unlock(&m);
	mutex_unlock(&n);
}

static void lock_recursive(void)
{
	mutex_lock(&m);
	mutex_lock(&m);
}

static void take_a(void)
{
	spin_lock(&a);
	spin_unlock(&a);
}

static void lock_irq(void)
{
	pv_in_irq(take_a);
	take_a();
}

/* a is taken in interrupts, b within a; then b with interrupts on, and a within it. */
static void lock_irq_order(void)
{
	pv_in_irq(take_a);
	local_irq_disable();
	spin_lock(&a);
	spin_unlock(&a);
	local_irq_enable();
	spin_lock(&b);
	spin_unlock(&b);
	local_irq_disable();
	spin_lock(&a);
	spin_lock(&b);
	spin_unlock(&b);
	spin_unlock(&a);
	local_irq_enable();
}

static int hold_and_end(void *unused)
{
	mutex_lock(&m);
	return 0;
}

static void lock_held_exit(void)
{
	kthread_run(hold_and_end, NULL, "pv_holder");
	msleep(200);
}

static void lock_held_user(void)
{
	mutex_lock(&m);
}

static void lock_held_freed(void)
{
	struct mutex *mutex = kmalloc(sizeof(*mutex), GFP_KERNEL);

	mutex_init(mutex);
	mutex_lock(mutex);
	kfree(mutex);
}

static void lock_unbalanced(void)
{
	mutex_unlock(&m);
}

static void lock_context(void)
{
	static DEFINE_RAW_SPINLOCK(raw);

	raw_spin_lock(&raw);
	spin_lock(&a);
	spin_unlock(&a);
	raw_spin_unlock(&raw);
}

static int *shared;

static void rcu_unprotected(void)
{
	int __rcu **p = (int __rcu **)&shared;

	if (rcu_dereference(*p))
		pr_info("pv_provoke: shared\n");
}

static void rcu_sleep(void)
{
	rcu_read_lock();
	msleep(1);
	rcu_read_unlock();
}

static void rcu_sync_within(void)
{
	rcu_read_lock();
	synchronize_rcu();
	rcu_read_unlock();
}

static void preempt_leak(void)
{
	preempt_disable();
}

static int warn_thread(void *unused)
{
	for (int i = 0; i < 3; i++)
		WARN(1, "pv_provoke: on each CPU at once\n");
	return 0;
}

/* Two CPUs write their warnings at the same time: the lines are mixed. */
static void warn_both(void)
{
	struct task_struct *task = kthread_create(warn_thread, NULL, "pv_other");

	set_cpus_allowed_ptr(current, cpumask_of(0));
	kthread_bind(task, num_online_cpus() - 1);
	wake_up_process(task);
	warn_thread(NULL);
	msleep(500);
}

/* clang-format off */
const struct pv_way pv_ways_locks[] = {
	{ "schedule-atomic", PV_TASK, give_way_atomic },
	{ "sleep-atomic", PV_TASK, sleep_atomic },
	{ "sleep-irqs-off", PV_TASK, sleep_irqs_off },
	{ "cpu-preemptible", PV_TASK, cpu_preemptible },
	{ "spin-magic", PV_TASK, spin_magic },
	{ "spin-recursion", PV_TASK, spin_recursion },
	{ "spin-unlocked", PV_TASK, spin_unlocked },
	{ "spin-lockup", PV_TASK, spin_lockup },
	{ "lock-circular", PV_TASK, lock_circular },
	{ "lock-recursive", PV_TASK, lock_recursive },
	{ "lock-irq", PV_TASK, lock_irq },
	{ "lock-irq-order", PV_TASK, lock_irq_order },
	{ "lock-held-exit", PV_TASK, lock_held_exit },
	{ "lock-held-user", PV_TASK, lock_held_user },
	{ "lock-held-freed", PV_TASK, lock_held_freed },
	{ "lock-unbalanced", PV_TASK, lock_unbalanced },
	{ "lock-context", PV_TASK, lock_context },
	{ "rcu-unprotected", PV_TASK, rcu_unprotected },
	{ "rcu-sleep", PV_TASK, rcu_sleep },
	{ "rcu-sync-within", PV_TASK, rcu_sync_within },
	{ "preempt-leak", PV_TASK, preempt_leak },
	{ "warn-both", PV_TASK, warn_both },
	{}
};
