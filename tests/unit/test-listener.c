/*
 * Listeners on real sockets: addresses, ports, paths, and what is no socket.
 */
#include "tests/unit/listener-test.h"

static bool has_ipv6(void)
{
    struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    g_auto(MigFd) fd = socket(AF_INET6, SOCK_STREAM, 0);

    return fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
}

static void test_unix_connection_becomes_a_channel(void **state)
{
    g_autofree char *path = path_of("s");
    g_autofree char *uri = g_strconcat("unix:", path, NULL);
    g_autoptr(Address) address = parse(uri);
    Seen seen = { 0 };
    struct stat info;

    (void)state;
    listen_at(&seen, address);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(listener_addresses(seen.listener)->len, 1);
    assert_string_equal(bound(&seen, 0)->path, path);
    assert_channel(&seen, address);
    assert_string_equal(seen.transport->ops->kind, "unix");
    assert_true(g_str_has_prefix(transport_name(seen.transport), uri));
    assert_channel(&seen, address); /* and again */
    assert_int_equal(seen.notices->len, 0);
    stop_listening(&seen);
    assert_int_equal(stat(path, &info), -1);
}

static void test_abstract_names(void **state)
{
    static const AddressFlag tight[] = { FLAG_UNSET, FLAG_ON, FLAG_OFF };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(tight); i++) {
        g_autofree char *uri = g_strdup_printf("unix:migmon-test-%d", (int)getpid());
        g_autoptr(Address) address = parse(uri);
        Seen seen = { 0 };

        address->abstract = FLAG_ON;
        address->tight = tight[i];
        listen_at(&seen, address);
        assert_int_equal(bound(&seen, 0)->tight, tight[i] == FLAG_OFF ? FLAG_OFF : FLAG_ON);
        assert_channel(&seen, address);
        stop_listening(&seen);
    }
}

static void test_port_0_is_reported(void **state)
{
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:127.0.0.1:0");
    assert_int_equal(listener_addresses(seen.listener)->len, 1);
    assert_string_equal(bound(&seen, 0)->host, "127.0.0.1");
    assert_int_equal(bound(&seen, 0)->ipv4, FLAG_ON);
    assert_string_not_equal(bound(&seen, 0)->port, "0");
    assert_channel(&seen, bound(&seen, 0));
    assert_string_equal(seen.transport->ops->kind, "tcp");
    assert_true(g_str_has_prefix(transport_name(seen.transport), "tcp:127.0.0.1:"));
    stop_listening(&seen);
}

static void test_names_are_looked_up(void **state)
{
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp:localhost:0,ipv4,keep-alive");
    g_autofree char *uri = g_strdup_printf("tcp:localhost:%s,keep-alive=on", bound(&seen, 0)->port);
    g_autoptr(Address) address = parse(uri);
    assert_channel(&seen, address);
    stop_listening(&seen);
}

static void test_ipv6(void **state)
{
    Seen seen = { 0 };

    (void)state;
    if (!has_ipv6()) {
        skip();
    }
    listen_uri(&seen, "tcp:[::1]:0");
    assert_int_equal(bound(&seen, 0)->ipv6, FLAG_ON);
    g_autofree char *uri = g_strdup_printf("tcp:[::1]:%s", bound(&seen, 0)->port);
    g_autoptr(Address) address = parse(uri);
    g_autoptr(Transport) t = connect_to(address);
    assert_string_equal(transport_name(t), uri);
    assert_channel(&seen, address);
    assert_true(g_str_has_prefix(transport_name(seen.transport), "tcp:[::1]:"));
    stop_listening(&seen);
}

static void test_empty_host_is_every_address_at_one_port(void **state)
{
    static const char *const hosts[] = { "127.0.0.1", "[::1]" };
    Seen seen = { 0 };

    (void)state;
    listen_uri(&seen, "tcp::0");
    assert_int_equal(listener_addresses(seen.listener)->len, has_ipv6() ? 2 : 1);
    for (guint i = 0; i < listener_addresses(seen.listener)->len; i++) {
        g_autofree char *uri = g_strdup_printf("tcp:%s:%s", hosts[i], bound(&seen, 0)->port);
        g_autoptr(Address) address = parse(uri);

        assert_string_equal(bound(&seen, i)->port, bound(&seen, 0)->port);
        assert_channel(&seen, address);
    }
    stop_listening(&seen);
}

