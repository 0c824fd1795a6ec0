/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of a splat that are known by how they begin: a table, and what each tells. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "results/splat_private.h"

#define ARRAY(x) (sizeof(x) / sizeof((x)[0]))

typedef enum pv_body body_fn(struct pv_open *o, const char *p, size_t len);

/* ---- whose trace it is ---- */

/* A trace of that CPU begins; of a stall only the stuck one's is wanted. */
static void trace_of(struct pv_open *o, long cpu)
{
	if (!pv_open_is(o, PV_REMOTE)) {
		if (o->nr_main && o->cpu >= 0 && cpu != o->cpu)
			o->section = PV_OTHER_STACK;
		return;
	}
	if (o->stuck >= 0 && cpu != o->stuck)
		o->section = PV_OTHER_STACK;
	else if (o->stuck >= 0 || !o->nr_main)
		o->section = PV_MAIN;
}

/* "1 UID: 0 PID: 38650 Comm: syz.2.3497 Not tainted 6.12.24 #3"; Xen: "   0" */
static enum pv_body on_cpu(struct pv_open *o, const char *p, size_t len)
{
	const char *end = p + len, *pid = memmem(p, len, "PID: ", 5), *comm;
	long cpu;

	while (p < end && *p == ' ')
		p++;
	cpu = pv_number(p, end - p);
	if (!pid) {
		if (!pv_open_is(o, PV_XEN) && !memmem(p, end - p, "ainted", 6))
			return PV_BODY_NOT;
		if (o->cpu < 0)
			o->cpu = cpu;
		pv_who_taint(o, p, end - p);
		return PV_BODY_YES;
	}
	if (o->named && !pv_open_is(o, PV_REMOTE) && pv_number(pid + 5, end - pid - 5) != o->pid) {
		o->section = PV_OTHER_STACK; /* khungtaskd tells of another task */
		return PV_BODY_YES;
	}
	/* Behind the history of a page or an object comes what happened. */
	if (!o->nr_main && !pv_open_is(o, PV_REMOTE | PV_OTHER_FIRST))
		o->section = PV_MAIN;
	trace_of(o, cpu);
	if (o->section == PV_OTHER_STACK && pv_open_is(o, PV_REMOTE))
		return PV_BODY_YES;
	if (o->task[0] && o->cpu >= 0 && o->phase != PV_PHASE_HEAD && !pv_open_is(o, PV_REMOTE))
		return PV_BODY_YES;
	comm = memmem(pid, end - pid, "Comm: ", 6);
	o->cpu = cpu;
	/* A hung task's report names it; this line is the watchdog's. */
	if (!o->named) {
		o->pid = pv_number(pid + 5, end - pid - 5);
		if (comm)
			pv_who_comm(o, comm + 6, end - comm - 6);
	}
	if (comm)
		pv_who_taint(o, comm + 6, end - comm - 6);
	return PV_BODY_YES;
}

static enum pv_body on_taint(struct pv_open *o, const char *p, size_t len)
{
	pv_who_taint(o, p, len);
	return PV_BODY_YES;
}

/* "comm (pid: 1234, stack limit = 0x...)" of arm */
static enum pv_body on_process(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (!pv_splat_pattern("%t (pid: %p", p, len, &m))
		return PV_BODY_NOT;
	if (!o->task[0])
		pv_copy(o->task, sizeof(o->task), m.cap[0].at, m.cap[0].len);
	if (o->pid < 0)
		o->pid = pv_number(m.cap[1].at, m.cap[1].len);
	return PV_BODY_YES;
}

/* "Read of size 8 at addr ffff888012345678 by task syz/123" */
static enum pv_body access_by(struct pv_open *o, const char *access, const char *p, size_t len)
{
	const char *by = memmem(p, len, " by task ", 9), *slash;

	if (!pv_open_is(o, PV_BAD_ACCESS) || o->access[0])
		return PV_BODY_NOT;
	pv_copy(o->access, sizeof(o->access), access, strlen(access));
	if (!by)
		return PV_BODY_YES;
	by += 9;
	slash = memrchr(by, '/', p + len - by);
	if (slash && !o->task[0]) {
		pv_copy(o->task, sizeof(o->task), by, slash - by);
		o->pid = pv_number(slash + 1, p + len - slash - 1);
	}
	return PV_BODY_YES;
}

