/*
 * Tells when the process goes on after it was stopped. One a process. Main thread.
 */
#pragma once

/* SIGTSTP is ignored from here on: stopping the process would stop the guest. @resumed comes from
 * the main loop after SIGCONT. */
void resume_watch_begin(void (*resumed)(void *data), void *data);
void resume_watch_end(void);
