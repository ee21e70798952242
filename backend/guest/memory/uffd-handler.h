/*
 * A userfaultfd and the thread that answers its page faults. Private to backend/guest/.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct UffdHandler UffdHandler;

/* A thread of the guest waits for the page at @address, on the handler's thread. @thread_id: of the
 * waiting thread, if the userfaultfd reports it. */
typedef void (*UffdFault)(void *data, int uffd, uint64_t address, int thread_id);

/* Opens a userfaultfd with @features and starts the thread @name; @point is its fault point
 * (fault_thread_new()). NULL with an error. Nothing is registered yet. */
UffdHandler *uffd_handler_new(uint64_t features, const char *point, const char *name,
                              UffdFault fault, void *data, GError **error);

/* The userfaultfd, for registering and mapping; owned by the handler. */
int uffd_handler_fd(const UffdHandler *handler);

/* Returns when every fault that was read before the call is handled. The batches of the handler are
 * short and never wait, so this wait is short. */
void uffd_handler_settle(const UffdHandler *handler);

/* Ends the thread and closes the userfaultfd. All its ranges must be unregistered before: until
 * then a thread of the guest could wait. NULL is allowed. */
void uffd_handler_free(UffdHandler *handler);
