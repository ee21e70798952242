/*
 * address.c, address-uri.c, address-json.c: every form of a URI, good and bad
 * with QEMU's texts; JSON both ways; the shapes of the first patch; the
 * examples of the schema.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/base/error.h"

#define H64 "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
#define P32 "pppppppppppppppppppppppppppppppp"

/* @back NULL: the text is read back from the address as it was. */
static const struct {
    const char *uri, *json, *back;
} good[] = {
    { "tcp:0:4446", "{'transport':'socket','type':'inet','host':'0','port':'4446'}", NULL },
    { "tcp::4446", "{'transport':'socket','type':'inet','host':'','port':'4446'}", NULL },
    { "tcp:localhost:http", "{'transport':'socket','type':'inet','host':'localhost','port':'http'}",
      NULL },
    { "tcp:127.0.0.1:0", "{'transport':'socket','type':'inet','host':'127.0.0.1','port':'0'}",
      NULL },
    { "tcp:127.0.0.1:65535",
      "{'transport':'socket','type':'inet','host':'127.0.0.1','port':'65535'}", NULL },
    { "tcp:[::1]:4444", "{'transport':'socket','type':'inet','host':'::1','port':'4444'}", NULL },
    { "tcp:[fe80::1%eth0]:1",
      "{'transport':'socket','type':'inet','host':'fe80::1%eth0','port':'1'}", NULL },
    { "tcp:[host]:1", "{'transport':'socket','type':'inet','host':'host','port':'1'}",
      "tcp:host:1" },
    { "tcp:h:1,to=9", "{'transport':'socket','type':'inet','host':'h','port':'1','to':9}", NULL },
    { "tcp:h:1,ipv4", "{'transport':'socket','type':'inet','host':'h','port':'1','ipv4':true}",
      "tcp:h:1,ipv4=on" },
    { "tcp:h:1,ipv6=off", "{'transport':'socket','type':'inet','host':'h','port':'1','ipv6':false}",
      NULL },
    { "tcp:h:1,ipv6,ipv4=off,to=2,keep-alive=on,mptcp=off",
      "{'transport':'socket','type':'inet','host':'h','port':'1','to':2,'ipv4':false,'ipv6':true,"
      "'keep-alive':true,'mptcp':false}",
      "tcp:h:1,to=2,ipv4=off,ipv6=on,keep-alive=on,mptcp=off" },
    { "tcp:" H64 ":" P32, "{'transport':'socket','type':'inet','host':'" H64 "','port':'" P32 "'}",
      NULL },
    { "unix:/tmp/m.sock", "{'transport':'socket','type':'unix','path':'/tmp/m.sock'}", NULL },
    { "unix:a,b:c=d", "{'transport':'socket','type':'unix','path':'a,b:c=d'}", NULL },
    { "vsock:2:1234", "{'transport':'socket','type':'vsock','cid':'2','port':'1234'}", NULL },
    { "vsock:x:y", "{'transport':'socket','type':'vsock','cid':'x','port':'y'}", NULL },
    { "vsock:2:2:3", "{'transport':'socket','type':'vsock','cid':'2','port':'2:3'}", NULL },
    { "fd:mig", "{'transport':'socket','type':'fd','str':'mig'}", NULL },
    { "fd:7", "{'transport':'socket','type':'fd','str':'7'}", NULL },
    { "exec:", "{'transport':'exec','args':['/bin/sh','-c','']}", NULL },
    { "exec:cat > /tmp/f; true",
      "{'transport':'exec','args':['/bin/sh','-c','cat > /tmp/f; true']}", NULL },
    { "rdma:192.0.2.1:4444", "{'transport':'rdma','host':'192.0.2.1','port':'4444'}", NULL },
    { "file:/tmp/f", "{'transport':'file','filename':'/tmp/f','offset':0}", NULL },
    { "file:", "{'transport':'file','filename':'','offset':0}", NULL },
    { "file:/tmp/a,b=c", "{'transport':'file','filename':'/tmp/a,b=c','offset':0}", NULL },
    { "file:/tmp/f,offset=0x1000", "{'transport':'file','filename':'/tmp/f','offset':4096}",
      "file:/tmp/f,offset=4096" },
    { "file:/tmp/f,offset=4k", "{'transport':'file','filename':'/tmp/f','offset':4096}",
      "file:/tmp/f,offset=4096" },
    { "file:/tmp/f,offset=0", "{'transport':'file','filename':'/tmp/f','offset':0}",
      "file:/tmp/f" },
    { "file:/tmp/f,offset=9223372036854775807",
      "{'transport':'file','filename':'/tmp/f','offset':9223372036854775807}", NULL },
};

