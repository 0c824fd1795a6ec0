// SPDX-License-Identifier: GPL-2.0-only
/* Memory that is used as it must not be. */
#include <linux/completion.h>
#include <linux/kfence.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "pv_provoke.h"

static char *object(size_t size)
{
	return PV_HIDDEN((char *)kmalloc(size, GFP_KERNEL));
}

static void list_add_corrupt(void)
{
	struct list_head one, other, *head = kmalloc(sizeof(*head), GFP_KERNEL);

	INIT_LIST_HEAD(head);
	list_add(&one, head);
	head->next = (void *)&other;
	other.prev = &other;
	list_add(&other, head);
}

static void list_del_corrupt(void)
{
	struct list_head one, other, head;

	INIT_LIST_HEAD(&head);
	list_add(&one, &head);
	list_add(&other, &head);
	one.prev = &one;
	list_del(&one);
}

static void list_del_twice(void)
{
	struct list_head one, head;

	INIT_LIST_HEAD(&head);
	list_add(&one, &head);
	list_del(&one);
	list_del(&one);
}

static void from_zero(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
}

static void below_zero(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	if (refcount_sub_and_test(1, &count))
		pr_info("pv_provoke: none left\n");
}

static void beyond_max(void)
{
	refcount_t count = REFCOUNT_INIT(INT_MAX);

	refcount_inc(&count);
}

static void bad_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	page->mapping = (void *)PV_HIDDEN(0x42ul);
	__free_page(page);
}

static void double_free(void)
{
	char *p = object(64);

	kfree(p);
	kfree(p);
}

static void free_wild(void)
{
	kfree(PV_HIDDEN((char *)pv_ways_memory));
}

static noinline void use_after_free(void)
{
	char *p = object(64);

	kfree(p);
	p[8] = 0x42;
	/* Those that poison look when the object is given out again. */
	for (int i = 0; i < 64; i++)
		object(64);
}

static noinline void read_after_free(void)
{
	char *p = object(64);

	kfree(p);
	READ_ONCE(p[8]);
}

static noinline void out_of_bounds(void)
{
	char *p = object(57);

	p[57] = 0x42;
	p[64] = 0x42;
	kfree(p);
}

static noinline void out_of_bounds_read(void)
{
	char *p = object(64);

	READ_ONCE(p[64]);
	kfree(p);
}

static char global[37];

static noinline void global_out_of_bounds(void)
{
	READ_ONCE(*PV_HIDDEN(&global[37]));
}

static noinline void stack_out_of_bounds(void)
{
	char room[13] = {};

	READ_ONCE(*PV_HIDDEN(&room[13]));
}

static noinline void vmalloc_out_of_bounds(void)
{
	char *p = PV_HIDDEN((char *)vmalloc(2000));

	READ_ONCE(p[2001]);
	vfree(p);
}

/* Allocates until KFENCE has taken one to its pages: a fence is at either end of each. */
static char *fenced(size_t size)
{
	for (int i = 0; i < 200000; i++) {
		char *p = object(size);

		if (is_kfence_address(p))
			return p;
		kfree(p);
		if (i % 100 == 99)
			schedule_timeout_uninterruptible(1);
	}
	pr_err("pv_provoke: no object of KFENCE's\n");
	return NULL;
}

static noinline void kfence_out_of_bounds(void)
{
	char *p = fenced(64);

	/* The object is at the page's left or right end: one of these is the fence. */
	if (p) {
		READ_ONCE(p[-1]);
		READ_ONCE(p[64]);
	}
}

static noinline void kfence_use_after_free(void)
{
	char *p = fenced(64);

	kfree(p);
	if (p)
		READ_ONCE(p[0]);
}

static noinline void kfence_invalid_free(void)
{
	char *p = fenced(64);

	if (p)
		kfree(p + 1);
}

static noinline void kfence_corrupt(void)
{
	char *p = fenced(73);

	if (p) {
		p[73] = 0x42;
		kfree(p);
	}
}

