/*
 * Connectors: what fails at once, what fails later and with which words, and
 * a cancel that ends every wait.
 */
#include "tests/unit/listener-test.h"

static void test_connector_refuses_at_once_what_it_can(void **state)
{
    g_autofree char *name = g_strnfill(108, 'x');
    g_autofree char *long_uri = g_strconcat("unix:", name, NULL);
    g_autofree char *long_text = g_strdup_printf("UNIX socket path '%s' is too long", name);
    g_autofree char *missing = path_of("missing/file");
    g_autofree char *missing_uri = g_strconcat("file:", missing, NULL);
    g_autofree char *missing_text =
        g_strdup_printf("Unable to open %s: No such file or directory", missing);
    const struct {
        const char *uri, *text;
    } rows[] = {
        { long_uri, long_text },
        { "tcp:h:1,ipv4=off,ipv6=off", "Cannot disable IPv4 and IPv6 at same time" },
        { "vsock:x:y", "Failed to parse cid 'x'" },
        { "rdma:127.0.0.1:4444",
          "Parameter 'uri' expects a valid migration protocol: RDMA is not built into migmon" },
        { missing_uri, missing_text },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Address) address = parse(rows[i].uri);
        g_autoptr(GError) error = NULL;

        print_message("%s\n", rows[i].uri);
        assert_null(connector_new(address, -1, &error));
        g_autofree char *line = mig_error_first_line(error);
        assert_string_equal(line, rows[i].text);
    }
}

static void test_failed_connections_say_where_and_why(void **state)
{
    g_autofree char *missing = path_of("missing");
    g_autofree char *missing_uri = g_strconcat("unix:", missing, NULL);
    g_autofree char *missing_text =
        g_strdup_printf("Failed to connect to '%s': No such file or directory", missing);
    const struct {
        const char *uri, *text;
    } rows[] = {
        { "tcp:127.0.0.1:0", "Failed to connect to '127.0.0.1:0': Connection refused" },
        { missing_uri, missing_text },
        { "tcp:127.0.0.1:nosuchsvc", "address resolution failed for 127.0.0.1:nosuchsvc: "
                                     "Servname not supported for ai_socktype" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Address) address = parse(rows[i].uri);
        Opening opening = { 0 };

        start_opening(&opening, address);
        join_opening(&opening);
        assert_null(opening.transport);
        assert_string_equal(opening.error->message, rows[i].text);
        g_clear_error(&opening.error);
    }
}

static void test_keepalive_is_on_unless_the_address_says_off(void **state)
{
    const struct {
        const char *option;
        int wanted;
    } rows[] = { { "", 1 }, { ",keep-alive=on", 1 }, { ",keep-alive=off", 0 } };
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *there = address_to_uri(bound(&seen, 0));
        g_autofree char *uri = g_strconcat(there, rows[i].option, NULL);
        g_autoptr(Address) address = parse(uri);
        g_autoptr(Connector) connector = connector_new(address, -1, NULL);
        g_autoptr(Transport) t = connector_open(connector, NULL);
        int found = -1;
        socklen_t length = sizeof found;

        assert_non_null(t);
        assert_int_equal(getsockopt(t->fd, SOL_SOCKET, SO_KEEPALIVE, &found, &length), 0);
        assert_int_equal(found != 0, rows[i].wanted);
    }
    stop_listening(&seen);
}

static void test_one_connector_opens_several_sockets_but_one_file(void **state)
{
    g_autofree char *path = path_of("once");
    g_autofree char *uri = g_strconcat("file:", path, NULL);
    g_autoptr(Address) file = parse(uri);
    Seen seen = { 0 };
    g_autoptr(GError) error = NULL;

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    g_autoptr(Connector) connector = connector_new(bound(&seen, 0), -1, NULL);
    for (unsigned i = 1; i <= 3; i++) {
        g_autoptr(Transport) t = connector_open(connector, NULL);
        assert_non_null(t);
        say(t, "QEVM");
        RUN_UNTIL(seen.channels == i);
    }
    stop_listening(&seen);

    g_autoptr(Connector) once = connector_new(file, -1, NULL);
    g_autoptr(Transport) t = connector_open(once, NULL);
    assert_non_null(t);
    assert_null(connector_open(once, &error));
    assert_non_null(strstr(error->message, "can be opened only once"));
    G_GNUC_UNUSED g_autoptr(Connector) unused = connector_new(file, -1, NULL); /* never opened */
    unlink(path);
}

