/* See listener-test.h. */
#include "tests/unit/listener-test.h"

char *directory;

char *path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

Address *parse(const char *uri)
{
    g_autoptr(GError) error = NULL;
    Address *address = address_from_uri(uri, &error);

    if (address == NULL) {
        fail_msg("%s: %s", uri, error->message);
    }
    return address;
}

/* ---- what the callbacks saw ---- */

void free_listener(Seen *seen)
{
    g_clear_pointer(&seen->listener, listener_free);
}

static void on_ready(Listener *l, const GError *error, void *data)
{
    Seen *seen = data;

    assert_ptr_equal(l, seen->listener); /* so never before listener_new() returned */
    assert_false(seen->ready);
    seen->ready = true;
    if (seen->free_in_ready) {
        free_listener(seen);
    }
    seen->error = error == NULL ? NULL : mig_error_first_line(error);
}

static void on_channel(Listener *l, ChannelType type, Transport *transport, void *data)
{
    Seen *seen = data;

    assert_true(seen->ready);
    assert_ptr_equal(l, seen->listener);
    seen->type = type;
    transport_free(seen->transport);
    seen->transport = transport;
    seen->channels++;
    if (seen->free_in_channel) {
        free_listener(seen);
    }
}

static void on_notice(Listener *l, const char *text, void *data)
{
    Seen *seen = data;

    (void)l;
    print_message("notice: %s\n", text);
    g_ptr_array_add(seen->notices, g_strdup(text));
    if (seen->free_in_notice) {
        free_listener(seen);
    }
}

static const ListenerCallbacks callbacks = { .channel = on_channel, .notice = on_notice };

void start_listening(Seen *seen, const Address *address, int fd)
{
    seen->notices = g_ptr_array_new_with_free_func(g_free);
    seen->listener = listener_new(address, fd, &callbacks, on_ready, seen);
    assert_false(seen->ready);
}

void stop_listening(Seen *seen)
{
    free_listener(seen);
    transport_free(seen->transport);
    g_free(seen->error);
    g_ptr_array_unref(seen->notices);
    memset(seen, 0, sizeof *seen);
}

void run_what_is_due(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {}
}

void listen_at(Seen *seen, const Address *address)
{
    start_listening(seen, address, -1);
    RUN_UNTIL(seen->ready);
    if (seen->error != NULL) {
        fail_msg("%s", seen->error);
    }
    assert_true(listener_is_reusable(seen->listener));
}

void listen_uri(Seen *seen, const char *uri)
{
    g_autoptr(Address) address = parse(uri);

    listen_at(seen, address);
}

const Address *bound(const Seen *seen, guint i)
{
    return g_ptr_array_index(listener_addresses(seen->listener), i);
}

/* ---- connecting ---- */

static gpointer open_thread(gpointer data)
{
    Opening *opening = data;

    opening->transport = connector_open(opening->connector, &opening->error);
    return NULL;
}

void start_opening(Opening *opening, const Address *address)
{
    opening->connector = connector_new(address, -1, NULL);
    assert_non_null(opening->connector);
    opening->thread = g_thread_new("open", open_thread, opening);
}

void join_opening(Opening *opening)
{
    g_thread_join(opening->thread);
    connector_free(opening->connector);
}

Transport *connect_to(const Address *address)
{
    Opening opening = { 0 };

    start_opening(&opening, address);
    join_opening(&opening);
    if (opening.transport == NULL) {
        fail_msg("%s", opening.error->message);
    }
    return opening.transport;
}

void say(Transport *t, const char *text)
{
    struct iovec iov = { (void *)text, strlen(text) };

    assert_true(transport_write_all(t, &iov, 1, NULL, NULL));
}

void assert_reads(Transport *t, const char *text)
{
    char byte;

    for (; *text != '\0'; text++) {
        assert_int_equal(transport_read(t, &byte, 1, NULL), 1);
        assert_int_equal(byte, *text);
    }
}

void assert_channel(Seen *seen, const Address *address)
{
    g_autoptr(Transport) t = connect_to(address);
    unsigned before = seen->channels;

    say(t, "QEVM and more");
    RUN_UNTIL(seen->channels > before);
    assert_true(transport_is_two_way(seen->transport));
    assert_reads(seen->transport, "QEVM and more");
    say(seen->transport, "answer");
    assert_reads(t, "answer");
}

int make_directory(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    directory = g_dir_make_tmp("migmon-listener-XXXXXX", NULL);
    return directory == NULL ? -1 : 0;
}

int remove_directory(void **state)
{
    (void)state;
    int failed = rmdir(directory);
    g_free(directory);
    return failed;
}
