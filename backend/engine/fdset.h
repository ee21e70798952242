/*
 * Sets of descriptors that clients store here (add-fd). They belong to the program, not to the
 * client: one client may add a descriptor and another remove it. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Limit for the descriptors in all sets together. */
#define FDSETS_MAX 128

typedef struct FdSets FdSets;

FdSets *fdsets_new(void);
/* Closes all of them. */
void fdsets_free(FdSets *sets);

/* Takes @fd over on success. @id < 0: the lowest unused set. @opaque may be NULL. False when
 * FDSETS_MAX descriptors are stored already. */
bool fdsets_add(FdSets *sets, int64_t id, int fd, const char *opaque, int64_t *ret_id);

/* Closes @fd of set @id, or all of the set with @fd < 0. False when there is none. */
bool fdsets_remove(FdSets *sets, int64_t id, int64_t fd);

/* query-fdsets; caller puts. */
json_object *fdsets_to_json(const FdSets *sets);
