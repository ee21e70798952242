/*
 * See history.h. Main thread.
 *
 * Each line is appended at once, so that several programs and a crash lose
 * nothing; the file is written anew only when a session ends normally and the
 * file has become much longer than the list.
 */
#include "monitor/terminal/history.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <readline/history.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/fd.h"
#include "commands/hmp/hmp.h"

#define MAX_ENTRIES 1000
#define MAX_URIS    20

static char *path;          /* NULL: nothing is kept */
static unsigned file_lines; /* approximate number in the file */

/* Anything but a regular file (a device, a pipe) is not used, and opening it does not block. */
static bool is_our_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           fchmod(fd, 0600) == 0;
}

static char *find_path(void)
{
    const char *state = g_getenv("XDG_STATE_HOME");
    g_autofree char *folder = NULL;
    g_auto(MigFd) fd = -1;

    if (state != NULL && g_path_is_absolute(state)) {
        folder = g_build_filename(state, "migmon", NULL);
    } else {
        folder = g_build_filename(g_get_home_dir(), ".local", "state", "migmon", NULL);
    }
    if (g_mkdir_with_parents(folder, 0700) < 0) {
        return NULL;
    }
    g_autofree char *file = g_build_filename(folder, "history", NULL);

    fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0 || !is_our_file(fd)) {
        return NULL;
    }
    return g_steal_pointer(&file);
}

/* Takes older entries of the same text out of the list. */
static void drop_copies(const char *line)
{
    for (int i = history_length - 1; i >= 0; i--) {
        HIST_ENTRY *entry = history_get(history_base + i);

        if (entry != NULL && strcmp(entry->line, line) == 0) {
            entry = remove_history(i);
            free_history_entry(entry);
        }
    }
}

static void add_line(const char *line)
{
    drop_copies(line);
    add_history(line);
}

void history_open(void)
{
    g_autofree char *text = NULL;

    using_history();
    stifle_history(MAX_ENTRIES);
    path = find_path();
    if (path == NULL || !g_file_get_contents(path, &text, NULL, NULL)) {
        return;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (size_t i = 0; lines[i] != NULL; i++) {
        if (lines[i][0] != '\0') {
            add_line(lines[i]);
            file_lines++;
        }
    }
}

void history_remember(const char *typed)
{
    g_autofree char *line = g_strchomp(g_strdup(typed)); /* completion adds a blank */

    if (line[strspn(line, " \t")] == '\0' || hmp_is_secret(line)) {
        return;
    }
    add_line(line);
    if (path != NULL && append_history(1, path) == 0) {
        file_lines++;
    }
}

void history_close(void)
{
    if (path != NULL && file_lines > 2 * MAX_ENTRIES) {
        write_history(path);
        chmod(path, 0600);
    }
    g_clear_pointer(&path, g_free);
    clear_history();
}

/* The last word of a migrate or migrate_incoming line, if it looks like a URI. */
static char *uri_of(const char *line)
{
    g_auto(GStrv) words = NULL;
    unsigned count;

    if (!g_str_has_prefix(line, "migrate ") && !g_str_has_prefix(line, "migrate_incoming ")) {
        return NULL;
    }
    words = g_strsplit_set(line, " \t", -1);
    count = g_strv_length(words);
    while (count > 1 && words[count - 1][0] == '\0') {
        count--;
    }
    if (strchr(words[count - 1], ':') == NULL || strchr(words[count - 1], '"') != NULL) {
        return NULL;
    }
    return g_strdup(words[count - 1]);
}

char **history_uris(void)
{
    g_autoptr(GPtrArray) uris = g_ptr_array_new();

    for (int i = history_length - 1; i >= 0 && uris->len < MAX_URIS; i--) {
        HIST_ENTRY *entry = history_get(history_base + i);
        g_autofree char *uri = entry != NULL ? uri_of(entry->line) : NULL;

        if (uri != NULL && !g_ptr_array_find_with_equal_func(uris, uri, g_str_equal, NULL)) {
            g_ptr_array_add(uris, g_steal_pointer(&uri));
        }
    }
    g_ptr_array_add(uris, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&uris), FALSE);
}
