/*
 * See script.h. Main thread.
 *
 * A source buffers at most one chunk beyond the current line, so that reading
 * stays close to execution.
 */
#include "monitor/script.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"

#define CHUNK (16u << 10)

typedef struct {
    char *command; /* -c: the only line; else NULL */
    char *name;
    int fd;
    bool own_fd;
    bool regular; /* a regular file: reading never blocks */
    bool eof;
    unsigned depth;  /* of nested files */
    unsigned number; /* of the last line, or of the command among the -c commands */
    GByteArray *bytes;
    size_t head;
} Source;

struct Script {
    GQueue sources;
    unsigned n_commands;
    unsigned depth; /* of the source of the last line */
    guint watch;
    void (*ready)(void *data);
    void *data;
};

static void source_free(Source *source)
{
    if (source->own_fd) {
        close(source->fd);
    }
    g_byte_array_unref(source->bytes);
    g_free(source->command);
    g_free(source->name);
    g_free(source);
}

static Source *add_source(Script *script, const char *name, int fd)
{
    Source *source = g_new0(Source, 1);

    source->name = g_strdup(name);
    source->fd = fd;
    source->bytes = g_byte_array_new();
    g_queue_push_tail(&script->sources, source);
    return source;
}

Script *script_new(void)
{
    Script *script = g_new0(Script, 1);

    g_queue_init(&script->sources);
    return script;
}

void script_free(Script *script)
{
    if (script == NULL) {
        return;
    }
    if (script->watch != 0) {
        g_source_remove(script->watch);
    }
    g_queue_clear_full(&script->sources, (GDestroyNotify)source_free);
    g_free(script);
}

void script_add_command(Script *script, const char *line)
{
    Source *source = add_source(script, "-c", -1);

    source->command = g_strdup(line);
    source->number = ++script->n_commands;
}

static bool is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

void script_add_fd(Script *script, int fd, const char *name)
{
    Source *source = add_source(script, name, fd);

    source->regular = is_regular(fd);
}

/* Non-blocking, because opening a pipe without a writer would block; -1 with an error. */
static int open_file(const char *path, GError **error)
{
    g_auto(MigFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        mig_error_set_errno(error, errno, "Could not open '%s'", path);
        return -1;
    }
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        mig_error_set_errno(error, EISDIR, "Could not read '%s'", path);
        return -1;
    }
    return mig_fd_steal(&fd);
}

bool script_add_file(Script *script, const char *path, GError **error)
{
    int fd = open_file(path, error);

    if (fd >= 0) {
        script_add_fd(script, fd, path);
        ((Source *)script->sources.tail->data)->own_fd = true;
    }
    return fd >= 0;
}

bool script_insert_file(Script *script, const char *path, GError **error)
{
    Source *source;

    if (script->depth >= SCRIPT_MAX_DEPTH) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "files are nested deeper than %d",
                    SCRIPT_MAX_DEPTH);
        return false;
    }
    if (!script_add_file(script, path, error)) {
        return false;
    }
    source = g_queue_pop_tail(&script->sources);
    source->depth = script->depth + 1;
    g_queue_push_head(&script->sources, source);
    return true;
}

/* One read(); false when it failed. */
static bool fill(Source *source, GError **error)
{
    unsigned old = source->bytes->len;
    ssize_t n;

    g_byte_array_set_size(source->bytes, old + CHUNK);
    do {
        n = read(source->fd, source->bytes->data + old, CHUNK);
    } while (n < 0 && errno == EINTR);
    g_byte_array_set_size(source->bytes, old + (n > 0 ? (unsigned)n : 0));
    if (n < 0 && errno != EAGAIN) {
        mig_error_set_errno(error, errno, "Could not read");
        return false;
    }
    source->eof = n == 0;
    return true;
}

