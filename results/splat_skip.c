/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that a title passes over, by kind: they are where it was noticed, not where it comes
 * from. A `*` at the end: any function that begins so; names are those of 4.19 to 7.2.
 */
#include <stdlib.h>
#include <string.h>

#include "results/splat_private.h"

#define R PV_SKIP_REPORT
#define C PV_SKIP_COPY
#define K PV_SKIP_LOCK
#define W PV_SKIP_WAIT
#define I PV_SKIP_IRQ
#define A PV_SKIP_ALLOC
#define H PV_SKIP_HELPER
#define E PV_SKIP_ENTRY

/* clang-format off */
static const struct {
	unsigned int kind;
	const char *names; /* separated by blanks */
} skips[] = {
	/* printing and dying */
	{R, "dump_stack* __dump_stack show_stack* __show_stack show_trace* show_regs* dump_backtrace* unwind_backtrace* "
	    "__dump_backtrace arch_stack_walk walk_stackframe print_report* print_address_description* panic vpanic nmi_panic __stack_chk_fail "
	    "check_panic_on_warn __warn __warn_printk warn_slowpath* report_bug* __report_bug handle_bug die __die* die_body oops_end* "
	    "oops_begin no_context* __bad_area* bad_area* bugs_* die_kernel_fault* bug_handler bug_brk_handler call_break_hook "
	    "brk_handler do_debug_exception el1_dbg* el1_brk* el1h_64_sync* el1_sync* el1_abort* el1h_64_error* el1_error* do_mem_abort* do_sp_pc_abort "
	    "do_translation_fault* do_page_fault* __do_page_fault* do_kernel_fault* __do_kernel_fault* do_bad* do_DataAbort do_PrefetchAbort "
	    "__dabt_svc __pabt_svc __und_svc* do_undefinstr* arm64_notify_die arm_notify_die do_serror* arm64_serror_panic nmi_enter "
	    "handle_exception do_trap* exc_* asm_exc_* fixup_exception ex_handler* page_fault page_fault_oops kernelmode_fixup_or_oops "
	    "handle_page_fault do_user_addr_fault do_kern_addr_fault async_page_fault general_protection error_entry do_error_trap "
	    "do_general_protection do_divide_error do_invalid_op do_int3 invalid_op divide_error int3 double_fault do_double_fault "
	    "handle_stack_overflow handle_vmalloc_fault spurious_kernel_fault* show_ip show_iret_regs __die_body* common_exception "
	    "__bug_* bugverbose* rust_begin_unwind rust_panic* rust_helper_BUG panic_bad_stack handle_bad_stack __bad_stack"},
	/* sanitizers and checkers */
	{R, "kasan_* __kasan_* ____kasan_* __asan_* __hwasan_* check_memory_region* check_region_inline memory_is_poisoned* kmsan_* __msan_* "
	    "kcsan_* __tsan_* __kcsan* kfence_* __kfence* ubsan_* __ubsan_* handle_overflow val_to_string refcount_* __refcount* "
	    "__list_add_valid* __list_del_entry_valid* debug_print_object debug_object_* debug_check_no_obj* "
	    "__debug_object* lookup_object* object_err slab_err slab_bug* check_bytes_and_report print_trailer check_object* free_consistency_checks alloc_consistency_checks "
	    "free_debug_processing alloc_debug_processing bad_page* free_page_is_bad* free_pages_is_bad check_free_page* check_new_page* "
	    "lockdep_rcu_suspicious debug_check_no_locks_* lockdep_sys_exit print_circular* print_usage_bug* print_deadlock* print_bad_page* print_lock* print_unlock* "
	    "__might_sleep* __might_resched* ___might_sleep might_alloc check_preemption_disabled debug_smp_processor_id __this_cpu_preempt_check "
	    "spin_dump spin_bug rwlock_bug do_raw_* __schedule_bug warn_alloc fortify_panic __fortify_panic fortify_report __fortify_report "
	    "instrument_* csd_lock_wait_toolong* dev_watchdog hlist_* __hlist* usercopy_abort __check_object_size* check_heap_object __check_heap_object"},
	/* instrumentation, thunks, and what only a debugging kernel calls */
	{R, "__sanitizer_cov_* write_comp_data check_kcov_mode kcov_* __x86_indirect_thunk* __x86_return_thunk* __x86_retpoline* srso_* retbleed_* "
	    "__indirect_thunk_start fixup_bug handle_invalid_op do_tag_check_fault do_tag_recovery lockdep_* rcu_is_watching rcu_lockdep_* rcu_is_cpu_rrupt* "
	    "rcu_dynticks_curr_cpu_in_eqs debug_lockdep_rcu_enabled lock_is_held* lock_pin* check_flags* preempt_count_* trace_hardirqs_* trace_preempt_* "
	    "trace_softirqs_* should_fail* should_failslab fail_dump __might_fault might_fault msan_* refcount_warn_saturate warn_bogus_irq_restore usercopy_warn "
	    "trace_lock_* perf_trace_lock* stack_trace_* save_stack* __save_stack* kasan_save_stack depot_save_stack* stack_depot_* dump_header "
	    "print_tainted add_taint get_taint panic_saved_regs __panic hlock_class debug_object* __seqprop_assert* assertfail ref_tracker_* do_raw_spin* vprintk* printk _printk early_printk"},
	/* one instruction in a function of its own */
	{R, "native_read_msr* native_write_msr* native_rdmsr* native_wrmsr* __rdmsr __wrmsr* rdmsr* wrmsr* paravirt_read_msr* paravirt_write_msr* "
	    "do_trace_read_msr do_trace_write_msr __rdmsr_on_cpu __wrmsr_on_cpu native_rdpmc read_msr write_msr xen_read_msr* xen_write_msr* xen_do_read_msr* xen_do_write_msr* "
	    "arch_static_branch* arch_atomic* raw_atomic* atomic_read* atomic_inc* atomic_dec* atomic_add* atomic_sub* atomic_set* atomic_fetch_* atomic_long_* atomic64_* test_bit* set_bit clear_bit variable_test_bit const_test_bit constant_test_bit arch_test_bit test_and_* "
	    "__read_once* __write_once* read_word_at_a_time arch_local_* __preempt_count*"},
	{C, "memcpy* __memcpy* memmove* __memmove* memset* __memset* memcmp* __memcmp* memchr* memscan strlen* strnlen* strcmp* strncmp* strcpy* "
	    "strncpy* strscpy* sized_strscpy strlcpy* strlcat strcat* strchr* strstr* strcasecmp strsep strspn strcspn bcmp __pi_mem* __pi_str* __pi_copy* __pi_clear* "
	    "copy_from_user* copy_to_user* __copy_user* _copy_from_user* _copy_to_user* copy_user_* raw_copy_* __arch_copy_* "
	    "__arch_clear_user* arch_perf_out_copy_user copy_from_user_nmi __copy_from_user* __copy_to_user* copy_page copy_page_to_iter* copy_page_from_iter* copy_page_mc* copy_highpage copy_user_highpage* clear_page clear_page_* clear_highpage* clear_user* __clear_user* "
	    "copy_mc_* rep_movs* rep_stos* fault_in_* __get_user_* __put_user_* get_user_nocheck_* copy_in_user* copy_from_kernel_nofault* copy_to_kernel_nofault* "
	    "copy_from_iter* _copy_from_iter* copy_to_iter* _copy_to_iter* __asm_copy* fallback_scalar* csum_partial* do_csum* __memcpy_fromio* __memcpy_toio* "
	    "strnstr simple_copy_to_iter hex_string string string_nocheck hex_dump_to_buffer print_hex_dump* dev_vprintk_emit dev_printk* __dev_printk* _dev_* netdev_printk __netdev_printk va_format memdup_user* check_pointer* number vsnprintf vscnprintf snprintf scnprintf sprintf vsprintf pointer crc16 crc_itu_t crc_ccitt* crc8 __pi_crc* logic_in* logic_out* "
	    "readb readw readl readq __raw_read* __raw_write* ioread* iowrite* kmemdup* kstrdup* kmemdup_nul skb_copy_bits __crc32* crc32* find_next_bit* _find_next* _find_first* hweight* __sw_hweight*"},
	{K, "lock_acquire* __lock_acquire* lock_release* __lock_release* validate_chain check_prev* check_noncircular* check_deadlock mark_lock* register_lock_class "
	    "_spin_lock* __raw_spin_* _raw_spin_* raw_spin_* spin_lock* spin_unlock* __raw_read_* _raw_read_* __raw_write_* _raw_write_* queued_spin_* native_queued_spin_* "
	    "__pv_queued_spin_* pv_queued_spin_* queued_read_* queued_write_* pv_wait pv_wait_node pv_wait_head* kvm_wait __pv_queued* virt_spin_lock* arch_spin_* rt_spin_* rtlock_* "
	    "mutex_* __mutex_* __ww_mutex* ww_mutex* down down_* __down* up_read up_write __up_* rwsem_* __rwsem* percpu_down* percpu_up* __percpu_* rt_mutex* __rt_mutex* "
	    "osq_* lock_sock_* __lock_page* folio_lock* lock_page* bit_spin_lock* seqcount_lockdep* seqprop* rcu_lock_acquire rcu_read_lock* srcu_lock* task_rq_lock __task_rq_lock do_spin_lock* ticket_* reiserfs_write_lock* reiserfs_write_unlock* fs_reclaim_* "
	    "__local_bh_* local_bh_* check_usage* check_irq_usage* mark_held_locks find_held_lock look_up_lock_class lock_downgrade lock_set_* reacquire_held_locks mutex_spin* _atomic_dec_and_lock* atomic_dec_and_mutex* refcount_dec_and_* "
	    "ldsem_* __ldsem_* call_rwsem_* console_lock console_trylock folio_unlock unlock_page __folio_lock* unlock_buffer lock_buffer* __lock_buffer* __read_lock* __srcu_read_* srcu_read_* "
	    "task_blocks_on_rt_mutex rcu_read_unlock* __rcu_read_*"},
	{W, "schedule schedule_* __schedule* preempt_schedule* context_switch __switch_to* io_schedule* do_sched_yield yield* cond_resched* __cond_resched* "
	    "wait_for_* __wait_for_* do_wait_for* wait_on_* __wait_on_* out_of_line_wait* bit_wait* __wait_on_bit* wait_woken prepare_to_wait* "
	    "do_nanosleep hrtimer_nanosleep* msleep* usleep_* synchronize_rcu* synchronize_srcu* synchronize_sched* synchronize_net __synchronize_srcu rcu_barrier* __wait_rcu_gp "
	    "flush_work* __flush_work* flush_workqueue* __flush_workqueue drain_workqueue folio_wait_* wait_for_completion* kthread_stop* kthread_park* autoremove_wake* default_wake* swait_* "
	    "__sched_text_start ___preempt_schedule* __preempt_schedule* preempt_schedule_* finish_task_switch* __cancel_work* cancel_work_sync cancel_delayed_work_sync del_timer_sync timer_delete_sync __timer_delete_sync _synchronize_rcu* "
	    "usb_start_wait_urb usb_control_msg* usb_bulk_msg* usb_interrupt_msg io_schedule_prepare __wait_rcu* __rela_dyn_start __filemap_fdatawait_range filemap_fdatawait* read_events __flush_workqueue* console_unlock* clock_was_set* "
	    "futex_wait_queue* smp_call_function* on_each_cpu* csd_lock_wait* __smp_call_single* smp_cond* generic_exec_single cpu_relax rep_nop __delay delay_* __const_udelay __udelay "
	    "__ndelay sleep_on* blk_execute_rq blk_mq_freeze* blk_mq_get_tag* _cond_resched sched_yield stop_machine* stop_one_cpu stop_two_cpus rcu_sync_enter text_poke* flush_tlb_* native_flush_tlb* kick_all_cpus_sync"},
	{I, "asm_sysvec_* sysvec_* __sysvec_* asm_common_interrupt common_interrupt* do_IRQ __irqentry* irq_enter* irq_exit* __irq_exit* irqentry_* apic_timer_interrupt smp_apic_timer_interrupt "
	    "__sysvec_apic* local_apic_timer_interrupt smp_call_function_interrupt reschedule_interrupt ret_from_intr el1_irq el1_interrupt* el1h_64_irq* el0_irq* el0t_64_irq* el1h_64_fiq* __el1_irq __el1_pnmi el0_interrupt __el0_irq* gic_handle_irq* __gic_handle* "
	    "do_interrupt_handler call_on_irq_stack handle_domain_irq handle_domain_nmi __handle_domain_irq generic_handle_domain_irq generic_handle_irq* handle_irq_desc handle_percpu_devid_irq __handle_irq_event* handle_irq* "
	    "arch_timer_handler_* arch_timer* tick_* __tick* timer_tick* update_process_times* scheduler_tick* sched_tick hrtimer_interrupt __hrtimer_run_queues* __run_hrtimer* hrtimer_run_queues hrtimer_run_softirq "
	    "rcu_sched_clock_irq rcu_check_callbacks rcu_pending rcu_dump_cpu_stacks check_cpu_stall* print_cpu_stall* print_other_cpu_stall* dump_cpu_task sched_show_task watchdog_timer_fn watchdog_overflow_callback "
	    "watchdog_hardlockup_* nmi_cpu_backtrace* nmi_trigger_cpumask* arch_trigger_* default_do_nmi nmi_handle* do_nmi end_repeat_nmi nmi asm_exc_nmi trigger_all_cpu_backtrace trigger_single_cpu_backtrace trigger_allbutself_cpu_backtrace perf_event_nmi_handler panic_on_rcu_stall ipi_handler do_handle_IPI ipi_cpu_backtrace "
	    "do_softirq* __do_softirq* handle_softirqs* __softirqentry* irq_exit_rcu invoke_softirq run_timer_softirq run_ksoftirqd call_timer_fn __run_timers* run_timer_base* "
	    "smp_apic_timer_interrupt* smp_trace_* trace_apic_timer* apic_timer_interrupt* smp_reschedule* smp_call_function_* smp_irq_work* __irq_svc __irq_usr retint_* restore_regs_and* restore_all* kretint* paranoid_* "
	    "rcu_print_* rcu_check_gp* rcu_exp_wait_wake* rcu_gp_fqs* synchronize_rcu_expedited_wait* dump_all_backtrace* print_cpu_stall_info* unwind_* __unwind_* __kernel_text_address kernel_text_address is_bpf_text_address is_ftrace_trampoline print_context_stack dump_trace is_module_text_address __module_address __module_text_address bpf_ksym_find in_entry_stack in_task_stack get_stack_info* stack_access_ok deref_stack_reg orc_find* "
	    "riscv_intc_irq do_irq handle_riscv_irq riscv_timer_interrupt timer_interrupt profile_tick"},
	{A, "kmalloc* __kmalloc* kzalloc* kcalloc* kvmalloc* kvzalloc* __kvmalloc* kmem_cache_* __kmem_cache_* kfree* kvfree* kzfree vfree* __vmalloc* vmalloc* slab_* ___slab_* __slab_* "
	    "__do_kmalloc* do_slab_free* free_slab* allocate_slab new_slab krealloc* __krealloc* kmemleak_* alloc_pages* __alloc_pages* alloc_page* __alloc_frozen* get_page_from_freelist "
	    "get_free_pages* __get_free_pages* free_pages* __free_pages* __free_page* free_unref* free_frozen* __free_frozen* ___free_pages* free_pcp* free_hot_cold* prep_new_page* post_alloc_hook* rmqueue* "
	    "devm_kmalloc* kobject_set_name* kvasprintf* kasprintf kstrdup* kmemdup* mempool_alloc* __alloc_skb alloc_skb* dup_task_struct slab_free_freelist_hook* __put_page __folio_put* folio_put* folios_put* put_page release_pages page_frag_free sk_skb_reason_drop __page_cache_release* __build_skb* "
	    "sock_kmalloc create_object* __create_object* radix_tree_node_alloc* radix_tree_preload* alloc_pages_* __vunmap __vfree* free_large_kmalloc* __purge_vmap* remove_vm_area sk_prot_alloc* sk_alloc* inet*_sk_alloc pcpu_mem_zalloc kvmalloc_node* kmalloc_slab* ___kmalloc* vzalloc* vzalloc_node build_skb dev_alloc_skb netdev_alloc_skb* __netdev_alloc* sk_destruct __sk_destruct sk_free __sk_free sk_prot_free sock_put pcpu_create_chunk* __kvmalloc* __do_kmalloc* cache_alloc* __cache_* quarantine_* qlist_* kasan_quarantine* kfree_skb* __kfree_skb consume_skb skb_release_* skb_clone* skb_copy* sock_alloc_send* sock_wmalloc* alloc_inode* new_inode new_inode_pseudo __list_lru_init* memcg_init_list_lru* ida_pre_get* idr_preload* debug_objects_mem_init filemap_alloc_folio* deactivate_slab* unfreeze_partials* should_reclaim* "
	    "folio_alloc* __folio_alloc* alloc_frozen_pages* alloc_slab_page kmem_cache_alloc* pcpu_alloc* __alloc_percpu*"},
	/* library code: trees, lists, ids, reference counts, queues, socket buffers, device files */
	{H, "rb_erase* rb_first* rb_last* rb_next* rb_prev* rb_insert_color* rb_link_* rb_replace_* __rb_* list_add list_add_tail* list_add_rcu list_del list_del_init* list_del_rcu list_move* list_splice* list_empty* __list_add* __list_del* klist_* llist_* plist_* hlist_* rhashtable_* rhltable_* __rhashtable* rht_* xa_* __xa_* xas_* radix_tree_* __radix_tree* idr_* ida_* interval_tree* "
	    "kref_* kobject_* __kobject_* kset_* get_device put_device device_del device_unregister device_add device_register device_create* device_destroy device_remove_* device_release dpm_sysfs_* get_device_parent cleanup_glue_dir sysfs_remove_* sysfs_delete_* sysfs_create_* kernfs_remove* kernfs_put bitmap_* __bitmap_* sort lib_sort "
	    "add_uevent_var complete complete_all __wake_up* wake_up_* try_to_wake_up finish_wait wait_for_completion* swake_up* add_wait_queue* __queue_work queue_work* queue_delayed* __queue_delayed* insert_work kthread_insert_work* kthread_queue_work kthread_stop "
	    "del_timer* timer_delete* mod_timer* __mod_timer* add_timer* lock_timer_base* timer_is_static_object work_is_static_object init_timer_key timer_fixup* hrtimer_start* hrtimer_cancel hrtimer_try_to_cancel hrtimer_active hrtimer_init* hrtimer_setup* hrtimer_forward* __hrtimer_start* timerqueue_* try_to_grab_pending __try_to_del_timer* try_to_del_timer* __timer_delete* timer_shutdown* cancel_work* __cancel_work* cancel_delayed_work* flush_workqueue __flush_workqueue __reiserfs_panic __flush_work* flush_work flush_delayed_work* "
	    "skb_panic skb_over_panic skb_under_panic skb_push skb_pull* __skb_pull* __pskb_pull* skb_put skb_queue_* skb_dequeue* skb_unlink cleanup_srcu_struct call_rcu* __call_rcu* kfree_call_rcu* kvfree_call_rcu* "
	    "drop_nlink clear_nlink set_nlink inc_nlink mark_buffer_dirty fast_dput dput iput ihold usb_submit_urb usb_kill_urb usb_kill_anchored* drain_workqueue destroy_workqueue aes_encrypt aes_decrypt aesti_* fd_install debugfs_remove* proc_register proc_create* proc_mkdir* proc_remove* kfree_skb* __kfree_skb consume_skb skb_release_* "
	    "__virt_addr_valid __phys_addr* __virt_to_phys* __pa_* virt_to_head* phys_to_page pfn_valid devres_release* device_release_driver* extract_iter_to_sg iov_iter_* _copy_* "
	    "kill_fasync* fasync_* sg_next sg_init* sg_alloc* unregister_netdev unregister_netdevice_* rollback_registered* netdev_next_lower* flush_signals"},
	/* hands over to an operation of a driver, a file system, a protocol, a timer, a queue */
	{E, "vfs_write __vfs_write vfs_read __vfs_read new_sync_write new_sync_read call_write_iter call_read_iter do_iter_* vfs_iter_* vfs_writev vfs_readv do_writev do_readv do_pwritev do_preadv ksys_* "
	    "do_vfs_ioctl vfs_ioctl sys_ioctl compat_sys_ioctl sys_write sys_read sys_writev sys_readv sock_sendmsg* __sock_sendmsg* sock_recvmsg* ____sys_* ___sys_* __sys_* sock_write_iter sock_read_iter "
	    "rtnetlink_rcv_msg nfnetlink_rcv_msg genl_rcv_msg genl_family_rcv_msg* __netif_receive_skb* call_timer_fn __hrtimer_run_queues* __run_hrtimer* tasklet_action* process_one_work kthread __fput task_work_run "
	    "__do_fault do_dentry_open do_syscall_* do_fast_syscall* __do_fast_syscall* do_int80* entry_* el0_svc* invoke_syscall __invoke_syscall ret_fast_syscall do_softirq* __do_softirq* handle_softirqs* system_call* "
	    "tracesys* sysenter_* do_sys_poll drm_ioctl_kernel"},
};
/* clang-format on */

