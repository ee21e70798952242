/*
 * The parts of migrate_to: move.c runs the steps, plan.c decides which
 * settings change at which side.
 */
#pragma once

#include "backend/attach/attach-internal.h"

typedef struct {
    Managed *managed;
    BackendReply *reply;
    char *uri;      /* NULL = the one where the destination listens */
    bool listens;   /* the destination listens already */
    Steps *looked;  /* replies of the first queries; set while they are read */
    Restore plan;   /* the settings to change; lists and objects, never NULL once made */
    Restore before; /* the values that the plan replaces; NULL = nothing */
    GError *error;  /* the error of the command, reported after restoring */
} Move;

/* Fills move->plan and move->before. Fails when one side cannot do what is needed. */
bool plan_make(Move *move, GError **error);

/* Recovers a paused postcopy. @uri: NULL = where the migration went. */
void move_recover(Managed *m, const char *uri, BackendReply *reply);

/* Arguments for migrate or migrate-incoming at @side. Caller puts; NULL with an error. */
json_object *move_address(Managed *m, Side side, const char *command, const char *uri,
                          GError **error);
/* The URI of the destination with the port that the kernel chose, taken from its socket-address.
 * Caller frees. */
char *move_resolve_uri(const char *uri, json_object *info);
