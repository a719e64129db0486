/* Signals, see signals.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "exits.h"
#include "fail.h"
#include "fs_dax.h"
#include "signals.h"
#include "term.h"
#include "vanish.h"

/*
 * After this time the clock looks once whether all vCPUs have halted with
 * interrupts off: with the local APIC in KVM that is no exit, and the VM would
 * hang in silence. Once, because an idle VM must stay idle.
 */
#define WATCH_MS   1000
#define CONFIRM_MS 50
#define GRACE_MS   500

/* What handlers leave for vCPU 0's thread. */
static atomic_int end_signal; /* SIGINT or SIGTERM came, and is not yet served */
static atomic_bool resized, alarmed, spent;
/* What the guest fetches through EXIT_PORT. */
static atomic_uint guest_signal;

static atomic_uint ends; /* how many SIGINT and SIGTERM have come */
static atomic_bool leaving;
static atomic_uint watch_round;
static atomic_uint spent_round;
static uint64_t deadline_ms; /* --timeout, CLOCK_MONOTONIC; 0: none */
static struct kvm_run *main_run;
static __thread struct kvm_run *thread_run;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void set_alarm(uint64_t ms)
{
	const struct itimerval in = { .it_value = { .tv_sec = (time_t)(ms / 1000),
						    .tv_usec = (long)(ms % 1000) * 1000 } };

	setitimer(ITIMER_REAL, &in, NULL);
}

/* ---- handlers */

/* The second SIGINT or SIGTERM doesn't wait for anybody. */
static void on_end(int number)
{
	if (atomic_fetch_add(&ends, 1) > 0 || atomic_load(&leaving)) {
		term_restore();
		_exit(128 + number);
	}
	atomic_store(&end_signal, number);
	main_run->immediate_exit = 1;
}

static void on_winch(int number)
{
	(void)number;
	atomic_store(&resized, true);
	main_run->immediate_exit = 1;
}

/*
 * Past the deadline the VM gets a little time to end in order. When it does
 * not, because somebody does not read its output, it ends here.
 */
static void on_alarm(int number)
{
	static const char late[] = "vmm: ended by --timeout while output was waiting for its "
				   "reader\n";
	static atomic_bool grace;

	(void)number;
	if (deadline_ms && now_ms() >= deadline_ms) {
		if (atomic_exchange(&grace, true)) {
			term_restore();
			if (write(STDERR_FILENO, late, sizeof(late) - 1) < 0)
				_exit(EXIT_TIMEOUT);
			_exit(EXIT_TIMEOUT);
		}
		set_alarm(GRACE_MS);
	}
	atomic_store(&alarmed, true);
	main_run->immediate_exit = 1;
}

static void on_spent(int number)
{
	(void)number;
	atomic_store(&spent, true);
	main_run->immediate_exit = 1;
}

static void on_kick(int number)
{
	(void)number;
	if (thread_run)
		thread_run->immediate_exit = 1;
}

/* Ends as if there were no handler (SA_RESETHAND), but with a sane terminal. */
static void on_fatal(int number)
{
	static const char bus[] = "vmm: a file that the VM uses became shorter: run it again, and "
				  "replace such files instead of overwriting them\n";

	term_restore();
	if (number == SIGBUS) {
		if (write(STDERR_FILENO, bus, sizeof(bus) - 1) < 0)
			_exit(EXIT_VMM);
		_exit(EXIT_VMM);
	}
	raise(number);
}

/* A file of a share became shorter while a device read it: it reads zeroes. */
static void on_bus(int number, siginfo_t *info, void *context)
{
	const int error = errno;

	(void)context;
	if (!dax_mend_at(info->si_addr))
		on_fatal(number);
	errno = error;
}

static void on_stop(int number)
{
	(void)number;
	term_restore();
	raise(SIGSTOP); /* returns after SIGCONT */
}

static void on_continue(int number)
{
	int error = errno;

	(void)number;
	term_resume();
	errno = error;
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(number, &action, NULL);
}

/* A signal that is ignored from the start (nohup, a background job) stays so. */
static void handle_unless_ignored(int number, void (*handler)(int), int flags)
{
	struct sigaction old;

	sigaction(number, NULL, &old);
	if (old.sa_handler != SIG_IGN)
		handle(number, handler, flags);
}

