/* SPDX-License-Identifier: GPL-2.0-only */
#include "cases/lib/pmulog.h"

#include "arch/work.h"
#include "cases/lib/user.h"

/* vm-images/qemu-pmu/pv_log.c; pv_arch_counter() reads one less. */
#define INDEX(op) (0x70760001u + (op))
#define PRESENT   0x70762d6c6f67ull
enum { OP_PRESENT, OP_START, OP_STOP, OP_NEXT, OP_TIME, OP_RIP, OP_VALUE, OP_LOST };

#define KNOB "/sys/bus/event_source/devices/cpu/rdpmc"

#define EN       (1ull << 22)
#define MODES    (3ull << 16) /* user and kernel mode */
#define SELECTOR 0xffffull
#define REFUSED  (1ull << 63)

/* SDM volume 4, table 2-2; APM volume 2, 13.2. `step`: from one counter to the next. */
static const struct {
	uint32_t first;
	unsigned int n, step;
	enum pv_log_role role;
	unsigned int index;
} registers[] = {
	{0xc1, 8, 1, PV_LOG_COUNTER, 0},
	{0x186, 8, 1, PV_LOG_SELECT, 0},
	{0x1a6, 2, 1, PV_LOG_OFFCORE, 0},
	{0x1c8, 1, 1, PV_LOG_LBR_SELECT, 0},
	{0x309, 16, 1, PV_LOG_COUNTER, PV_LOG_FIXED},
	{0x38d, 1, 1, PV_LOG_FIXED_CTRL, 0},
	{0x38e, 1, 1, PV_LOG_STATUS, 0},
	{0x38f, 1, 1, PV_LOG_GLOBAL, 0},
	{0x390, 1, 1, PV_LOG_ACK, 0},
	{0x4c1, 8, 1, PV_LOG_COUNTER, 0},
	{0x14ce, 1, 1, PV_LOG_LBR_SELECT, 0},
	{0xc000010e, 1, 1, PV_LOG_LBR_SELECT, 0},
	{0xc0000300, 1, 1, PV_LOG_STATUS, 0},
	{0xc0000301, 1, 1, PV_LOG_GLOBAL, 0},
	{0xc0000302, 1, 1, PV_LOG_ACK, 0},
	{0xc0010000, 4, 1, PV_LOG_SELECT, 0},
	{0xc0010004, 4, 1, PV_LOG_COUNTER, 0},
	{0xc0010200, 6, 2, PV_LOG_SELECT, 0},
	{0xc0010201, 6, 2, PV_LOG_COUNTER, 0},
};

static uint64_t ask(unsigned int op)
{
	unsigned long long value = 0;

	pv_arch_counter(INDEX(op), &value);
	return value;
}

void pv_log_start(struct pv_test *t)
{
	unsigned long long value = 0;
	char text[16];

	if (pv_file_read(KNOB, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "%s is not there", KNOB);
	/* Every task may use the instruction, with or without an event. */
	pv_knob(t, KNOB, "2");
	if (pv_user_trap(INDEX(OP_PRESENT), &value) || value != PRESENT)
		pv_skip(t, PV_ABSENT,
			"no log of what the driver does: only the PMU model has one (pmuvet qemu build)");
	ask(OP_START);
}

void pv_log_stop(struct pv_test *t)
{
	ask(OP_STOP);
	if (ask(OP_LOST))
		pv_error(t, PV_BROKEN_SETUP, "the log is full: the case must do less");
}

bool pv_log_next(struct pv_test *t, struct pv_access *a)
{
	uint64_t key = ask(OP_NEXT);

	(void)t;
	if (!key)
		return false;
	*a = (struct pv_access){
		.what = (char)(key >> 32),
		.refused = key & REFUSED,
		.msr = (uint32_t)key,
		.value = ask(OP_VALUE),
		.rip = ask(OP_RIP),
	};
	return true;
}

enum pv_log_role pv_log_role(const struct pv_access *a, unsigned int *index)
{
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		uint32_t distance = a->msr - registers[i].first;

		if (distance % registers[i].step || distance / registers[i].step >= registers[i].n)
			continue;
		*index = registers[i].index + distance / registers[i].step;
		return registers[i].role;
	}
	*index = 0;
	return PV_LOG_OTHER;
}

uint64_t pv_replay_running(const struct pv_replay *r)
{
	uint64_t running = 0;

	for (unsigned int i = 0; i < PV_LOG_FIXED; i++)
		if (r->select[i] & EN && r->select[i] & MODES)
			running |= 1ull << i;
	for (unsigned int i = PV_LOG_FIXED; i < PV_LOG_COUNTERS; i++)
		if (r->fixed_ctrl >> (4 * (i - PV_LOG_FIXED)) & 3)
			running |= 1ull << i;
	return running & r->global;
}

static void replay_write(struct pv_replay *r, const struct pv_access *a)
{
	uint64_t running = pv_replay_running(r);
	unsigned int index;

	r->writes++;
	switch (pv_log_role(a, &index)) {
	case PV_LOG_SELECT:
		/* Taking the enable bit alone is how a counter is stopped where there is no
		 * global register. */
		if (running & (1ull << index) && (r->select[index] ^ a->value) & SELECTOR)
			r->while_running++;
		r->select[index] = a->value;
		if (a->value & EN)
			r->selected |= 1ull << index;
		break;
	case PV_LOG_COUNTER:
		r->counter_writes++;
		r->while_running += running >> index & 1;
		break;
	case PV_LOG_FIXED_CTRL:
		r->fixed_ctrl = a->value;
		break;
	case PV_LOG_GLOBAL:
		r->global = a->value;
		break;
	case PV_LOG_ACK:
		r->pending &= ~a->value;
		break;
	default:
		break;
	}
}

void pv_replay(struct pv_replay *r, const struct pv_access *a)
{
	if (a->what == 'i') {
		r->interrupts++;
		r->pending |= a->value;
		return;
	}
	r->accesses++;
	if (a->refused) {
		if (!r->refused++) {
			r->refused_msr = a->msr;
			r->refused_value = a->value;
		}
		return;
	}
	if (a->what == 'w')
		replay_write(r, a);
}

struct pv_replay pv_log_replay(struct pv_test *t)
{
	struct pv_replay r = {.global = UINT64_MAX};
	struct pv_access a;

	pv_log_stop(t);
	while (pv_log_next(t, &a))
		pv_replay(&r, &a);
	return r;
}
