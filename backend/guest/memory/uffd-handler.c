/*
 * See uffd-handler.h.
 *
 * Nothing but the end may stop the thread, since vCPUs wait for it: when poll() itself fails, the
 * userfaultfd, which does not block, is read again and again.
 */
#include "backend/guest/memory/uffd-handler.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "backend/base/fault.h"
#include "backend/base/fd.h"
#include "backend/base/prompt-thread.h"
#include "backend/base/wake-fd.h"
#include "backend/guest/memory/userfaultfd.h"

#define MESSAGES 32
/* Pause after a poll() that failed. */
#define REST_US 1000

struct UffdHandler {
    UffdFault fault;
    void *data;
    int uffd;
    int quit; /* ends the thread's poll() */
    GThread *thread;
    atomic_bool ended;
    _Atomic uint64_t batch; /* odd while faults are handled */
};

static void take_faults(UffdHandler *h)
{
    struct uffd_msg messages[MESSAGES];

    atomic_fetch_add(&h->batch, 1);
    ssize_t n = read(h->uffd, messages, sizeof messages);
    for (ssize_t i = 0; i < n / (ssize_t)sizeof messages[0]; i++) {
        if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
            h->fault(h->data, h->uffd, messages[i].arg.pagefault.address,
                     (int)messages[i].arg.pagefault.feat.ptid);
        }
    }
    atomic_fetch_add(&h->batch, 1);
}

static gpointer handler_main(gpointer data)
{
    UffdHandler *h = data;
    struct pollfd fds[] = {
        { .fd = h->uffd, .events = POLLIN },
        { .fd = h->quit, .events = POLLIN },
    };

    prompt_thread();
    while (!atomic_load(&h->ended)) {
        int n = poll(fds, G_N_ELEMENTS(fds), -1);

        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            g_usleep(REST_US);
        }
        if (n < 0 || fds[0].revents != 0) {
            take_faults(h);
        }
    }
    return NULL;
}

UffdHandler *uffd_handler_new(uint64_t features, const char *point, const char *name,
                              UffdFault fault, void *data, GError **error)
{
    g_auto(MigFd) uffd = uffd_open(features, error);

    if (uffd < 0) {
        return NULL;
    }
    g_auto(MigFd) quit = wake_fd_new(error);
    if (quit < 0) {
        return NULL;
    }
    UffdHandler *h = g_new0(UffdHandler, 1);
    h->fault = fault;
    h->data = data;
    h->uffd = uffd;
    h->quit = quit;
    h->thread = fault_thread_new(point, name, handler_main, h, error);
    if (h->thread == NULL) {
        g_free(h);
        return NULL;
    }
    mig_fd_steal(&uffd);
    mig_fd_steal(&quit);
    return h;
}

int uffd_handler_fd(const UffdHandler *h)
{
    return h->uffd;
}

void uffd_handler_settle(const UffdHandler *h)
{
    uint64_t batch = atomic_load(&h->batch);

    while (batch % 2 != 0 && atomic_load(&h->batch) == batch) {
        g_thread_yield();
    }
}

void uffd_handler_free(UffdHandler *h)
{
    if (h == NULL) {
        return;
    }
    atomic_store(&h->ended, true);
    wake_fd_signal(h->quit);
    g_thread_join(h->thread);
    close(h->uffd);
    close(h->quit);
    g_free(h);
}
