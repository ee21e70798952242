/*
 * A running QEMU from inside: peer.c asks and looks, peer-replies.c keeps what the replies say.
 */
#pragma once

#include "backend/qmp/peer.h"

struct QmpPeer {
    unsigned refs;
    QmpLink *link;
    char *side, *title, *version;
    unsigned version_number;
    bool observe;
    const QmpPeerCallbacks *callbacks;
    void *data;
    bool freed;
    bool told_ready;
    bool was_lost;
    unsigned question; /* of first_questions, in flight */
    PeerSchema *schema;
    char *name, *uuid, *run_state, *status;
    json_object *info, *parameters;
    GHashTable *capabilities; /* names of those that are on */
    bool events_on;
    unsigned differs; /* looks in a row whose status no event has told */
    int64_t seen_us;  /* the last reply of query-migrate */
    guint poll;
    GQueue refused; /* requests that are not sent; their errors go out soon */
    guint refusing;
    bool polling;
    bool asks_status;
};

void peer_set_text(char **place, const char *text);
/* Keeps what a reply says. */
void peer_note_reply(QmpPeer *peer, const char *command, json_object *arguments,
                     json_object *value);
bool peer_is_running(const char *status);
void peer_note_version(QmpPeer *peer, json_object *version);
void peer_schedule_poll(QmpPeer *peer);
