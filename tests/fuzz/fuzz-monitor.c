/*
 * Any bytes as lines of a human monitor or as input of a QMP connection, in
 * this process, with the monitor's own code from the text to the request and
 * back. Behind it stands a backend that answers anything the schema allows
 * (any-backend.h), as a peer of a later version or a hostile one might.
 *
 * The first byte says which front end: 0 prompt, 1 batch, 2 batch with --json,
 * 3 QMP. Besides not crashing: a line is done once, an object of --json and every
 * line of QMP is JSON, completion never points behind the cursor.
 *
 *     fuzz-monitor SEED...                runs each file as it is
 *     fuzz-monitor --runs N SEED...       and N broken ones (MIGMON_FUZZ_RUNS changes N)
 *
 * With libFuzzer the entrance is LLVMFuzzerTestOneInput (build with -DMIGMON_LIBFUZZER).
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands/hmp/hmp.h"
#include "completion/complete.h"
#include "monitor/server/qmp-client.h"
#include "tests/fuzz/any-backend.h"
#include "tests/fuzz/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRONT_PROMPT, FRONT_BATCH, FRONT_JSON, FRONT_QMP, FRONT__COUNT };

/* A line that waits for something is left after so many turns of the main loop. */
#define TURNS 300

static uint64_t n_lines, n_abandoned, n_commands, n_qmp_replies;

static void run_pending(void)
{
    for (int i = 0; i < TURNS && g_main_context_iteration(NULL, FALSE); i++) {}
}

static void must_be_json(const char *text)
{
    json_object *value = json_tokener_parse(text);

    if (!json_object_is_type(value, json_type_object)) {
        g_error("not an object: %s", text);
    }
    json_object_put(value);
}

/* ---- human monitors ---- */

typedef struct {
    unsigned front;
    int done; /* how often the line in work has ended */
} Lines;

static void on_print(const char *text, void *data)
{
    Lines *lines = data;

    if (lines->front == FRONT_JSON && lines->done == 0) {
        must_be_json(text);
    }
}

static bool on_source(const char *path, GError **error, void *data)
{
    (void)path, (void)error, (void)data;
    return true;
}

static void on_done(HmpResult result, void *data)
{
    (void)result;
    ((Lines *)data)->done++;
}

static Hmp *open_monitor(Backend *backend, Lines *lines)
{
    static const HmpCallbacks callbacks = { .print = on_print, .source = on_source };
    static const unsigned flags[] = {
        [FRONT_PROMPT] = 0, [FRONT_BATCH] = HMP_BATCH, [FRONT_JSON] = HMP_BATCH | HMP_JSON
    };

    return hmp_new(command_table, backend, &callbacks, lines, flags[lines->front]);
}

static void complete_somewhere(Random *random, const char *line, bool batch)
{
    static const char *const history[] = { "tcp:a:1", "unix:/run/x y", NULL };
    const CompletionEnv env = { batch, random_one_in(random, 2) ? history : NULL };
    size_t point = random_below(random, strlen(line) + 1);
    g_autoptr(Completion) completion = complete_line(line, point, &env);

    if (completion->start > point) {
        g_error("completion begins behind the cursor: %zu > %zu in %s", completion->start, point,
                line);
    }
}

static void run_line(Random *random, Backend *backend, Hmp **hmp, Lines *lines, const char *line)
{
    n_lines++;
    lines->done = 0;
    hmp_execute(*hmp, line, on_done, lines);
    for (int i = 0; i < TURNS && lines->done == 0; i++) {
        g_main_context_iteration(NULL, FALSE);
        if (i == TURNS / 2) {
            hmp_interrupt(*hmp);
        }
    }
    if (lines->done > 1) {
        g_error("done %d times: %s", lines->done, line);
    }
    if (lines->done == 0) {
        n_abandoned++;
        hmp_free(*hmp);
        *hmp = open_monitor(backend, lines);
    }
    if (random_one_in(random, 4)) {
        complete_somewhere(random, line, lines->front != FRONT_PROMPT);
    }
}

static void run_lines(Random *random, Backend *backend, unsigned front, const char *text)
{
    g_auto(GStrv) all = g_strsplit(text, "\n", 64);
    Lines lines = { front, 0 };
    Hmp *hmp = open_monitor(backend, &lines);

    for (char **line = all; *line != NULL; line++) {
        run_line(random, backend, &hmp, &lines, *line);
    }
    hmp_free(hmp);
}

/* ---- QMP ---- */

static void on_closed(QmpClient *client, void *data)
{
    (void)client;
    *(bool *)data = true;
}

static void read_replies(int fd, GString *out)
{
    char bytes[4096];
    ssize_t n;
    char *end;

    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        g_string_append_len(out, bytes, n);
    }
    while ((end = memchr(out->str, '\n', out->len)) != NULL) {
        g_autofree char *line = g_strndup(out->str, (size_t)(end - out->str));

        if (!g_utf8_validate(line, -1, NULL)) {
            g_error("not UTF-8: %s", line);
        }
        must_be_json(line);
        n_qmp_replies++;
        g_string_erase(out, 0, (gssize)strlen(line) + 1);
    }
}

