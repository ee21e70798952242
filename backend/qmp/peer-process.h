/*
 * What the kernel says about the process behind a local monitor. A process of
 * another PID namespace is not known, and nothing is said then.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* "its process 17 has ended", "... is stopped", "... is alive"; "" for pid 0. Caller frees. */
char *peer_process_text(pid_t pid);

/* May it register user pages for missing faults (what post-copy needs)? @knows_device: it tries
 * /dev/userfaultfd, too. False with the reason in
 * *ret_why (caller frees), NULL when it cannot be known. */
bool peer_process_may_userfault(pid_t pid, bool knows_device, char **ret_why);