/* The first lines. */
static const struct {
    const char *uri, *text;
} bad[] = {
    { "", "unknown migration protocol: " },
    { "foo", "unknown migration protocol: foo" },
    { "foo:bar", "unknown migration protocol: foo:bar" },
    { "tcp", "unknown migration protocol: tcp" },
    { "TCP:127.0.0.1:1", "unknown migration protocol: TCP:127.0.0.1:1" },
    { " tcp:h:1", "unknown migration protocol:  tcp:h:1" },
    { "http://x/", "unknown migration protocol: http://x/" },
    { "defer", "unknown migration protocol: defer" },
    { "tcp:", "error parsing address ''" },
    { "tcp:localhost", "error parsing address 'localhost'" },
    { "tcp:localhost:", "error parsing address 'localhost:'" },
    { "tcp:localhost:,ipv4", "error parsing address 'localhost:,ipv4'" },
    { "tcp::", "error parsing port in address ':'" },
    { "tcp::,to=1", "error parsing port in address ':,to=1'" },
    { "tcp:[::1]", "error parsing IPv6 address '[::1]'" },
    { "tcp:[::1]:", "error parsing IPv6 address '[::1]:'" },
    { "tcp:[::1:4444", "error parsing IPv6 address '[::1:4444'" },
    { "tcp:[]:4444", "error parsing IPv6 address '[]:4444'" },
    { "tcp:[", "error parsing IPv6 address '['" },
    { "tcp:[::1]x:4444", "error parsing IPv6 address '[::1]x:4444'" },
    { "tcp:::1:4444",
      "address resolution failed for ::1:4444: Servname not supported for ai_socktype" },
    { "tcp:fe80::1:4444",
      "address resolution failed for fe80::1:4444: Servname not supported for ai_socktype" },
    { "tcp:127.0.0.1:99999", "error parsing port in address '127.0.0.1:99999'" },
    { "tcp:127.0.0.1:65536", "error parsing port in address '127.0.0.1:65536'" },
    { "tcp::70000", "error parsing port in address ':70000'" },
    { "tcp:h: 70000", "error parsing port in address 'h: 70000'" },
    { "tcp:h:18446744073709551617", "error parsing port in address 'h:18446744073709551617'" },
    { "tcp:h" H64 ":1", "error parsing address 'h" H64 ":1'" },
    { "tcp:h:1" P32, "error parsing address 'h:1" P32 "'" },
    { "tcp:127.0.0.1:1,to=x", "error parsing to= argument" },
    { "tcp:127.0.0.1:1,to=", "error parsing to= argument" },
    { "tcp:127.0.0.1:1,to", "error parsing to= argument" },
    { "tcp:127.0.0.1:1,to=70000", "error parsing to= argument" },
    { "tcp:127.0.0.1:1,to=-1", "error parsing to= argument" },
    { "tcp:127.0.0.1:1,ipv4=maybe", "error parsing 'ipv4' flag '=maybe'" },
    { "tcp:127.0.0.1:1,ipv6=", "error parsing 'ipv6' flag '='" },
    { "tcp:127.0.0.1:1,keep-alive=yes", "error parsing 'keep-alive' flag '=yes'" },
    { "tcp:127.0.0.1:1,mptcp=1", "error parsing 'mptcp' flag '=1'" },
    { "tcp:127.0.0.1:1,bogus=1", "error parsing address '127.0.0.1:1,bogus=1'" },
    { "tcp:127.0.0.1:1,ipv4x", "error parsing address '127.0.0.1:1,ipv4x'" },
    { "tcp:127.0.0.1:1,", "error parsing address '127.0.0.1:1,'" },
    { "tcp:127.0.0.1:1,ipv4,ipv4=off", "error parsing address '127.0.0.1:1,ipv4,ipv4=off'" },
    { "tcp:h:1,to=2,to=3", "error parsing address 'h:1,to=2,to=3'" },
    { "unix:", "invalid Unix socket address" },
    { "vsock:", "error parsing address ''" },
    { "vsock:2", "error parsing address '2'" },
    { "vsock:2:", "error parsing address '2:'" },
    { "vsock::2", "error parsing address ':2'" },
    { "vsock:1:2,x", "trailing characters in address '1:2,x'" },
    { "fd:", "invalid file descriptor address" },
    { "rdma:", "error parsing address ''" },
    { "rdma:127.0.0.1", "error parsing address '127.0.0.1'" },
    { "rdma::", "error parsing port in address ':'" },
    { "file:/x,offset=", "file URI has bad offset : Invalid argument" },
    { "file:/x,offset=zz", "file URI has bad offset zz: Invalid argument" },
    { "file:/x,offset=1.5", "file URI has bad offset 1.5: Invalid argument" },
    { "file:/x,offset=-1", "file URI has bad offset -1: Numerical result out of range" },
    { "file:/x,offset=8E", "file URI has bad offset 8E: Numerical result out of range" },
    { "file:/x,offset=1,offset=2", "file URI has bad offset 1,offset=2: Invalid argument" },
};

