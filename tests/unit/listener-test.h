/*
 * What the tests of listeners and connectors share: a listener whose callbacks
 * write down what they saw, and connections made from a thread of their own.
 */
#pragma once

#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/transport/transport.h"
#include "tests/unit/patience.h"

extern char *directory;

char *path_of(const char *name);
Address *parse(const char *uri);

/* ---- what the callbacks saw ---- */

typedef struct {
    bool ready;
    char *error;          /* of ready, first line */
    Transport *transport; /* the latest channel */
    ChannelType type;     /* of it */
    unsigned channels;
    GPtrArray *notices;
    Listener *listener;
    bool free_in_ready, free_in_channel, free_in_notice;
} Seen;

void free_listener(Seen *seen);
void start_listening(Seen *seen, const Address *address, int fd);
void stop_listening(Seen *seen);
void run_what_is_due(void);

/* A listener that must work. */
void listen_at(Seen *seen, const Address *address);

void listen_uri(Seen *seen, const char *uri);
const Address *bound(const Seen *seen, guint i);

/* ---- connecting ---- */

typedef struct {
    Connector *connector;
    Transport *transport;
    GError *error;
    GThread *thread;
} Opening;

void start_opening(Opening *opening, const Address *address);
void join_opening(Opening *opening);
Transport *connect_to(const Address *address);
void say(Transport *t, const char *text);
void assert_reads(Transport *t, const char *text);

/* A connection to @address becomes a channel whose bytes are all there. */
void assert_channel(Seen *seen, const Address *address);

int make_directory(void **state);
int remove_directory(void **state);
