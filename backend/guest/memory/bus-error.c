/*
 * See bus-error.h. The handler only reads what was prepared, and calls write() and sigaction().
 */
#include "backend/guest/memory/bus-error.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define TEXT_SIZE 1024

static _Atomic(const RamBlock *) explained;
static char text[TEXT_SIZE];
static struct sigaction before;

static bool is_in(const void *address, const uint8_t *from, uint64_t size)
{
    return (uintptr_t)address - (uintptr_t)from < size;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const RamBlock *block = atomic_load(&explained);

    (void)context;
    if (block != NULL && info->si_code > 0 &&
        (is_in(info->si_addr, block->guest, block->size) ||
         is_in(info->si_addr, block->host, block->size))) {
        ssize_t n = write(STDERR_FILENO, text, strlen(text));

        (void)n;
    }
    sigaction(number, &before, NULL);
    if (info->si_code <= 0) {
        raise(number); /* another process has sent it */
    }
    /* Else the access is repeated, and so is the signal. */
}

void bus_error_explain(const RamBlock *block)
{
    struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
    struct sigaction found;

    g_snprintf(
        text, sizeof text,
        "migmon: no room for a page of the RAM file '%s': its file system is full, or the file "
        "was cut. The guest is lost. Make room, or put the file elsewhere; --prealloc takes all of "
        "it at the start\n",
        block->path);
    atomic_store(&explained, block);
    sigaction(SIGBUS, NULL, &found);
    if ((found.sa_flags & SA_SIGINFO) == 0 || found.sa_sigaction != on_bus_error) {
        sigaction(SIGBUS, &action, &before);
    }
}

void bus_error_forget(const RamBlock *block)
{
    atomic_compare_exchange_strong(&explained, &block, NULL);
}