static void test_both_families_on_one_socket(void **state)
{
    Seen seen = { 0 };

    (void)state;
    if (!has_ipv6()) {
        skip();
    }
    listen_uri(&seen, "tcp:[::]:0");
    g_autofree char *uri = g_strdup_printf("tcp:127.0.0.1:%s", bound(&seen, 0)->port);
    g_autoptr(Address) address = parse(uri);
    assert_channel(&seen, address);
    stop_listening(&seen);
}

/* False where this kernel has no vsock, or none that reaches itself. */
static bool vsock_carries(void)
{
    g_autoptr(Address) any = parse("vsock:4294967295:4294967295");
    Seen seen = { 0 };
    Opening opening = { 0 };
    bool there = false;

    start_listening(&seen, any, -1);
    RUN_UNTIL(seen.ready);
    if (seen.error != NULL) {
        print_message("%s\n", seen.error);
        stop_listening(&seen);
        return false;
    }
    assert_string_not_equal(bound(&seen, 0)->port, "4294967295");
    g_autofree char *uri = g_strdup_printf("vsock:1:%s", bound(&seen, 0)->port);
    g_autoptr(Address) local = parse(uri);
    start_opening(&opening, local);
    join_opening(&opening);
    if (opening.transport != NULL) {
        there = true;
        transport_free(opening.transport);
        assert_channel(&seen, local);
        assert_string_equal(seen.transport->ops->kind, "vsock");
    } else {
        print_message("%s\n", opening.error->message);
        g_clear_error(&opening.error);
    }
    stop_listening(&seen);
    return there;
}

static void test_vsock(void **state)
{
    (void)state;
    if (!vsock_carries()) {
        skip();
    }
}

static void test_port_range_takes_the_next_free_one(void **state)
{
    Seen first = { 0 }, second = { 0 }, third = { 0 };

    (void)state;
    listen_uri(&first, "tcp:127.0.0.1:0");
    int port = atoi(bound(&first, 0)->port);
    g_autofree char *range = g_strdup_printf("tcp:127.0.0.1:%d,to=%d", port, MIN(port + 50, 65535));
    g_autofree char *alone = g_strdup_printf("tcp:127.0.0.1:%d", port);
    g_autoptr(Address) taken = parse(alone);

    listen_uri(&second, range);
    assert_true(atoi(bound(&second, 0)->port) > port);
    start_listening(&third, taken, -1);
    RUN_UNTIL(third.ready);
    assert_string_equal(third.error, "Failed to find an available port: Address already in use");
    assert_int_equal(listener_addresses(third.listener)->len, 0);
    stop_listening(&first);
    stop_listening(&second);
    stop_listening(&third);
}