/* JSON with ' for ". */
static json_object *parse(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "'", -1);
    g_autofree char *proper = g_strjoinv("\"", parts);
    json_object *value = json_tokener_parse(proper);

    assert_non_null(value);
    return value;
}

static void assert_json(json_object *value, const char *expected)
{
    json_object *other = parse(expected);

    if (!json_object_equal(value, other)) {
        fail_msg("%s is not %s", json_object_to_json_string(value), expected);
    }
    json_object_put(other);
}

static void assert_address_json(const Address *address, const char *expected)
{
    json_object *value = address_to_json(address);

    assert_json(value, expected);
    json_object_put(value);
}

static Address *from_json_text(const char *text, GError **error)
{
    json_object *value = parse(text);
    Address *address = address_from_json(value, error);

    json_object_put(value);
    return address;
}

static void test_good_uris_become_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Address) address = address_from_uri(good[i].uri, &error);

        print_message("%s\n", good[i].uri);
        assert_non_null(address);
        assert_address_json(address, good[i].json);
        g_autofree char *back = address_to_uri(address);
        assert_string_equal(back, good[i].back != NULL ? good[i].back : good[i].uri);
    }
}

static void test_json_and_copies_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Address) address = from_json_text(good[i].json, &error);

        print_message("%s\n", good[i].json);
        assert_non_null(address);
        assert_address_json(address, good[i].json);
        g_autoptr(Address) copy = address_copy(address);
        g_clear_pointer(&address, address_free);
        assert_address_json(copy, good[i].json);
        g_autofree char *uri = address_to_uri(copy);
        g_autoptr(Address) again = address_from_uri(uri, &error);
        assert_non_null(again);
        assert_address_json(again, good[i].json);
    }
}

static void test_bad_uris_are_refused_with_qemus_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s\n", bad[i].uri);
        assert_null(address_from_uri(bad[i].uri, &error));
        assert_non_null(error);
        g_autofree char *line = mig_error_first_line(error);
        assert_string_equal(line, bad[i].text);
        assert_null(address_from_uri(bad[i].uri, NULL));
    }
}

static void test_odd_uris_come_with_a_hint(void **state)
{
    static const struct {
        const char *uri, *hint;
    } rows[] = {
        { "tcp:::1:4444", "in brackets" },
        { "tcp:h:99999", "0 to 65535" },
        { "tcp:h:1,bogus=1", "there is no option 'bogus'" },
        { "tcp:h:1,ipv4,ipv4", "option 'ipv4' is given twice" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(address_from_uri(rows[i].uri, &error));
        assert_non_null(strstr(error->message, "\nhint: "));
        assert_non_null(strstr(error->message, rows[i].hint));
    }
}

/* @same: the flat form it stands for. */
static const struct {
    const char *json, *same;
} aliases[] = {
    { "{'transport':'socket','data':{'type':'inet','host':'10.12.34.9','port':'1050'}}",
      "{'transport':'socket','type':'inet','host':'10.12.34.9','port':'1050'}" },
    { "{'transport':'socket','data':{'type':'unix','path':'/tmp/s'}}",
      "{'transport':'socket','type':'unix','path':'/tmp/s'}" },
    { "{'transport':'exec','data':['/bin/nc','-U','/some/sock']}",
      "{'transport':'exec','args':['/bin/nc','-U','/some/sock']}" },
    { "{'transport':'exec','data':{'args':['/bin/nc']}}",
      "{'transport':'exec','args':['/bin/nc']}" },
    { "{'transport':'rdma','data':{'host':'10.12.34.9','port':'1050'}}",
      "{'transport':'rdma','host':'10.12.34.9','port':'1050'}" },
    { "{'transport':'file','data':{'filename':'/f','offset':7}}",
      "{'transport':'file','filename':'/f','offset':7}" },
    { "{'transport':'file','filename':'/tmp/f','offset':'0x1000'}",
      "{'transport':'file','filename':'/tmp/f','offset':4096}" },
    { "{'transport':'file','filename':'/tmp/f','offset':'1k'}",
      "{'transport':'file','filename':'/tmp/f','offset':1024}" },
};

static void test_older_shapes_mean_the_flat_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Address) address = from_json_text(aliases[i].json, &error);

        print_message("%s\n", aliases[i].json);
        assert_non_null(address);
        assert_address_json(address, aliases[i].same);
    }
}

