/*
 * A connection to a QMP monitor: greeting, negotiation, requests with ids,
 * events, and the way back after it was lost. Main thread.
 *
 * One in-band request is in flight, the others wait in order; out-of-band ones
 * pass them where the monitor has that. Every request gets its answer: the
 * monitor's, or an error once it has been silent for too long or is gone. The
 * reply to a request that was given up is still awaited, and until it comes
 * further requests are refused at once.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct QmpLink QmpLink;

typedef struct {
    unsigned connect_ms; /* until the negotiation is over */
    unsigned answer_ms;  /* until a request counts as not answered */
} QmpLinkTimes;

typedef struct {
    /* Negotiated, the first time or again. */
    void (*up)(json_object *greeting, void *data);
    /* It could not be reached (the first time; no further attempt is made), or is lost (attempts
     * follow until it is up again or freed). */
    void (*down)(const GError *error, void *data);
    void (*event)(const char *name, json_object *event_data, int64_t time_us, void *data);
    /* It has begun not to answer @command, and has answered again after @ms. */
    void (*silent)(const char *command, unsigned ms, void *data);
    void (*answers)(const char *command, unsigned ms, void *data);
} QmpLinkCallbacks;

/* Begins to connect. All callbacks come from the main loop. NULL with an error for a text that is
 * no address of a monitor. */
QmpLink *qmp_link_new(const char *address, const QmpLinkTimes *times,
                      const QmpLinkCallbacks *callbacks, void *data, GError **error);
/* May be called from a callback. Requests that are unanswered get an error first. */
void qmp_link_free(QmpLink *link);

/* How messages call the other end; the address until something better is known. */
void qmp_link_set_name(QmpLink *link, const char *name);
const char *qmp_link_name(const QmpLink *link);
const char *qmp_link_address(const QmpLink *link); /* as a URI */

bool qmp_link_is_up(const QmpLink *link);
/* Milliseconds since the request in flight was sent when that is too long ago, else 0. */
unsigned qmp_link_silent_ms(const QmpLink *link);
/* The monitor runs requests out of band. */
bool qmp_link_has_oob(const QmpLink *link);
/* The process that listens, where the kernel knows it; 0 = not known. */
pid_t qmp_link_pid(const QmpLink *link);
bool qmp_link_is_local(const QmpLink *link);
/* Requests sent since it was made. */
uint64_t qmp_link_sent(const QmpLink *link);

/* Exactly one of both is set; @value is borrowed. */
typedef void (*QmpLinkDone)(json_object *value, const GError *error, void *data);

/* @arguments: a reference is taken; NULL = none. @fd goes with it (-1 = none) and is closed. @oob
 * is ignored where the monitor has none. @done comes once, never from inside this call. */
void qmp_link_send(QmpLink *link, const char *command, json_object *arguments, bool oob, int fd,
                   QmpLinkDone done, void *data);
