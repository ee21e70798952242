/*
 * The inside of a peer: peer.c sends requests and polls, peer-replies.c stores the content of
 * replies.
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
    unsigned question; /* index in first_questions of the request in flight */
    PeerSchema *schema;
    char *name, *uuid, *run_state, *status;
    json_object *info, *parameters;
    GHashTable *capabilities; /* names of the enabled ones */
    bool events_on;
    unsigned differs; /* consecutive replies with a status that no event announced */
    int64_t seen_us;  /* time of the last reply of query-migrate */
    guint poll;
    GQueue refused; /* requests that are not sent; their errors are reported from the main loop */
    guint refusing;
    bool polling;
    bool asks_status;
};

void peer_set_text(char **place, const char *text);
/* Stores the content of a reply. False when the reply to @command says nothing of the state. */
bool peer_note_reply(QmpPeer *peer, const char *command, json_object *arguments,
                     json_object *value);
bool peer_is_running(const char *status);
void peer_note_version(QmpPeer *peer, json_object *version);