static void test_bad_addresses_are_told_by_ready(void **state)
{
    g_autofree char *file = path_of("file");
    g_autofree char *file_uri = g_strconcat("unix:", file, NULL);
    g_autofree char *file_text =
        g_strdup_printf("Failed to bind socket to %s: Address already in use", file);
    g_autofree char *name = g_strnfill(108, 'x');
    g_autofree char *long_uri = g_strconcat("unix:", name, NULL);
    g_autofree char *long_text = g_strdup_printf("UNIX socket path '%s' is too long", name);
    g_autofree char *missing = path_of("missing/x");
    g_autofree char *missing_unix = g_strconcat("unix:", missing, NULL);
    g_autofree char *missing_unix_text =
        g_strdup_printf("Failed to bind socket to %s: No such file or directory", missing);
    g_autofree char *missing_file = g_strconcat("file:", missing, NULL);
    g_autofree char *missing_file_text =
        g_strdup_printf("Unable to open %s: No such file or directory", missing);
    int closed = dup(0); /* a number that no descriptor has */
    g_autofree char *closed_uri = g_strdup_printf("fd:%d", closed);
    g_autofree char *closed_text = g_strdup_printf("fd:%d: Bad file descriptor", closed);
    const struct {
        const char *uri, *text;
    } rows[] = {
        { missing_unix, missing_unix_text },
        { file_uri, file_text },
        { long_uri, long_text },
        { "tcp:127.0.0.1:0,ipv4=off,ipv6=off", "Cannot disable IPv4 and IPv6 at same time" },
        { "tcp:127.0.0.1:x",
          "address resolution failed for 127.0.0.1:x: Servname not supported for ai_socktype" },
        { "tcp:127.0.0.1:-1",
          "address resolution failed for 127.0.0.1:-1: Servname not supported for ai_socktype" },
        { "tcp:127.0.0.1:0,ipv6",
          "address resolution failed for 127.0.0.1:0: Address family for hostname not supported" },
        { "vsock:x:1", "Failed to parse cid 'x'" },
        { "vsock:1:x", "Failed to parse port 'x'" },
        { "vsock:2:2:3", "Failed to parse port '2:3'" },
        { "vsock:4294967296:1", "Failed to parse cid '4294967296'" },
        { "rdma:192.0.2.1:4444", "unknown migration protocol: rdma:192.0.2.1:4444" },
        { missing_file, missing_file_text },
        { closed_uri, closed_text },
    };

    (void)state;
    assert_true(g_file_set_contents(file, "precious", -1, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Address) address = parse(rows[i].uri);
        Seen seen = { 0 };

        print_message("%s\n", rows[i].uri);
        start_listening(&seen, address, -1);
        RUN_UNTIL(seen.ready);
        assert_non_null(seen.error);
        assert_string_equal(seen.error, rows[i].text);
        stop_listening(&seen);
        start_listening(&seen, address, -1);
        seen.free_in_ready = true;
        RUN_UNTIL(seen.ready);
        assert_string_equal(seen.error, rows[i].text);
        stop_listening(&seen);
    }
    assert_true(g_file_test(file, G_FILE_TEST_IS_REGULAR)); /* and kept */
    unlink(file);
}

/* No label of a name has 64 letters: the resolver says so without asking the network. */
#define UNKNOWN_HOST                                                                               \
    "abcdefghijklmnopqrstuvwxyzabcdef"                                                             \
    "abcdefghijklmnopqrstuvwxyzabcdef"

static void test_unknown_host_is_told(void **state)
{
    static const char text[] = "address resolution failed for " UNKNOWN_HOST ":1: ";
    g_autoptr(Address) address = parse("tcp:" UNKNOWN_HOST ":1");
    Seen seen = { 0 };
    Opening opening = { 0 };

    (void)state;
    start_listening(&seen, address, -1);
    RUN_UNTIL(seen.ready);
    assert_true(g_str_has_prefix(seen.error, text));
    stop_listening(&seen);

    start_opening(&opening, address);
    join_opening(&opening);
    assert_null(opening.transport);
    assert_true(g_str_has_prefix(opening.error->message, text));
    g_clear_error(&opening.error);
}

static void test_listener_can_go_before_it_is_ready(void **state)
{
    g_autofree char *missing = path_of("missing");
    g_autofree char *missing_uri = g_strconcat("file:", missing, NULL);
    const char *const uris[] = { "tcp:127.0.0.1:0", "tcp:" UNKNOWN_HOST ":1", "tcp:localhost:0",
                                 "exec:sleep 1000", missing_uri };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(uris); i++) {
        g_autoptr(Address) address = parse(uris[i]);
        Seen seen = { 0 };

        start_listening(&seen, address, -1);
        free_listener(&seen);
        run_what_is_due();
        assert_false(seen.ready);
        stop_listening(&seen);
    }
}

static void test_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    g_autofree char *path = path_of("stale");
    g_autofree char *uri = g_strconcat("unix:", path, NULL);
    g_autofree char *text =
        g_strdup_printf("Failed to bind socket to %s: Address already in use", path);
    g_autoptr(Address) address = parse(uri);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    Seen seen = { 0 }, other = { 0 };

    (void)state;
    g_strlcpy(addr.sun_path, path, sizeof addr.sun_path);
    MigFd dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof addr), 0);
    close(dead); /* the path stays */

    listen_at(&seen, address);
    start_listening(&other, address, -1);
    RUN_UNTIL(other.ready);
    assert_string_equal(other.error, text);
    stop_listening(&other);
    assert_channel(&seen, address); /* undisturbed */
    stop_listening(&seen);
}