/* A complete line of the buffer, or the rest at the end of the file; NULL without one. */
static char *cut_line(Source *source, GError **error)
{
    size_t size = source->bytes->len - source->head;
    /* An empty array has no data to point into. */
    const char *start = size > 0 ? (const char *)source->bytes->data + source->head : "";
    const char *newline = size > 0 ? memchr(start, '\n', size) : NULL;
    size_t length = newline != NULL ? (size_t)(newline - start) : size;
    size_t text_length = length;
    char *line;

    if (length > SCRIPT_MAX_LINE + 1) {
        source->number++;
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "line is longer than %d bytes",
                    SCRIPT_MAX_LINE);
        return NULL;
    }
    if (newline == NULL && !(source->eof && size > 0)) {
        return NULL;
    }
    source->number++;
    if (text_length > 0 && start[text_length - 1] == '\r') {
        text_length--;
    }
    if (text_length > SCRIPT_MAX_LINE || memchr(start, '\0', text_length) != NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    text_length > SCRIPT_MAX_LINE
                        ? "line is longer than %d bytes"
                        : "line holds a NUL byte (lines have up to %d bytes)",
                    SCRIPT_MAX_LINE);
        return NULL;
    }
    line = g_strndup(start, text_length);
    source->head += length + (newline != NULL ? 1 : 0);
    if (source->head == source->bytes->len) {
        g_byte_array_set_size(source->bytes, 0);
        source->head = 0;
    } else if (source->head > CHUNK) {
        g_byte_array_remove_range(source->bytes, 0, (unsigned)source->head);
        source->head = 0;
    }
    return line;
}

static char *where(const Source *source)
{
    return g_strdup_printf(source->command != NULL ? "%s %u" : "%s:%u", source->name,
                           source->number);
}

ScriptNext script_next(Script *script, char **ret_line, char **ret_where, GError **error)
{
    Source *source;

    while ((source = g_queue_peek_head(&script->sources)) != NULL) {
        GError *problem = NULL;
        char *line = NULL;

        if (source->command != NULL) {
            *ret_where = where(source);
            *ret_line = g_steal_pointer(&source->command);
            script->depth = 0;
            source_free(g_queue_pop_head(&script->sources));
            if (strlen(*ret_line) > SCRIPT_MAX_LINE) {
                g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "line is longer than %d bytes",
                            SCRIPT_MAX_LINE);
                g_clear_pointer(ret_line, g_free);
                return SCRIPT_ERROR;
            }
            return SCRIPT_LINE;
        }
        line = cut_line(source, &problem);
        if (line == NULL && problem == NULL && source->eof) {
            source_free(g_queue_pop_head(&script->sources));
            continue;
        }
        if (line == NULL && problem == NULL) {
            if (!source->regular) {
                return SCRIPT_WAIT;
            }
            if (fill(source, &problem)) {
                continue;
            }
        }
        *ret_where = where(source);
        if (problem != NULL) {
            g_propagate_error(error, problem);
            return SCRIPT_ERROR;
        }
        *ret_line = line;
        script->depth = source->depth;
        return SCRIPT_LINE;
    }
    return SCRIPT_END;
}

bool script_has_more(const Script *script)
{
    for (const GList *item = script->sources.head; item != NULL; item = item->next) {
        const Source *source = item->data;
        struct stat st;

        /* The unread part of a file counts, of a pipe only buffered bytes. */
        if (source->command != NULL || source->bytes->len > source->head ||
            (source->regular && !source->eof && fstat(source->fd, &st) == 0 &&
             st.st_size > lseek(source->fd, 0, SEEK_CUR))) {
            return true;
        }
    }
    return false;
}

static gboolean on_readable(int fd, GIOCondition condition, void *data)
{
    Script *script = data;
    Source *source = g_queue_peek_head(&script->sources);
    void (*ready)(void *) = script->ready;

    (void)fd;
    (void)condition;
    script->watch = 0;
    /* A read error ends the source; the lines before it are valid. */
    if (!fill(source, NULL)) {
        source->eof = true;
    }
    ready(script->data);
    return G_SOURCE_REMOVE;
}

void script_when_ready(Script *script, void (*ready)(void *data), void *data)
{
    Source *source = g_queue_peek_head(&script->sources);

    g_assert(source != NULL && script->watch == 0);
    script->ready = ready;
    script->data = data;
    script->watch = g_unix_fd_add(source->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, script);
}
