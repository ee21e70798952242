/*
 * The kernel's information about the process of a local monitor. A process in
 * another PID namespace is unknown and gives no text.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* "its process 17 has ended", "... is stopped", "... is alive"; "" for pid 0. Caller frees. */
char *peer_process_text(pid_t pid);

/* True when the process may register user pages for missing faults, which post-copy needs.
 * @knows_device: it tries /dev/userfaultfd too. False with the reason in *ret_why (caller frees),
 * which is NULL when it cannot be determined. */
bool peer_process_may_userfault(pid_t pid, bool knows_device, char **ret_why);
