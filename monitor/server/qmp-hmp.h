/*
 * human-monitor-command: runs one HMP line and returns its output as one text. Main thread.
 */
#pragma once

#include <stdbool.h>

#include "backend/backend.h"

typedef struct QmpHmp QmpHmp;

/* Uses the client's session, so that a line can name descriptors of its getfd. */
QmpHmp *qmp_hmp_new(Backend *backend, BackendSession *session);
/* Abandons a running line: its @done is not called. */
void qmp_hmp_free(QmpHmp *hmp);

/* One line at a time. @done gets the output with \r\n at line ends; it may come before this
 * returns. */
void qmp_hmp_run(QmpHmp *hmp, const char *line, void (*done)(const char *text, void *data),
                 void *data);
bool qmp_hmp_is_busy(const QmpHmp *hmp);
