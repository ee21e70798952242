/*
 * Descriptors received over a socket (SCM_RIGHTS), kept in order until they are
 * taken. All zero is empty.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Limit of kept descriptors; more are closed on arrival. */
#define PASSED_FDS_MAX 16

typedef struct {
    int fds[PASSED_FDS_MAX];
    unsigned count;
} PassedFds;

/* Like recv(2) without waiting; keeps received descriptors, close-on-exec. */
ssize_t passed_fds_receive(PassedFds *passed, int socket, void *bytes, size_t size);

/* The oldest descriptor, which the caller closes; -1 when there is none. */
int passed_fds_take(PassedFds *passed);

void passed_fds_clear(PassedFds *passed);
