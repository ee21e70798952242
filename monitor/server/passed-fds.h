/*
 * Descriptors that come over a socket beside its bytes (SCM_RIGHTS), kept in
 * the order they came until somebody asks. All zero is empty.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* More than these are closed on arrival: who passes descriptors and never asks gets no others. */
#define PASSED_FDS_MAX 16

typedef struct {
    int fds[PASSED_FDS_MAX];
    unsigned count;
} PassedFds;

/* As recv(2) without waiting; keeps descriptors that came along, close-on-exec. */
ssize_t passed_fds_receive(PassedFds *passed, int socket, void *bytes, size_t size);

/* The oldest, now the caller's; -1 when there is none. */
int passed_fds_take(PassedFds *passed);

void passed_fds_clear(PassedFds *passed);
