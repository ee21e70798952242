/*
 * The objects of --object.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"

/* Makes each object, as object_add does, before the main loop runs. @hints gets sentences for the
 * operator, each with a newline. False with the error of the first one that cannot be made. */
bool objects_make(Backend *backend, char **objects, GString *hints, GError **error);
