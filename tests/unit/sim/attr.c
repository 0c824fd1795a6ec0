/* SPDX-License-Identifier: GPL-2.0-only */
/* perf_copy_attr(): size ladder, reserved bits, rules between fields. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/sim/sim.h"

/* The caller's memory as the kernel sees it: a bad address is an error, not a crash. */
static int copy_user(void *to, const void *from, size_t len)
{
	struct iovec local = {to, len}, remote = {(void *)(uintptr_t)from, len};

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

static int too_big(struct perf_event_attr *user)
{
	if (!sim_broken(SIM_SIZE_NOT_WRITTEN_BACK))
		user->size = SIM_ATTR_SIZE;
	return -E2BIG;
}

/* Is everything behind what this kernel knows zero? */
static bool tail_clean(const uint8_t *user, uint32_t size)
{
	for (uint32_t i = SIM_ATTR_SIZE; i < size; i++) {
		if (user[i])
			return false;
	}
	return true;
}

int sim_attr_copy(struct perf_event_attr *user, union sim_attr *attr)
{
	uint8_t page[4096];
	uint32_t size;
	int err;

	if (copy_user(&size, (const char *)user + offsetof(struct perf_event_attr, size),
		      sizeof(size)))
		return sim_broken(SIM_FAULT_EINVAL) ? -EINVAL : -EFAULT;
	if (!size && !sim_broken(SIM_SIZE_0_REFUSED))
		size = PERF_ATTR_SIZE_VER0;
	if (size < PERF_ATTR_SIZE_VER0 && sim_broken(SIM_SIZE_SMALL_ACCEPTED))
		size = PERF_ATTR_SIZE_VER0;
	if (size < PERF_ATTR_SIZE_VER0 || size > sizeof(page))
		return too_big(user);
	if (size < PERF_ATTR_SIZE_VER5 && sim_broken(SIM_SIZE_OLD_REFUSED))
		return too_big(user);
	if (size > SIM_ATTR_SIZE && sim_broken(SIM_SIZE_ZERO_TAIL_REFUSED))
		return too_big(user);
	err = copy_user(page, user, size);
	if (err)
		return err;
	if (!tail_clean(page, size) && !sim_broken(SIM_SIZE_TAIL_ACCEPTED))
		return too_big(user);
	memset(attr, 0, sizeof(*attr));
	memcpy(attr, page, size < SIM_ATTR_SIZE ? size : SIM_ATTR_SIZE);
	attr->a.size = size;
	return 0;
}

/* Fields with reserved bits; one switch each that lets them pass, one that refuses a defined bit.
 */
static const struct field {
	unsigned int offset, len;
	uint64_t known;
	enum sim_break accept, refuse;
	uint64_t refused; /* the defined bit that `refuse` refuses */
} fields[] = {
	{40, 8, (1ull << 40) - 1, SIM_RESERVED_ATTR_FLAGS, SIM_DEFINED_ATTR_FLAGS, 1ull << 24},
	{offsetof(struct perf_event_attr, read_format), 8, 0x1f, SIM_RESERVED_READ_FORMAT,
	 SIM_DEFINED_READ_FORMAT, SIM_FORMAT_LOST},
	{offsetof(struct perf_event_attr, sample_type), 8, (1ull << 25) - 1,
	 SIM_RESERVED_SAMPLE_TYPE, SIM_DEFINED_SAMPLE_TYPE, PERF_SAMPLE_TRANSACTION},
	{116, 4, 7, SIM_RESERVED_AUX_ACTION, SIM_DEFINED_AUX_ACTION, 1},
	{110, 2, 0, SIM_RESERVED_2, SIM_OK, 0},
};

static uint64_t field_value(const union sim_attr *attr, const struct field *f)
{
	uint64_t value = 0;

	memcpy(&value, attr->byte + f->offset, f->len);
	return value;
}

static int check_branch(const union sim_attr *attr)
{
	uint64_t bits = attr->a.branch_sample_type;
	const uint64_t known = (1ull << 20) - 1, priv = 7;

	if (!(attr->a.sample_type & PERF_SAMPLE_BRANCH_STACK))
		return 0;
	if (bits & ~known && !sim_broken(SIM_RESERVED_BRANCH))
		return -EINVAL;
	if (!(bits & ~priv))
		return -EINVAL;
	if (bits & PERF_SAMPLE_BRANCH_COND && sim_broken(SIM_DEFINED_BRANCH))
		return -EINVAL;
	return 0;
}

static bool bad_companions(const union sim_attr *attr)
{
	const struct perf_event_attr *a = &attr->a;
	uint64_t weights = PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT;

	if (sim_broken(SIM_COMPANIONS_UNCHECKED))
		return false;
	if ((a->sample_type & weights) == weights)
		return true;
	/* x86-64: no segment registers below bit 24, none reserved, see abi.md section 2. */
	if ((a->sample_type & PERF_SAMPLE_REGS_USER ||
	     (a->sample_regs_user && sim_broken(SIM_UNASKED_REGS_CHECKED))) &&
	    (!a->sample_regs_user || a->sample_regs_user & 0xff00f000))
		return true;
	if (a->sample_type & PERF_SAMPLE_REGS_INTR &&
	    (!a->sample_regs_intr || a->sample_regs_intr & 0xff00f000))
		return true;
	if (a->sample_type & PERF_SAMPLE_STACK_USER &&
	    (a->sample_stack_user >= (sim_broken(SIM_STACK_LARGEST_REFUSED) ? 65528u : 65535u) ||
	     a->sample_stack_user % 8))
		return true;
	return (a->inherit_thread && !a->inherit) || (a->remove_on_exec && a->enable_on_exec) ||
	       (a->sigtrap && !a->remove_on_exec);
}

int sim_attr_check(const union sim_attr *attr)
{
	const struct perf_event_attr *a = &attr->a;
	uint64_t freq;
	int err;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];
		uint64_t value = field_value(attr, f);

		if (value & ~f->known && !sim_broken(f->accept))
			return -EINVAL;
		if (f->refused && sim_broken(f->refuse) && value & f->refused)
			return -EINVAL;
	}
	err = check_branch(attr);
	if (err)
		return err;
	if (bad_companions(attr))
		return -EINVAL;
	if (a->freq && sim_broken(SIM_FREQ_REFUSED))
		return -EINVAL;
	freq = sim_broken(SIM_FREQ_CUT) ? (uint32_t)a->sample_freq : a->sample_freq;
	if (a->freq && freq > SIM_MAX_SAMPLERATE && !sim_broken(SIM_FREQ_UNCHECKED))
		return -EINVAL;
	if (!a->freq && a->sample_period >> 63 && !sim_broken(SIM_PERIOD_63_OPENS))
		return -EINVAL;
	return 0;
}

uint64_t sim_read_size(uint64_t format, unsigned int siblings)
{
	uint64_t entry = 8, nr = 1, size = 0;

	size += format & PERF_FORMAT_TOTAL_TIME_ENABLED ? 8 : 0;
	size += format & PERF_FORMAT_TOTAL_TIME_RUNNING ? 8 : 0;
	entry += format & PERF_FORMAT_ID ? 8 : 0;
	entry += format & SIM_FORMAT_LOST ? 8 : 0;
	if (format & PERF_FORMAT_GROUP) {
		nr += siblings;
		size += 8;
	}
	return size + nr * entry;
}
