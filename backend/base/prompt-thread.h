/*
 * A thread that does little and that somebody waits for: it asks the scheduler for short turns, so
 * that it runs as soon as it is woken (Linux 6.12 and later; nothing happens elsewhere). Needs no
 * permission and takes nobody's share.
 */
#pragma once

/* For the calling thread. */
void prompt_thread(void);
