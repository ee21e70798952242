/*
 * Inherited descriptors: one list, filled before threads start. It is global because descriptors
 * belong to the process.
 */
#include "backend/base/inherited-fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "backend/base/error.h"

static GArray *inherited; /* int, not yet taken */

void inherited_fds_note(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    inherited = g_array_new(FALSE, FALSE, sizeof(int));
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);

        if (fd > 2 && fd != dirfd(dir)) {
            g_array_append_val(inherited, fd);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

int inherited_fd_take(const char *text, GError **error)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &number, NULL)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Invalid file descriptor number '%s'",
                    text);
        return -1;
    }
    for (guint i = 0; inherited != NULL && i < inherited->len; i++) {
        if ((guint64)g_array_index(inherited, int, i) == number) {
            g_array_remove_index_fast(inherited, i);
            fcntl((int)number, F_SETFD, FD_CLOEXEC);
            return (int)number;
        }
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "File descriptor %s was not passed to this process", text);
    mig_error_hint(error,
                   "pass one at the start (fd:7 with 7</some/file), or with getfd on a monitor");
    return -1;
}