/* Shapes of 8.2 that no URI can say. */
static void test_json_only_shapes_round_trip(void **state)
{
    static const struct {
        const char *json, *uri;
    } rows[] = {
        { "{'transport':'socket','type':'unix','path':'n','abstract':true,'tight':false}",
          "unix:n" },
        { "{'transport':'socket','type':'inet','host':'h','port':'1','numeric':true}", "tcp:h:1" },
        { "{'transport':'exec','args':['/bin/nc','-p','6000','/some/sock']}",
          "exec:/bin/nc -p 6000 /some/sock" },
        { "{'transport':'exec','args':['/bin/echo','a b','','$x']}",
          "exec:/bin/echo 'a b' '' '$x'" },
        { "{'transport':'file','filename':'/f','offset':18446744073709551615}",
          "file:/f,offset=18446744073709551615" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        /* The quotes inside the URI are plain text there. */
        g_autoptr(Address) address = from_json_text(rows[i].json, &error);

        print_message("%s\n", rows[i].json);
        assert_non_null(address);
        assert_address_json(address, rows[i].json);
        g_autofree char *uri = address_to_uri(address);
        assert_string_equal(uri, rows[i].uri);
    }
}

static const struct {
    const char *json, *text;
} bad_json[] = {
    { "[]", "Invalid parameter type for 'addr', expected: object" },
    { "{}", "Parameter 'transport' is missing" },
    { "{'transport':5}", "Invalid parameter type for 'transport', expected: string" },
    { "{'transport':null}", "Invalid parameter type for 'transport', expected: string" },
    { "{'transport':'bogus'}", "Parameter 'transport' does not accept value 'bogus'" },
    { "{'transport':'socket'}", "Parameter 'type' is missing" },
    { "{'transport':'socket','type':'bogus'}", "Parameter 'type' does not accept value 'bogus'" },
    { "{'transport':'socket','type':'unix'}", "Parameter 'path' is missing" },
    { "{'transport':'socket','type':'unix','path':'/p','bogus':1}",
      "Parameter 'bogus' is unexpected" },
    { "{'transport':'socket','type':'unix','path':'a\\u0000b'}",
      "Parameter 'path' must not contain NUL" },
    { "{'transport':'socket','type':'inet','host':'h'}", "Parameter 'port' is missing" },
    { "{'transport':'socket','type':'inet','host':'h','port':1}",
      "Invalid parameter type for 'port', expected: string" },
    { "{'transport':'socket','type':'inet','host':'h','port':'70000'}",
      "Parameter 'port' expects a port from 0 to 65535" },
    { "{'transport':'socket','type':'inet','host':'h','port':'1','to':70000}",
      "Parameter 'to' expects uint16_t" },
    { "{'transport':'socket','type':'inet','host':'h','port':'1','to':-1}",
      "Parameter 'to' expects uint16_t" },
    { "{'transport':'socket','type':'inet','host':'h','port':'1','ipv4':'on'}",
      "Invalid parameter type for 'ipv4', expected: boolean" },
    { "{'transport':'exec'}", "Parameter 'args' is missing" },
    { "{'transport':'exec','args':'x'}", "Invalid parameter type for 'args', expected: array" },
    { "{'transport':'exec','args':[]}", "Parameter 'args' expects a command and its arguments" },
    { "{'transport':'exec','args':['a',1]}",
      "Invalid parameter type for 'args[1]', expected: string" },
    { "{'transport':'exec','args':['a'],'type':'inet'}", "Parameter 'type' is unexpected" },
    { "{'transport':'exec','data':'x'}", "Invalid parameter type for 'data', expected: array" },
    { "{'transport':'exec','data':[]}", "Parameter 'args' expects a command and its arguments" },
    { "{'transport':'exec','data':['a'],'args':['a']}",
      "'data' and members beside it cannot be given together" },
    { "{'transport':'socket','data':{'type':'fd','str':'x'},'str':'x'}",
      "'data' and members beside it cannot be given together" },
    { "{'transport':'socket','data':{'transport':'socket','type':'fd','str':'x'}}",
      "Parameter 'data.transport' is unexpected" },
    { "{'transport':'socket','data':['x']}",
      "Invalid parameter type for 'data', expected: object" },
    { "{'transport':'socket','data':{'type':'unix','path':'x','bogus':1}}",
      "Parameter 'bogus' is unexpected" },
    { "{'transport':'file','filename':'/f'}", "Parameter 'offset' is missing" },
    { "{'transport':'file','filename':'/f','offset':-1}", "Parameter 'offset' expects uint64" },
    { "{'transport':'file','filename':'/f','offset':1.5}", "Parameter 'offset' expects uint64" },
    { "{'transport':'file','filename':'/f','offset':'zz'}", "Parameter 'offset' expects uint64" },
    { "{'transport':'file','filename':'/f','offset':null}", "Parameter 'offset' expects uint64" },
};

static void test_bad_json_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad_json); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s\n", bad_json[i].json);
        assert_null(from_json_text(bad_json[i].json, &error));
        assert_non_null(error);
        assert_string_equal(error->message, bad_json[i].text);
    }
}