static void run_qmp(Random *random, Backend *backend, const uint8_t *data, size_t size)
{
    g_autoptr(GString) out = g_string_new(NULL);
    bool closed = false;
    size_t sent = 0;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
        g_error("socketpair: %s", g_strerror(errno));
    }
    QmpClient *client = qmp_client_new(backend, ends[0], 2, on_closed, &closed);
    for (int idle = 0; !closed && idle < TURNS; idle++) {
        size_t piece = 1 + random_below(random, 4000);
        ssize_t n = send(ends[1], data + sent, MIN(piece, size - sent), MSG_NOSIGNAL);

        if (n > 0) {
            sent += (size_t)n;
            idle = 0;
        }
        if (sent == size) {
            shutdown(ends[1], SHUT_WR);
        }
        g_main_context_iteration(NULL, FALSE);
        read_replies(ends[1], out);
    }
    qmp_client_free(client);
    close(ends[1]);
}

/* ---- one input ---- */

static uint64_t hash_of(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Random random;
    Backend *backend;

    if (size == 0) {
        return 0;
    }
    random_seed(&random, hash_of(data, size));
    backend = any_backend_new(&random);
    if (data[0] % FRONT__COUNT == FRONT_QMP) {
        run_qmp(&random, backend, data + 1, size - 1);
    } else {
        g_autofree char *text = g_strndup((const char *)data + 1, size - 1);

        run_lines(&random, backend, data[0] % FRONT__COUNT, text);
    }
    n_commands += any_backend_count(backend);
    backend_free(backend);
    run_pending();
    return 0;
}

/* ---- the driver ---- */

#ifndef MIGMON_LIBFUZZER
/* Requests as a program sends them, with arguments that the schema allows. */
static void append_requests(Random *random, GString *text)
{
    size_t count;
    const SchemaCommand *commands = schema_commands(&count);

    g_string_append(text,
                    random_one_in(random, 2)
                        ? "{\"execute\": \"qmp_capabilities\"}"
                        : "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}");
    for (size_t n = random_below(random, 4); n > 0; n--) {
        const SchemaCommand *command = &commands[random_below(random, count)];
        json_object *request = json_object_new_object();

        json_object_object_add(request,
                               command->oob && random_one_in(random, 2) ? "exec-oob" : "execute",
                               json_object_new_string(command->name));
        if (command->args != NULL) {
            json_object_object_add(request, "arguments", any_members(random, command->args));
        }
        if (random_one_in(random, 2)) {
            json_object_object_add(request, "id", json_object_new_string(random_word(random)));
        }
        g_string_append(text, json_object_to_json_string(request));
        json_object_put(request);
    }
}

static const char *any_line(Random *random, GPtrArray *lines)
{
    return g_ptr_array_index(lines, random_below(random, lines->len));
}

static void run_broken(Random *random, GPtrArray *lines)
{
    g_autoptr(GString) text = g_string_new(NULL);
    unsigned front = (unsigned)random_below(random, FRONT__COUNT);

    if (front == FRONT_QMP && !random_one_in(random, 4)) {
        append_requests(random, text);
    } else {
        for (size_t n = 1 + random_below(random, 3); n > 0; n--) {
            g_string_append_printf(text, "%s\n", any_line(random, lines));
        }
    }
    /* Some stay whole, so that what follows them has something to stand on. */
    if (!random_one_in(random, 4)) {
        random_mutate(random, text, any_line(random, lines));
    }
    g_string_prepend_c(text, (char)('0' + front));
    LLVMFuzzerTestOneInput((const uint8_t *)text->str, text->len);
}

static void run_file(const char *path, GPtrArray *lines)
{
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;

    if (!g_file_get_contents(path, &bytes, &size, &error)) {
        g_error("%s", error->message);
    }
    for (unsigned front = 0; front < FRONT__COUNT; front++) {
        g_autofree char *input = g_strdup_printf("%u%s", front, bytes);

        LLVMFuzzerTestOneInput((const uint8_t *)input, strlen(input));
    }
    g_auto(GStrv) all = g_strsplit(bytes, "\n", -1);
    for (char **line = all; *line != NULL; line++) {
        g_ptr_array_add(lines, g_strdup(*line));
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    const char *wanted = g_getenv("MIGMON_FUZZ_RUNS");
    uint64_t runs = 0;
    int64_t begin = g_get_monotonic_time(), slowest = 0;
    Random random;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = g_ascii_strtoull(wanted != NULL ? wanted : argv[i + 1], NULL, 10);
            i++;
        } else {
            run_file(argv[i], lines);
        }
    }
    random_seed(&random, 1);
    for (uint64_t i = 0; i < runs && lines->len > 0; i++) {
        int64_t before = g_get_monotonic_time();

        run_broken(&random, lines);
        slowest = MAX(slowest, g_get_monotonic_time() - before);
    }
    g_print("%" G_GUINT64_FORMAT " broken inputs, %" G_GUINT64_FORMAT " lines (%" G_GUINT64_FORMAT
            " left waiting), %" G_GUINT64_FORMAT " QMP replies, %" G_GUINT64_FORMAT
            " commands reached the backend; %.1f s, slowest input %.1f ms\n",
            runs, n_lines, n_abandoned, n_qmp_replies, n_commands,
            (double)(g_get_monotonic_time() - begin) / 1e6, (double)slowest / 1e3);
    return 0;
}
#endif