static void test_path_of_another_is_not_unlinked(void **state)
{
    g_autofree char *path = path_of("swap");
    g_autofree char *uri = g_strconcat("unix:", path, NULL);
    Seen first = { 0 }, second = { 0 };

    (void)state;
    listen_uri(&first, uri);
    assert_int_equal(unlink(path), 0);
    listen_uri(&second, uri);
    stop_listening(&first);
    assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    stop_listening(&second);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* The channel of @uri gives @text and is the only one. */
static void assert_single(const char *uri, int fd, const char *text)
{
    g_autoptr(Address) address = parse(uri);
    Seen seen = { 0 };

    print_message("%s\n", uri);
    start_listening(&seen, address, fd);
    RUN_UNTIL(seen.ready);
    if (seen.error != NULL) {
        fail_msg("%s", seen.error);
    }
    assert_false(listener_is_reusable(seen.listener));
    assert_int_equal(listener_addresses(seen.listener)->len, 0);
    RUN_UNTIL(seen.channels == 1);
    assert_reads(seen.transport, text);
    stop_listening(&seen);

    if (fd < 0) { /* and freeing in the callback is fine */
        seen.free_in_channel = true;
        start_listening(&seen, address, -1);
        RUN_UNTIL(seen.channels == 1);
        assert_null(seen.listener);
        stop_listening(&seen);
    }
}

static void test_files_children_and_descriptors_are_handed_over(void **state)
{
    g_autofree char *path = path_of("stream");
    g_autofree char *file_uri = g_strconcat("file:", path, NULL);
    g_autofree char *offset_uri = g_strconcat("file:", path, ",offset=2", NULL);
    g_autofree char *exec_uri = g_strconcat("exec:cat ", path, NULL);
    int pair[2], pipes[2];

    (void)state;
    assert_true(g_file_set_contents(path, "0123", -1, NULL));
    assert_single(file_uri, -1, "0123");
    assert_single(offset_uri, -1, "23");
    assert_single(exec_uri, -1, "0123");
    assert_single("fd:file", open(path, O_RDONLY), "0123");
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "pipe", 4), 4);
    assert_single("fd:pipe", pipes[0], "pipe");
    close(pipes[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[1], "any", 3), 3);
    assert_single("fd:socket", pair[0], "any");
    close(pair[1]);
    unlink(path);
}

static void test_listening_descriptor_is_listened_on(void **state)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    g_autoptr(Address) address = parse("fd:listen");
    Seen seen = { 0 };

    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 5), 0);
    g_auto(MigFd) other = dup(fd);
    start_listening(&seen, address, fd);
    RUN_UNTIL(seen.ready);
    assert_null(seen.error);
    assert_true(listener_is_reusable(seen.listener));
    assert_int_equal(bound(&seen, 0)->kind, ADDRESS_INET);
    assert_channel(&seen, bound(&seen, 0));
    stop_listening(&seen);
    assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
}

static void test_descriptor_of_the_wrong_direction_is_refused(void **state)
{
    g_autoptr(Address) address = parse("fd:p");
    g_autoptr(GError) error = NULL;
    Seen seen = { 0 };
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_null(connector_new(address, pipes[0], &error)); /* and not taken */
    assert_string_equal(error->message, "fd:p is not open for writing");
    start_listening(&seen, address, pipes[1]); /* taken in any case */
    RUN_UNTIL(seen.ready);
    assert_string_equal(seen.error, "fd:p is not open for reading");
    stop_listening(&seen);
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unix_connection_becomes_a_channel),
        cmocka_unit_test(test_abstract_names),
        cmocka_unit_test(test_port_0_is_reported),
        cmocka_unit_test(test_names_are_looked_up),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_empty_host_is_every_address_at_one_port),
        cmocka_unit_test(test_both_families_on_one_socket),
        cmocka_unit_test(test_vsock),
        cmocka_unit_test(test_port_range_takes_the_next_free_one),
        cmocka_unit_test(test_bad_addresses_are_told_by_ready),
        cmocka_unit_test(test_unknown_host_is_told),
        cmocka_unit_test(test_listener_can_go_before_it_is_ready),
        cmocka_unit_test(test_stale_socket_is_replaced_and_a_live_one_is_not),
        cmocka_unit_test(test_path_of_another_is_not_unlinked),
        cmocka_unit_test(test_files_children_and_descriptors_are_handed_over),
        cmocka_unit_test(test_listening_descriptor_is_listened_on),
        cmocka_unit_test(test_descriptor_of_the_wrong_direction_is_refused),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
