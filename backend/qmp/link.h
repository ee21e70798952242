/*
 * A connection to a QMP monitor: greeting, negotiation, requests with ids,
 * events, and reconnecting after a loss. Main thread.
 *
 * One in-band request is in flight, the others wait in order; out-of-band
 * requests overtake them if the monitor supports it. Every request gets an
 * answer: the monitor's, or an error when the monitor has been silent for too
 * long or the connection is lost. The link still waits for the reply to a
 * request that was given up, and refuses further requests until it comes.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct QmpLink QmpLink;

typedef struct {
    unsigned connect_ms; /* limit for connecting and negotiation */
    unsigned answer_ms;  /* limit for the answer to a request */
} QmpLinkTimes;

typedef struct {
    /* Negotiation has succeeded, initially or after a loss. */
    void (*up)(json_object *greeting, void *data);
    /* The first attempt failed (no further attempt is made), or the connection is lost (attempts
     * follow until it is up again or freed). */
    void (*down)(const GError *error, void *data);
    void (*event)(const char *name, json_object *event_data, int64_t time_us, void *data);
    /* The monitor has not answered @command in time; it has answered again after @ms. */
    void (*silent)(const char *command, unsigned ms, void *data);
    void (*answers)(const char *command, unsigned ms, void *data);
} QmpLinkCallbacks;

/* Begins to connect. All callbacks come from the main loop. NULL with an error when @address is not
 * the address of a monitor. */
QmpLink *qmp_link_new(const char *address, const QmpLinkTimes *times,
                      const QmpLinkCallbacks *callbacks, void *data, GError **error);
/* May be called from a callback. Unanswered requests get an error first. */
void qmp_link_free(QmpLink *link);

/* Sets the name of the other end in messages; initially the address. */
void qmp_link_set_name(QmpLink *link, const char *name);
const char *qmp_link_address(const QmpLink *link); /* as a URI */

bool qmp_link_is_up(const QmpLink *link);
/* Milliseconds since the request in flight was sent, if it is overdue, else 0. */
unsigned qmp_link_silent_ms(const QmpLink *link);
/* True when the monitor supports out-of-band requests. */
bool qmp_link_has_oob(const QmpLink *link);
/* The listening process, if the kernel reports it; 0 = not known. */
pid_t qmp_link_pid(const QmpLink *link);
bool qmp_link_is_local(const QmpLink *link);
/* Number of requests sent by this link. */
uint64_t qmp_link_sent(const QmpLink *link);

/* Exactly one of @value and @error is valid; both are borrowed. */
typedef void (*QmpLinkDone)(json_object *value, const GError *error, void *data);

/* @arguments: a reference is taken; NULL = none. @fd is sent with the request (-1 = none) and
 * closed. @oob is ignored if the monitor does not support it. @done is called once, never from
 * inside this call. */
void qmp_link_send(QmpLink *link, const char *command, json_object *arguments, bool oob, int fd,
                   QmpLinkDone done, void *data);