struct skip {
	const char *name;
	unsigned char len, kind;
	bool open; /* any function that begins so */
};

struct pv_kinds {
	size_t first[257]; /* of the names with that bucket() */
	struct skip skip[];
};

/* By the first and the third byte: many begin with "__". All names have three and more. */
static unsigned char bucket(const char *name)
{
	return name[0] && name[1] ? (unsigned char)name[0] ^ (unsigned char)name[2] * 13u : 0;
}

/* Calls fn for each name of the lists. */
static void each(struct pv_kinds *s, void (*fn)(struct pv_kinds *s, const struct skip *one))
{
	for (size_t i = 0; i < sizeof(skips) / sizeof(skips[0]); i++) {
		for (const char *name = skips[i].names; *name; name += strspn(name, " ")) {
			struct skip one = {
				.name = name, .len = strcspn(name, " "), .kind = skips[i].kind};

			one.open = name[one.len - 1] == '*';
			name += one.len;
			one.len -= one.open;
			fn(s, &one);
		}
	}
}

static void count(struct pv_kinds *s, const struct skip *one)
{
	s->first[bucket(one->name) + 1]++;
}

static void put(struct pv_kinds *s, const struct skip *one)
{
	s->skip[s->first[bucket(one->name)]++] = *one;
}

struct pv_kinds *pv_kinds_new(void)
{
	struct pv_kinds counts = {.first = {0}}, *s;

	each(&counts, count);
	for (size_t i = 1; i < 257; i++)
		counts.first[i] += counts.first[i - 1];
	s = malloc(sizeof(*s) + counts.first[256] * sizeof(s->skip[0]));
	if (!s)
		abort();
	*s = counts;
	each(s, put); /* moves each start on to its end, which is the next one's start */
	memmove(s->first + 1, s->first, 256 * sizeof(s->first[0]));
	s->first[0] = 0;
	return s;
}

void pv_kinds_free(struct pv_kinds *s)
{
	free(s);
}

unsigned int pv_kinds_of(const struct pv_kinds *s, const char *func)
{
	unsigned char c = bucket(func);
	size_t len = strlen(func);
	unsigned int kinds = 0;

	if (!strncmp(func, "_R", 2) && (strstr(func, "begin_unwind") || strstr(func, "9panicking")))
		return R; /* Rust's, with its mangling */
	for (size_t i = s->first[c]; i < s->first[c + 1]; i++) {
		const struct skip *k = &s->skip[i];

		if (len >= k->len && (k->open || len == k->len) && !memcmp(func, k->name, k->len))
			kinds |= k->kind;
	}
	return kinds;
}
