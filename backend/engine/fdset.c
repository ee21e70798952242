/*
 * See fdset.h. One array in the order of arrival; rows with the same number are a set, so an empty
 * set does not exist. Main thread.
 */
#include "backend/engine/fdset.h"

#include <unistd.h>

typedef struct {
    int64_t id;
    int fd;
    char *opaque;
} Row;

struct FdSets {
    GArray *rows; /* Row */
};

static void clear_row(void *data)
{
    Row *row = data;

    close(row->fd);
    g_free(row->opaque);
}

FdSets *fdsets_new(void)
{
    FdSets *sets = g_new0(FdSets, 1);

    sets->rows = g_array_new(FALSE, FALSE, sizeof(Row));
    g_array_set_clear_func(sets->rows, clear_row);
    return sets;
}

void fdsets_free(FdSets *sets)
{
    if (sets != NULL) {
        g_array_unref(sets->rows);
        g_free(sets);
    }
}

static const Row *row_at(const FdSets *sets, guint i)
{
    return &g_array_index(sets->rows, Row, i);
}

static bool is_used(const FdSets *sets, int64_t id)
{
    for (guint i = 0; i < sets->rows->len; i++) {
        if (row_at(sets, i)->id == id) {
            return true;
        }
    }
    return false;
}

bool fdsets_add(FdSets *sets, int64_t id, int fd, const char *opaque, int64_t *ret_id)
{
    Row row = { id, fd, g_strdup(opaque) };

    if (sets->rows->len >= FDSETS_MAX) {
        g_free(row.opaque);
        return false;
    }
    if (id < 0) {
        for (row.id = 0; is_used(sets, row.id); row.id++) {}
    }
    g_array_append_val(sets->rows, row);
    *ret_id = row.id;
    return true;
}

bool fdsets_remove(FdSets *sets, int64_t id, int64_t fd)
{
    bool found = false;

    for (guint i = sets->rows->len; i-- > 0;) {
        const Row *row = row_at(sets, i);

        if (row->id == id && (fd < 0 || row->fd == fd)) {
            g_array_remove_index(sets->rows, i);
            found = true;
        }
    }
    return found;
}

static json_object *set_to_json(const FdSets *sets, int64_t id)
{
    json_object *set = json_object_new_object();
    json_object *fds = json_object_new_array();

    for (guint i = 0; i < sets->rows->len; i++) {
        const Row *row = row_at(sets, i);

        if (row->id == id) {
            json_object *fd = json_object_new_object();

            json_object_object_add(fd, "fd", json_object_new_int(row->fd));
            if (row->opaque != NULL) {
                json_object_object_add(fd, "opaque", json_object_new_string(row->opaque));
            }
            json_object_array_add(fds, fd);
        }
    }
    json_object_object_add(set, "fdset-id", json_object_new_int64(id));
    json_object_object_add(set, "fds", fds);
    return set;
}

/* Is row @i the first of its set? */
static bool begins_set(const FdSets *sets, guint i)
{
    for (guint before = 0; before < i; before++) {
        if (row_at(sets, before)->id == row_at(sets, i)->id) {
            return false;
        }
    }
    return true;
}

json_object *fdsets_to_json(const FdSets *sets)
{
    json_object *list = json_object_new_array();

    for (guint i = 0; i < sets->rows->len; i++) {
        if (begins_set(sets, i)) {
            json_object_array_add(list, set_to_json(sets, row_at(sets, i)->id));
        }
    }
    return list;
}