void signals_start(struct vm *vm)
{
	static const int fatal[] = { SIGQUIT, SIGSEGV, SIGILL, SIGFPE, SIGABRT };
	static const struct itimerval every_second = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	const struct sigaction bus = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	const uint64_t timeout = vm->opt->timeout_ms;

	main_run = vm->vcpu[0].run;
	handle_unless_ignored(SIGINT, on_end, SA_RESTART);
	handle_unless_ignored(SIGHUP, on_fatal, SA_RESETHAND | SA_NODEFER);
	handle(SIGTERM, on_end, SA_RESTART);
	handle(SIGWINCH, on_winch, SA_RESTART);
	handle(SIGALRM, on_alarm, SA_RESTART);
	handle(SIGPROF, on_spent, SA_RESTART);
	handle_unless_ignored(SIGTSTP, on_stop, SA_RESTART);
	handle(SIGCONT, on_continue, SA_RESTART);
	handle(SIGPIPE, SIG_IGN, 0);
	if (vm->opt->cpus > 1)
		handle(SIGNAL_KICK, on_kick, SA_RESTART);
	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		handle(fatal[i], on_fatal, SA_RESETHAND | SA_NODEFER);
	sigaction(SIGBUS, &bus, NULL);
	if (timeout)
		deadline_ms = now_ms() + timeout;
	set_alarm(timeout && timeout < WATCH_MS ? timeout : WATCH_MS);
	setitimer(ITIMER_PROF, &every_second, NULL);
}

/* Not SIGSEGV and its like: blocked, they would kill without a handler. */
void signals_block(void)
{
	static const int ours[] = { SIGINT,   SIGTERM, SIGHUP,  SIGQUIT, SIGALRM,
				    SIGWINCH, SIGTSTP, SIGCONT, SIGPROF };
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void signals_attach(struct vcpu *vcpu)
{
	thread_run = vcpu->run;
}

void signals_leaving(void)
{
	atomic_store(&leaving, true);
}

uint32_t signals_fetch(void)
{
	return atomic_exchange(&guest_signal, 0);
}

/* ---- the watch for VMs that have halted for ever */

/* Whether this vCPU waits for what nobody will send: halted with interrupts
 * off, or never started. In its thread, after KVM_RUN. */
static bool is_stuck(const struct vcpu *vcpu)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp) < 0)
		return false;
	return mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
	       (mp.mp_state == KVM_MP_STATE_HALTED && !vcpu->run->if_flag);
}

/*
 * Each vCPU notes that it is stuck. When all are, they are asked once more
 * (if there are several), as one may have started another after its own look.
 */
static void watch(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;
	const unsigned round = atomic_load(&watch_round);

	if (round == 0 || !is_stuck(vcpu))
		return;
	atomic_store(&vcpu->stuck_round, round);
	for (unsigned i = 0; i < vm->opt->cpus; i++)
		if ((i == 0 || atomic_load(&vm->vcpu[i].started)) &&
		    atomic_load(&vm->vcpu[i].stuck_round) != round)
			return;
	if (vm->opt->cpus > 1 && round == 1) {
		set_alarm(CONFIRM_MS);
		return;
	}
	vm_fail(vcpu->vm, EXIT_VMM,
		"the guest has halted for ever: interrupts are off at instruction %#llx of vCPU %u",
		(unsigned long long)exit_rip(vcpu), vcpu->id);
}

static void kick_others(struct vm *vm)
{
	for (unsigned i = 1; i < vm->opt->cpus; i++)
		if (atomic_load(&vm->vcpu[i].started))
			pthread_kill(vm->vcpu[i].thread, SIGNAL_KICK);
}

/* ---- in vCPU 0's thread */

static void begin_watch(struct vm *vm)
{
	atomic_fetch_add(&watch_round, 1);
	kick_others(vm);
}

/* A second of CPU time was spent: is it well spent (vanish.h)? */
static void serve_spent(struct vm *vm)
{
	atomic_fetch_add(&spent_round, 1);
	kick_others(vm);
}

static void serve_alarm(struct vm *vm)
{
	uint64_t now = now_ms();

	if (deadline_ms && now >= deadline_ms)
		vm_fail(vm, EXIT_TIMEOUT, "ended after %llu.%03llu seconds (--timeout)",
			(unsigned long long)vm->opt->timeout_ms / 1000,
			(unsigned long long)vm->opt->timeout_ms % 1000);
	if (deadline_ms)
		set_alarm(deadline_ms - now);
	begin_watch(vm);
}

/* The guest shuts down by itself, if it has come so far that it can. */
static void serve_end(struct vm *vm, int number)
{
	const struct boot_record *record = mem_at(&vm->mem, BOOT_RECORD_GPA, sizeof(*record));
	const volatile uint64_t *entered = &record->libos_entry;

	if (!vm->own_guest || *entered == 0)
		vm_exit(vm, 128 + number);
	atomic_store(&guest_signal, (unsigned)number);
	vm_raise(vm, VECTOR_SIGNAL);
}

void signals_serve(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	int number;

	if (vcpu->id == 0) {
		if (atomic_exchange(&alarmed, false))
			serve_alarm(vm);
		if (atomic_exchange(&resized, false))
			term_winch(vm);
		if (atomic_exchange(&spent, false))
			serve_spent(vm);
		number = atomic_exchange(&end_signal, 0);
		if (number)
			serve_end(vm, number);
	}
	watch(vcpu);
	if (atomic_load(&spent_round) != vcpu->spent_round) {
		vcpu->spent_round = atomic_load(&spent_round);
		vanish_look(vcpu);
	}
}