static enum pv_body on_read(struct pv_open *o, const char *p, size_t len)
{
	return access_by(o, "Read", p, len);
}

static enum pv_body on_write(struct pv_open *o, const char *p, size_t len)
{
	return access_by(o, "Write", p, len);
}

/* ---- sections ---- */

static enum pv_body on_trace(struct pv_open *o, const char *p, size_t len)
{
	pv_body_begin(o);
	o->context = "";
	if (len && *p == ' ')
		pv_frame_line(o, p, len); /* old arm: the first frame on the same line */
	return PV_BODY_YES;
}

static enum pv_body on_backtrace(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	pv_body_begin(o);
	if (!o->nr_main)
		o->section = PV_MAIN;
	o->context = "";
	return PV_BODY_YES;
}

static enum pv_body on_bracket(struct pv_open *o, const char *p, size_t len)
{
	static const char *const names[] = {"TASK",     "IRQ",  "SOFTIRQ",   "HARDIRQ",
					    "NMI",      "#DF",  "#DB",       "#MC",
					    "#VC",      "#VC2", "EXCEPTION", "ENTRY_TRAMPOLINE",
					    "SYSENTER", "EOE",  "EOI",       "UNKNOWN"};
	bool end = len && *p == '/';

	p += end;
	len -= end;
	for (size_t i = 0; i < ARRAY(names); i++) {
		size_t n = strlen(names[i]);

		if (len != n + 1 || memcmp(p, names[i], n) || p[n] != '>')
			continue;
		pv_body_begin(o);
		o->context = end || !memcmp(names[i], "EO", 2) ? "" : names[i];
		return PV_BODY_YES;
	}
	return PV_BODY_NOT;
}

static enum pv_body on_alloc(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	o->section = PV_ALLOC;
	return PV_BODY_YES;
}

static enum pv_body on_free(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	o->section = PV_FREE;
	return PV_BODY_YES;
}

static enum pv_body on_other(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	o->section = PV_OTHER_STACK;
	return PV_BODY_YES;
}

/* KCSAN: "write to 0xffff of 4 bytes by task 123 on cpu 0:" */
static enum pv_body on_race(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (strcmp(o->class ? o->class->name : "", "kcsan"))
		return PV_BODY_NOT;
	pv_body_begin(o);
	if (o->nr_main)
		o->section = PV_SECOND;
	else if (pv_splat_pattern("%*by task %p on cpu %c:", p, len, &m)) {
		o->pid = pv_number(m.cap[1].at, m.cap[1].len);
		o->cpu = pv_number(m.cap[2].at, m.cap[2].len);
	}
	return PV_BODY_YES;
}

static enum pv_body on_nmi(struct pv_open *o, const char *p, size_t len)
{
	pv_body_begin(o);
	trace_of(o, pv_number(p, len));
	return PV_BODY_YES;
}

static enum pv_body on_yes(struct pv_open *o, const char *p, size_t len)
{
	(void)o;
	(void)p;
	(void)len;
	return PV_BODY_YES;
}

/* "Preemption disabled at:" and, in the next line or behind it, a place that is no frame. */
static enum pv_body on_where(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	o->not_a_frame = !len;
	return PV_BODY_YES;
}

/* "caller is func+0x12/0x34", "     last function: func" */
static enum pv_body on_func(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (!o->class || o->class->from != PV_FROM_BODY || !pv_splat_pattern("%f", p, len, &m))
		return PV_BODY_NOT;
	if (!o->func[0])
		pv_copy(o->func, sizeof(o->func), m.cap[0].at, m.cap[0].len);
	return PV_BODY_YES;
}

static enum pv_body on_end(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	o->phase = PV_PHASE_END;
	return PV_BODY_END;
}

/* "=====": behind its trace a sanitizer's report is over. */
static enum pv_body on_rule(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	if (o->phase == PV_PHASE_BODY && o->nr_main) {
		o->phase = PV_PHASE_END;
		return PV_BODY_END;
	}
	return PV_BODY_YES;
}