static void test_socket_address_is_that_of_query_migrate(void **state)
{
    static const struct {
        const char *json, *socket;
    } rows[] = {
        { "{'transport':'socket','type':'unix','path':'/d/i.sock'}",
          "{'path':'/d/i.sock','type':'unix'}" },
        { "{'transport':'socket','type':'unix','path':'n','abstract':true,'tight':true}",
          "{'abstract':true,'path':'n','type':'unix','tight':true}" },
        { "{'transport':'socket','type':'inet','host':'::1','port':'35053','ipv6':true}",
          "{'host':'::1','port':'35053','type':'inet','ipv6':true}" },
        { "{'transport':'socket','type':'vsock','cid':'2','port':'9'}",
          "{'cid':'2','port':'9','type':'vsock'}" },
        { "{'transport':'socket','type':'fd','str':'x'}", "{'str':'x','type':'fd'}" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Address) address = from_json_text(rows[i].json, NULL);
        json_object *socket = address_to_socket_address(address);

        assert_true(address_is_socket(address));
        assert_json(socket, rows[i].socket);
        json_object_put(socket);
    }
}

static void test_channels_hold_one_main_channel(void **state)
{
    g_autoptr(Address) address = address_from_uri("unix:/s", NULL);
    json_object *channels = address_to_channels(address);

    (void)state;
    assert_json(channels, "[{'channel-type':'main','addr':{'transport':'socket','type':'unix',"
                          "'path':'/s'}}]");
    json_object_put(channels);
}

static void test_only_sockets_are_sockets(void **state)
{
    static const struct {
        const char *uri;
        bool socket;
    } rows[] = {
        { "tcp:h:1", true }, { "unix:/s", true },  { "vsock:1:2", true }, { "fd:x", true },
        { "exec:x", false }, { "file:/f", false }, { "rdma:h:1", false },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Address) address = address_from_uri(rows[i].uri, NULL);
        assert_int_equal(address_is_socket(address), rows[i].socket);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_uris_become_addresses),
        cmocka_unit_test(test_json_and_copies_round_trip),
        cmocka_unit_test(test_bad_uris_are_refused_with_qemus_text),
        cmocka_unit_test(test_odd_uris_come_with_a_hint),
        cmocka_unit_test(test_older_shapes_mean_the_flat_one),
        cmocka_unit_test(test_json_only_shapes_round_trip),
        cmocka_unit_test(test_bad_json_is_refused),
        cmocka_unit_test(test_socket_address_is_that_of_query_migrate),
        cmocka_unit_test(test_channels_hold_one_main_channel),
        cmocka_unit_test(test_only_sockets_are_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