static noinline void user_copy(void)
{
	char *p = object(64);
	unsigned long to = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, 0);

	if (copy_to_user((void __user *)to, p, PV_HIDDEN(128ul)))
		pr_info("pv_provoke: not all copied\n");
}

struct field {
	char name[8];
	char next[8];
};

static noinline void field_spanning(void)
{
	struct field *p = kzalloc(sizeof(*p), GFP_KERNEL);

	memcpy(p->name, "0123456789abcdef", PV_HIDDEN(16ul));
}

static noinline void string_overflow(void)
{
	char room[8];
	char *text = kstrdup("a text that is too long", GFP_KERNEL);

	strcpy(room, PV_HIDDEN(text));
	pr_info("pv_provoke: %s\n", room);
}

static noinline void shift(void)
{
	int by = PV_HIDDEN(65);

	pr_info("pv_provoke: %d\n", 1 << by);
}

static noinline void index_out_of_bounds(void)
{
	int row[4] = {};
	int i = PV_HIDDEN(5);

	pr_info("pv_provoke: %d\n", row[i]);
}

static noinline void bool_load(void)
{
	char value = PV_HIDDEN(5);

	pr_info("pv_provoke: %d\n", *(volatile bool *)&value);
}

static void leak(void)
{
	for (int i = 0; i < 10; i++)
		object(300);
}

static void free_active_timer(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	timer_setup(timer, NULL, 0);
	timer->expires = jiffies + 100 * HZ;
	add_timer(timer);
	kfree(timer);
}

static void vfree_wild(void)
{
	vfree((void *)(VMALLOC_START + 0x5000000));
}

static void big_order(void)
{
	free_pages(__get_free_pages(GFP_KERNEL, 10), 10);
	for (int i = 0; i < 1000; i++)
		if (!__get_free_pages(GFP_ATOMIC, 9))
			break;
}

/* clang-format off */
const struct pv_way pv_ways_memory[] = {
	{ "list-add", PV_TASK, list_add_corrupt },
	{ "list-del", PV_TASK, list_del_corrupt },
	{ "list-del-twice", PV_TASK, list_del_twice },
	{ "refcount-zero", PV_TASK, from_zero },
	{ "refcount-under", PV_TASK, below_zero },
	{ "refcount-saturated", PV_TASK, beyond_max },
	{ "bad-page", PV_TASK, bad_page },
	{ "double-free", PV_TASK, double_free },
	{ "free-wild", PV_TASK, free_wild },
	{ "use-after-free", PV_TASK, use_after_free },
	{ "read-after-free", PV_TASK, read_after_free },
	{ "out-of-bounds", PV_TASK, out_of_bounds },
	{ "out-of-bounds-read", PV_TASK, out_of_bounds_read },
	{ "global-out-of-bounds", PV_TASK, global_out_of_bounds },
	{ "stack-out-of-bounds", PV_TASK, stack_out_of_bounds },
	{ "vmalloc-out-of-bounds", PV_TASK, vmalloc_out_of_bounds },
	{ "kfence-out-of-bounds", PV_TASK, kfence_out_of_bounds },
	{ "kfence-use-after-free", PV_TASK, kfence_use_after_free },
	{ "kfence-invalid-free", PV_TASK, kfence_invalid_free },
	{ "kfence-corrupt", PV_TASK, kfence_corrupt },
	{ "user-copy", PV_TASK, user_copy },
	{ "field-spanning", PV_TASK, field_spanning },
	{ "string-overflow", PV_TASK, string_overflow },
	{ "shift", PV_TASK, shift },
	{ "index", PV_TASK, index_out_of_bounds },
	{ "bool-load", PV_TASK, bool_load },
	{ "leak", PV_TASK, leak },
	{ "free-active-timer", PV_TASK, free_active_timer },
	{ "vfree-wild", PV_TASK, vfree_wild },
	{ "big-order", PV_TASK, big_order },
	{}
};
