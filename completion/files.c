/*
 * Completion of file names: reads one folder, the one in the typed path. A
 * folder ends in '/', so that typing can continue.
 */
#include "completion/files.h"

#include <string.h>
#include <sys/stat.h>

#include "backend/base/size.h"

static void add_folder(Source *source, const char *value)
{
    g_autofree char *text = g_strconcat(value, "/", NULL);

    source_add(source, text, "folder", false);
}

static void add_file(Source *source, const char *value, const char *path, FilesWanted wanted)
{
    g_autofree char *note = NULL;
    struct stat st;

    if (stat(path, &st) < 0) {
        return; /* it was deleted, or it is a dangling link */
    }
    if (S_ISDIR(st.st_mode)) {
        add_folder(source, value);
    } else if (S_ISSOCK(st.st_mode) != (wanted == FILES_SOCKETS)) {
        return;
    } else if (S_ISSOCK(st.st_mode)) {
        source_add(source, value, "socket", true);
    } else {
        g_autofree char *size = size_format((uint64_t)st.st_size);

        note = g_strconcat(size, wanted == FILES_DATA ? "; ,offset=N may follow" : "", NULL);
        source_add(source, value, note, true);
    }
}

void files_list(Source *source, const char *scheme, FilesWanted wanted)
{
    const char *typed = source->prefix + strlen(scheme);
    const char *slash = strrchr(typed, '/');
    size_t length = slash ? (size_t)(slash - typed) + 1 : 0;
    g_autofree char *folder = g_strndup(typed, length);
    g_autoptr(GDir) dir = g_dir_open(length > 0 ? folder : ".", 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (!g_str_has_prefix(name, typed + length) || (*name == '.' && typed[length] != '.')) {
            continue;
        }

        g_autofree char *path = g_strconcat(length > 0 ? folder : "./", name, NULL);
        g_autofree char *value = g_strconcat(scheme, folder, name, NULL);
        add_file(source, value, path, wanted);
    }
}
