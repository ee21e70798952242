/*
 * The parts of migrate_to: move.c runs it, plan.c decides what is set where.
 */
#pragma once

#include "backend/attach/attach-internal.h"

typedef struct {
    Managed *managed;
    BackendReply *reply;
    char *uri;      /* NULL = where the destination listens */
    bool listens;   /* it does already */
    Steps *looked;  /* replies of the first questions, while they are read */
    Restore plan;   /* what is to be set; lists and objects, never NULL once made */
    Restore before; /* what that replaces; NULL = nothing */
    GError *error;  /* with which it ends after putting things back */
} Move;

/* Fills move->plan and move->before. Refuses what one side cannot do. */
bool plan_make(Move *move, GError **error);

/* Arguments for migrate and migrate-incoming at @side. Caller puts; NULL with an error. */
json_object *move_address(Managed *m, Side side, const char *command, const char *uri,
                          GError **error);
