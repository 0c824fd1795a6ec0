/* SPDX-License-Identifier: GPL-2.0-only */
/* BPF by bpf(2) alone: maps, and programs written down instruction by instruction. */
#ifndef PV_CASES_LIB_BPF_H
#define PV_CASES_LIB_BPF_H

#include <linux/bpf.h>

#include "cases/pv.h"

#define PV_BPF(op, d, s, o, i)                                                                     \
	((struct bpf_insn){.code = (op), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define PV_MOV(d, s)           PV_BPF(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define PV_MOVI(d, i)          PV_BPF(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define PV_ADDI(d, i)          PV_BPF(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define PV_SUB(d, s)           PV_BPF(BPF_ALU64 | BPF_SUB | BPF_X, d, s, 0, 0)
#define PV_ANDI(d, i)          PV_BPF(BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, i)
#define PV_LDX(size, d, s, o)  PV_BPF(BPF_LDX | (size) | BPF_MEM, d, s, o, 0)
#define PV_STX(size, d, o, s)  PV_BPF(BPF_STX | (size) | BPF_MEM, d, s, o, 0)
#define PV_ST(size, d, o, i)   PV_BPF(BPF_ST | (size) | BPF_MEM, d, 0, o, i)
#define PV_JMP(op, d, i, o)    PV_BPF(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define PV_JMPX(op, d, s, o)   PV_BPF(BPF_JMP | (op) | BPF_X, d, s, o, 0)
#define PV_GOTO(o)             PV_BPF(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define PV_CALL(f)             PV_BPF(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define PV_EXIT()              PV_BPF(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define PV_ATOMIC_ADD(d, o, s) PV_BPF(BPF_STX | BPF_DW | 0xc0, d, s, o, BPF_ADD)
/* Two instructions. */
#define PV_LD_MAP(d, fd)                                                                           \
	PV_BPF(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), PV_BPF(0, 0, 0, 0, 0)

/* Must succeed; skips where BPF is not configured or not allowed. */
int pv_bpf_map(struct pv_test *t, uint32_t type, uint32_t key, uint32_t value, uint32_t entries);
int pv_bpf_prog(struct pv_test *t, uint32_t type, const struct bpf_insn *insns, uint32_t n);
#define pv_bpf_load(t, type, insns) pv_bpf_prog(t, type, insns, sizeof(insns) / sizeof((insns)[0]))
/* 0 or -errno */
long pv_bpf_get(int map, const void *key, void *value);
long pv_bpf_set(int map, const void *key, const void *value);
long pv_bpf_next(int map, const void *key, void *next);
/* A slot of an array of u64. */
uint64_t pv_bpf_slot(struct pv_test *t, int map, uint32_t i);
uint32_t pv_bpf_id(struct pv_test *t, int prog);
long pv_bpf_link(int prog, int target, uint64_t cookie);
/* The tracepoint of a system call with one argument that nobody makes but the case. */
struct perf_event_attr pv_bpf_getsid(struct pv_test *t);
#endif
