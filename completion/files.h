/*
 * File names as candidates of a URI.
 */
#pragma once

#include "completion/sources.h"

typedef enum {
    FILES_ANY,     /* everything but sockets */
    FILES_DATA,    /* the same; an offset may follow */
    FILES_SOCKETS, /* sockets only */
} FilesWanted;

/* Adds folders, and files of the wanted kind, that begin with the typed path after @scheme.
 * Hidden ones only after a typed dot. */
void files_list(Source *source, const char *scheme, FilesWanted wanted);