/* clang-format off */
static const struct {
	const char *words;
	body_fn *fn;
} starts[] = {
	{"CPU: ", on_cpu}, {"Tainted: ", on_taint}, {"Not tainted ", on_taint}, {"Process ", on_process},
	{"RIP: ", pv_on_rip}, {"EIP: ", pv_on_rip}, {"RIP:", pv_on_rip}, {"pc : ", pv_on_pc}, {"PC is at ", pv_on_pc}, {"epc : ", pv_on_pc},
	{"epc   : ", pv_on_pc}, {"ERA: ", pv_on_pc}, {"era   : ", pv_on_pc}, {"NIP [", pv_on_pc}, {"Krnl PSW : ", pv_on_pc},
	{"lr : ", pv_on_lr}, {"LR is at ", pv_on_lr}, {"ra : ", pv_on_lr}, {"LR [", pv_on_lr},
	{"Call Trace:", on_trace}, {"Call trace:", on_trace}, {"Xen call trace:", on_trace}, {"Backtrace:", on_trace},
	{"backtrace", on_trace}, {"Hyp Offset", on_yes}, {"stack backtrace:", on_backtrace}, {"<", on_bracket},
	{"Allocated by task ", on_alloc}, {"Freed by task ", on_free}, {"allocated by task ", on_alloc}, {"freed by task ", on_free},
	{"Uninit was created at:", on_alloc}, {"Uninit was stored to memory at:", on_other}, {"Local variable ", on_alloc},
	{"Last potentially related work creation:", on_other}, {"Second to last potentially related work creation:", on_other},
	{"Showing all locks held in the system:", on_other}, {"RCU grace-period kthread stack dump:", on_other},
	{"rcu: RCU grace-period kthread stack dump:", on_other}, {"rcu: Stack dump where RCU GP kthread last ran:", on_other},
	{"Stack dump where RCU GP kthread last ran:", on_other}, {"page last allocated via", on_other}, {"page last free", on_other},
	{"page_owner tracks the page as", on_other}, {"NMI backtrace for cpu ", on_nmi}, {"Sending NMI from CPU ", on_yes},
	{"Read of size ", on_read}, {"Write of size ", on_write}, {"Read at addr ", on_read}, {"Write at addr ", on_write},
	{"read to 0x", on_race}, {"write to 0x", on_race}, {"read-write to 0x", on_race}, {"read (", on_race},
	{"write (", on_race}, {"read-write (", on_race}, {"assert no ", on_race}, {"race at unknown origin", on_race},
	{"---[ end ", on_end}, {"=====", on_rule}, {"*****", on_yes}, {"-----", on_yes},
	/* of no interest but part of it */
	{"Modules linked in:", on_yes}, {"Hardware name:", on_yes}, {"Workqueue: ", on_yes}, {"pstate: ", on_yes},
	{"Code: ", on_yes}, {"#PF: ", on_yes}, {"PGD ", on_yes}, {"P4D ", on_yes}, {"PREEMPT", on_yes}, {"SMP", on_yes}, {"BAD", on_yes},
	{"*pde = ", on_yes}, {"*pdpt = ", on_yes}, {"IP: ", pv_on_ip}, {"Dumping ftrace buffer:", on_yes}, {"(ftrace buffer empty)", on_yes},
	{"Kernel Offset: ", on_yes}, {"Rebooting in ", on_yes}, {"SMP: stopping secondary CPUs", on_yes}, {"PHYS_OFFSET: ", on_yes},
	{"CPU features: ", on_yes}, {"Memory Limit: ", on_yes}, {"Shutting down cpus with NMI", on_yes}, {"note: ", on_yes},
	{"KASAN: ", on_yes}, {"irq event stamp: ", on_yes}, {"hardirqs last ", on_yes}, {"softirqs last ", on_yes}, {"in_atomic(): ", on_yes},
	{"preempt_count: ", on_yes}, {"RCU nest depth: ", on_yes}, {"INFO: lockdep is turned off.", on_yes}, {"Preemption disabled at:", on_where},
	{"caller is ", on_func}, {"last function: ", on_func},
	{"Disabling lock debugging due to kernel taint", on_yes}, {"1 lock held by ", on_yes}, {"2 locks held by ", on_yes},
	{"no locks held by ", on_yes}, {"locks held by ", on_yes}, {"CONTEXT: ", on_yes}, {"Faulting linear address: ", on_yes},
	{"Mem abort info:", on_yes}, {"Data abort info:", on_yes}, {"ESR = ", on_yes}, {"EC = ", on_yes}, {"SET = ", on_yes}, {"EA = ", on_yes},
	{"FSC = ", on_yes}, {"ISV = ", on_yes}, {"CM = ", on_yes}, {"GCS = ", on_yes}, {"Exception class = ", on_yes}, {"user pgtable: ", on_yes},
	{"swapper pgtable: ", on_yes}, {"ESR: ", on_yes}, {"FAR: ", on_yes}, {"Task stack: ", on_yes}, {"IRQ stack: ", on_yes},
	{"Overflow stack: ", on_yes}, {"Current ", on_yes}, {"pgd = ", on_yes}, {"Flags: ", on_yes}, {"Control: ", on_yes}, {"Register ", on_yes},
	{"Stack: ", on_yes}, {"Stack from ", on_yes}, {"Xen stack trace from ", on_yes}, {"Exception stack", on_yes}, {"Insufficient stack", on_yes},
	{"The buggy address ", on_yes}, {"Memory state around the buggy address:", on_yes}, {"which belongs to the ", on_yes}, {"page: ", on_yes},
	{"page:", on_yes}, {"flags: ", on_yes}, {"raw: ", on_yes}, {"head: ", on_yes}, {"page dumped because: ", on_yes}, {"page_type: ", on_yes},
	{"INFO: Slab ", on_yes}, {"INFO: Object ", on_yes}, {"INFO: Allocated in ", on_yes}, {"INFO: Freed in ", on_yes}, {"Slab 0x", on_yes},
	{"Object 0x", on_yes}, {"Object ", on_yes}, {"Redzone ", on_yes}, {"Padding ", on_yes}, {"Bytes b4 ", on_yes}, {"FIX ", on_yes},
	{"Allocated in ", on_alloc}, {"Freed in ", on_free}, {"kfence-#", on_yes}, {"value changed: ", on_yes},
	{"Reported by Kernel Concurrency Sanitizer on:", on_yes}, {"Pointer tag: ", on_yes}, {"This frame has ", on_yes},
	{"task:", on_yes}, {"\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\"", on_yes}, {"(detected by ", on_yes}, {"(t=", on_yes},
	{"rcu: ", on_yes}, {"Panic on CPU ", on_yes}, {"Reboot in ", on_yes}, {"Manual reset required", on_yes}, {"[error_code=", on_yes},
	{"LSM: ", on_yes}, {"Aborting core", on_yes}, {"comm \"", on_yes}, {"hex dump ", on_yes},
	{"Last Breaking-Event-Address:", on_yes}, {"Krnl GPRS: ", on_yes}, {"Krnl Code: ", on_yes}, {"XER: ", on_yes}, {"MSR: ", on_yes},
	{"CFAR: ", on_yes}, {"GPR", on_yes}, {"Instruction dump:", on_yes}, {"BE PAGE_SIZE=", on_yes}, {"LE PAGE_SIZE=", on_yes},
	{"NIP: ", on_yes}, {"REGS: ", on_yes}, {"fbcon: ", on_yes}, {"status: ", on_yes}, {"last sysfs file:", on_yes}, {"Stopper: ", on_yes},
};
/* clang-format on */

/* The rows by the first byte of their words, in the table's order. */
struct pv_words {
	unsigned char first[256], next[ARRAY(starts)]; /* a row's number and 1; 0: none */
};

struct pv_words *pv_words_new(void)
{
	struct pv_words *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	_Static_assert(ARRAY(starts) < 255, "a row is a byte");
	for (size_t i = ARRAY(starts); i-- > 0;) {
		unsigned char *first = &w->first[(unsigned char)starts[i].words[0]];

		w->next[i] = *first;
		*first = i + 1;
	}
	return w;
}

void pv_words_free(struct pv_words *w)
{
	free(w);
}

enum pv_body pv_words_line(struct pv_open *o, const char *p, size_t len)
{
	const struct pv_words *w = o->words;

	for (size_t i = len ? w->first[(unsigned char)*p] : 0; i; i = w->next[i - 1]) {
		size_t n = strlen(starts[i - 1].words);
		enum pv_body is;

		if (len < n || memcmp(p, starts[i - 1].words, n))
			continue;
		is = starts[i - 1].fn(o, p + n, len - n);
		if (is != PV_BODY_NOT)
			return is;
	}
	return PV_BODY_NOT;
}
