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

/* Folders, and the files that are wanted, which go on like the prefix behind @scheme. Hidden ones
 * only when a dot is typed. */
void files_list(Source *source, const char *scheme, FilesWanted wanted);