/* A socket that listens with room for one and is never accepted from, full. */
static void fill_backlog(const struct sockaddr *addr, socklen_t length, MigFd *ret_listen,
                         GArray *ret_fillers)
{
    *ret_listen = socket(addr->sa_family, SOCK_STREAM, 0);
    assert_int_equal(bind(*ret_listen, addr, length), 0);
    assert_int_equal(listen(*ret_listen, 0), 0);

    struct sockaddr_storage real;
    socklen_t real_length = sizeof real;
    assert_int_equal(getsockname(*ret_listen, (struct sockaddr *)&real, &real_length), 0);
    for (int i = 0; i < 4; i++) {
        int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

        if (connect(fd, (struct sockaddr *)&real, real_length) < 0) {
            assert_true(errno == EAGAIN || errno == EINPROGRESS);
        }
        g_array_append_val(ret_fillers, fd);
    }
}

static void assert_cancel_ends(const Address *address)
{
    Opening opening = { 0 };
    g_autoptr(GError) error = NULL;

    start_opening(&opening, address);
    wait_others_sleep(); /* it waits by now */
    connector_cancel(opening.connector);
    g_thread_join(opening.thread);
    assert_null(opening.transport);
    assert_true(g_error_matches(opening.error, MIG_ERROR, MIG_ERROR_CANCELLED));
    g_clear_error(&opening.error);
    assert_null(connector_open(opening.connector, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED));
    connector_free(opening.connector);
}

static void close_all(GArray *fds)
{
    for (guint i = 0; i < fds->len; i++) {
        close(g_array_index(fds, int, i));
    }
    g_array_set_size(fds, 0);
}

static void test_cancel_ends_a_blocked_connect(void **state)
{
    g_autofree char *path = path_of("full");
    g_autofree char *unix_uri = g_strconcat("unix:", path, NULL);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof in;
    g_autoptr(GArray) fillers = g_array_new(FALSE, FALSE, sizeof(int));
    g_auto(MigFd) unix_fd = -1, tcp_fd = -1;

    (void)state;
    g_strlcpy(un.sun_path, path, sizeof un.sun_path);
    fill_backlog((struct sockaddr *)&un, sizeof un, &unix_fd, fillers);
    g_autoptr(Address) full_unix = parse(unix_uri);
    assert_cancel_ends(full_unix);
    close_all(fillers);
    unlink(path);

    fill_backlog((struct sockaddr *)&in, sizeof in, &tcp_fd, fillers);
    assert_int_equal(getsockname(tcp_fd, (struct sockaddr *)&in, &length), 0);
    g_autofree char *tcp_uri = g_strdup_printf("tcp:127.0.0.1:%u", ntohs(in.sin_port));
    g_autoptr(Address) full_tcp = parse(tcp_uri);
    assert_cancel_ends(full_tcp);
    close_all(fillers);
}

static void test_cancel_before_open_counts(void **state)
{
    g_autofree char *missing = path_of("missing");
    g_autofree char *missing_uri = g_strconcat("unix:", missing, NULL);
    const char *const uris[] = { "tcp:127.0.0.1:1", missing_uri, "file:/dev/null" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(uris); i++) {
        g_autoptr(Address) address = parse(uris[i]);
        g_autoptr(Connector) connector = connector_new(address, -1, NULL);
        g_autoptr(GError) error = NULL;

        connector_cancel(connector);
        connector_cancel(connector);
        assert_null(connector_open(connector, &error));
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED));
    }
}

static void test_full_unix_queue_is_waited_for(void **state)
{
    g_autofree char *path = path_of("busy");
    g_autofree char *uri = g_strconcat("unix:", path, NULL);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    g_autoptr(GArray) fillers = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(Address) address = parse(uri);
    g_auto(MigFd) fd = -1;
    Opening opening = { 0 };

    (void)state;
    g_strlcpy(un.sun_path, path, sizeof un.sun_path);
    fill_backlog((struct sockaddr *)&un, sizeof un, &fd, fillers);
    start_opening(&opening, address);
    wait_others_sleep();
    for (int i = 0; i < 2; i++) { /* the filler in the queue, then ours */
        int accepted = accept(fd, NULL, NULL);
        assert_true(accepted >= 0);
        g_array_append_val(fillers, accepted);
    }
    join_opening(&opening);
    assert_non_null(opening.transport);
    transport_free(opening.transport);
    close_all(fillers);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connector_refuses_at_once_what_it_can),
        cmocka_unit_test(test_failed_connections_say_where_and_why),
        cmocka_unit_test(test_keepalive_is_on_unless_the_address_says_off),
        cmocka_unit_test(test_one_connector_opens_several_sockets_but_one_file),
        cmocka_unit_test(test_cancel_ends_a_blocked_connect),
        cmocka_unit_test(test_cancel_before_open_counts),
        cmocka_unit_test(test_full_unix_queue_is_waited_for),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
