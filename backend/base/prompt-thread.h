/*
 * For a thread that does little work and that other threads wait for: requests short time slices,
 * so that it runs as soon as it is woken (Linux 6.12 and later; no effect elsewhere). Needs no
 * permission and takes no time from other threads.
 */
#pragma once

/* Applies to the calling thread. */
void prompt_thread(void);
