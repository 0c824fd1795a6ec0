/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines of a splat behind its header: a table of how they begin, and what each tells. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"

typedef enum pv_body body_fn(struct pv_open *o, const char *p, size_t len);

static void begin_body(struct pv_open *o)
{
	if (o->phase == PV_PHASE_HEAD)
		o->phase = PV_PHASE_BODY;
}

static bool has(const struct pv_open *o, unsigned int flags)
{
	return o->class && o->class->flags & flags;
}

/* ---- whose trace it is ---- */

/* A trace of that CPU begins; of a stall only the stuck one's is wanted. */
static void trace_of(struct pv_open *o, long cpu)
{
	if (!has(o, PV_REMOTE)) {
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
		if (!has(o, PV_XEN) && !memmem(p, end - p, "ainted", 6))
			return PV_BODY_NOT;
		if (o->cpu < 0)
			o->cpu = cpu;
		pv_who_taint(o, p, end - p);
		return PV_BODY_YES;
	}
	if (o->named && !has(o, PV_REMOTE) && pv_number(pid + 5, end - pid - 5) != o->pid) {
		o->section = PV_OTHER_STACK; /* khungtaskd tells of another task */
		return PV_BODY_YES;
	}
	/* Behind the history of a page or an object comes what happened. */
	if (!o->nr_main && !has(o, PV_REMOTE | PV_OTHER_FIRST))
		o->section = PV_MAIN;
	trace_of(o, cpu);
	if (o->section == PV_OTHER_STACK && has(o, PV_REMOTE))
		return PV_BODY_YES;
	if (o->task[0] && o->cpu >= 0 && o->phase != PV_PHASE_HEAD && !has(o, PV_REMOTE))
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

	if (!has(o, PV_BAD_ACCESS) || o->access[0])
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

/* ---- instruction pointers ---- */

static enum pv_body exact(struct pv_open *o, const char *reg, const char *p, size_t len)
{
	struct pv_frame f;

	begin_body(o);
	if (o->phase != PV_PHASE_END && pv_frame_parse(o, p, len, &f) && (f.func || f.address)) {
		f.exact = !f.inlined;
		pv_frame_add(o, &f);
	}
	pv_register_keep(o, reg, strlen(reg), p, len);
	return PV_BODY_YES;
}

static enum pv_body on_rip(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	while (len && *p == ' ') {
		p++;
		len--;
	}
	if (pv_splat_pattern("%x:%l", p, len, &m)) {
		/* Selectors: the kernel's is 0010, Xen PV's e030, Xen's e008, a user's 0033 or
		 * 0023. */
		if (m.cap[0].len == 4 && (m.cap[0].at[3] & 3) == 3 && m.cap[0].at[0] == '0') {
			o->user_regs = true;
			begin_body(o);
			return PV_BODY_YES;
		}
		p = m.cap[1].at;
		len = m.cap[1].len;
	}
	return exact(o, "RIP", p, len);
}

/* x86 before 4.15 says it here, too: of use when the log ends before RIP comes. */
static enum pv_body on_ip(struct pv_open *o, const char *p, size_t len)
{
	size_t n = 0;
	const char *at = pv_frame_find(p, len, &n), *plus = at ? memchr(at, '+', n) : NULL;

	if (plus && !o->func[0])
		pv_copy(o->func, sizeof(o->func), at, plus - at);
	return PV_BODY_YES;
}

/* "func+0x12/0x34" somewhere in the line: "pc : [<c0>] lr : ..", "NIP [c000] func+.." */
static enum pv_body on_pc(struct pv_open *o, const char *p, size_t len)
{
	size_t n = 0, pool = o->nr_pool;
	const char *at = pv_frame_find(p, len, &n), *lr = memmem(p, len, "lr :", 4);
	struct pv_frame f;

	begin_body(o);
	if (at && lr && lr < at)
		at = NULL; /* arm: addresses first, names in lines of their own */
	if (!at) {
		if (o->phase != PV_PHASE_END && pv_frame_parse(o, p, len, &f) && f.inlined)
			pv_frame_add(o, &f); /* decode_stacktrace.sh */
		pv_register_keep(o, "pc", 2, p, len);
		return PV_BODY_YES;
	}
	/* With file:line behind it; or with another register: then up to that. */
	if (pv_frame_parse(o, at, p + len - at, &f))
		n = p + len - at;
	o->nr_pool = pool;
	return exact(o, "pc", at, n);
}

/* The return address: a hint only. */
static enum pv_body on_lr(struct pv_open *o, const char *p, size_t len)
{
	begin_body(o);
	pv_register_keep(o, "lr", 2, p, len);
	return PV_BODY_YES;
}

/* ---- sections ---- */

static enum pv_body on_trace(struct pv_open *o, const char *p, size_t len)
{
	begin_body(o);
	o->context = "";
	if (len && *p == ' ')
		pv_frame_line(o, p, len); /* old arm: the first frame on the same line */
	return PV_BODY_YES;
}

static enum pv_body on_backtrace(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	begin_body(o);
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
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (len != n + 1 || memcmp(p, names[i], n) || p[n] != '>')
			continue;
		begin_body(o);
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
	begin_body(o);
	if (o->nr_main)
		o->section = PV_SECOND;
	else if (pv_splat_pattern("%*by task %p on cpu %c:", p, len, &m)) {
		o->pid = pv_number(m.cap[1].at, m.cap[1].len);
		o->cpu = pv_number(m.cap[2].at, m.cap[2].len);
	}
	return PV_BODY_YES;
}

/* "1-....: (2099 ticks this GP) ..": the first CPU of a stall. */
static bool stuck_cpu(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (!has(o, PV_STALL) || !pv_splat_pattern("%c-%s (", p, len, &m) || m.cap[1].len < 4)
		return false;
	if (o->stuck < 0)
		o->stuck = pv_number(m.cap[0].at, m.cap[0].len);
	return true;
}

static enum pv_body on_nmi(struct pv_open *o, const char *p, size_t len)
{
	begin_body(o);
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
	{"RIP: ", on_rip}, {"EIP: ", on_rip}, {"RIP:", on_rip}, {"pc : ", on_pc}, {"PC is at ", on_pc}, {"epc : ", on_pc},
	{"epc   : ", on_pc}, {"ERA: ", on_pc}, {"era   : ", on_pc}, {"NIP [", on_pc}, {"Krnl PSW : ", on_pc},
	{"lr : ", on_lr}, {"LR is at ", on_lr}, {"ra : ", on_lr}, {"LR [", on_lr},
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
	{"*pde = ", on_yes}, {"*pdpt = ", on_yes}, {"IP: ", on_ip}, {"Dumping ftrace buffer:", on_yes}, {"(ftrace buffer empty)", on_yes},
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

static void take_lock(struct pv_open *o, const char *p, size_t len)
{
	size_t n;
	const char *at = pv_frame_find(p, len, &n), *plus = at ? memchr(at, '+', n) : NULL;

	if (!at)
		return;
	pv_copy(o->lock, sizeof(o->lock), at, (plus ? plus : at + n) - at);
	o->want_lock = false;
}

/* "perf/123 is trying to release lock (&lock) at:", and in the next line where. */
static bool release_lock(struct pv_open *o, const char *p, size_t len)
{
	static const char end[] = ") at:";
	size_t n = sizeof(end) - 1;

	if (o->lock_next) {
		o->lock_next = false;
		take_lock(o, p, len);
		return !o->want_lock;
	}
	o->lock_next = o->want_lock && len > n && !memcmp(p + len - n, end, n);
	return o->lock_next;
}

/* The lock that is being taken: "ffff8880 (&lock){+.+.}-{2:2}, at: func+0x12/0x34" */
static bool lock_line(struct pv_open *o, const char *p, size_t len)
{
	const char *at = memmem(p, len, ", at: ", 6);

	if (!at)
		return false;
	if (o->want_lock)
		take_lock(o, at + 6, p + len - at - 6);
	return true;
}

/* "12.0-rc1 #1 Not tainted" of lockdep, " 5.15.149 #1" of a line that was broken. */
static bool release_line(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (!len || *p < '2' || *p > '9' || !pv_splat_pattern("%s #%d", p, len, &m) ||
	    !memchr(m.cap[0].at, '.', m.cap[0].len))
		return false;
	if (!o->release[0])
		pv_copy(o->release, sizeof(o->release), m.cap[0].at, m.cap[0].len);
	return true;
}

/* ">ffff888012345600: fa fb", " ffff8880: 00 00", "^" of KASAN; "[ffff] pgd=.." of arm64. */
static bool dump_line(const char *p, size_t len)
{
	struct pv_splat_match m;

	if (len == 1 && *p == '^')
		return true;
	if (len && *p == '>') {
		p++;
		len--;
	}
	if (pv_splat_pattern("%x: ", p, len, &m) || pv_splat_pattern("%x %x %x", p, len, &m))
		return m.cap[0].len >= 8;
	return pv_splat_pattern("[%x] ", p, len, &m) || pv_splat_pattern("[%x] *p", p, len, &m);
}

/* "Could not construct domain 0", "GENERAL PROTECTION FAULT" behind "Panic on CPU 0:". */
static bool reason_line(struct pv_open *o, const char *p, size_t len)
{
	char *mark = strstr(o->kind, "%F"), reason[128];

	if (!o->want_reason)
		return false;
	o->want_reason = false;
	pv_splat_normalise(reason, sizeof(reason), p, len);
	if (!mark)
		mark = o->kind + strlen(o->kind);
	pv_put(mark, o->kind + sizeof(o->kind) - mark, ": %s%s", reason, *mark ? "%F" : "");
	return true;
}

static enum pv_body by_words(struct pv_open *o, const char *p, const char *end)
{
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const char *words = starts[i].words;
		enum pv_body is;
		size_t n;

		if (*p != *words)
			continue;
		n = strlen(words);
		if ((size_t)(end - p) < n || memcmp(p, words, n))
			continue;
		is = starts[i].fn(o, p + n, end - p - n);
		if (is != PV_BODY_NOT)
			return is;
	}
	return PV_BODY_NOT;
}

enum pv_body pv_body_line(struct pv_open *o, const struct pv_line *l)
{
	const char *p = l->text, *end = l->text + l->len;
	enum pv_body is;
	bool is_frame;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end)
		return PV_BODY_MAYBE;
	if (reason_line(o, p, end - p) || release_lock(o, p, end - p))
		return PV_BODY_YES;
	if (end - p > 5 && !memcmp(p, "rcu: ", 5) &&
	    stuck_cpu(o, p + 5 + (p[5] == '\t'), end - p - 5 - (p[5] == '\t')))
		return PV_BODY_YES;
	/* Most lines are frames, and no frame begins with a word of the table. */
	is_frame = memmem(p, end - p, "+0x", 3) && pv_frame_line(o, p, end - p);
	if (!is_frame && (is = by_words(o, p, end)) != PV_BODY_NOT)
		return is;
	if (is_frame || pv_frame_line(o, p, end - p)) {
		begin_body(o);
		return PV_BODY_YES;
	}
	if (lock_line(o, p, end - p)) /* "#0: ffff" looks like a register */
		return PV_BODY_YES;
	if (pv_registers_line(o, p, end - p)) {
		begin_body(o);
		return PV_BODY_YES;
	}
	if (release_line(o, p, end - p) || stuck_cpu(o, p, end - p) || dump_line(p, end - p))
		return PV_BODY_YES;
	return PV_BODY_NOT;
}
