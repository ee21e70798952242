/*
 * Commands that concern the outside: display clients and network switches are
 * informed of a move, and descriptors are received.
 */
#include "commands/hmp/hmp-internal.h"

/* ---- client_migrate_info ---- */

static void add_integer(HmpCall *call, json_object *args, const char *name)
{
    if (call_has(call, name)) {
        json_add_integer(args, name, call_integer(call, name));
    }
}

static void run_client_info(HmpCall *call)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "protocol", call_text(call, "protocol"));
    json_add_text(args, "hostname", call_text(call, "hostname"));
    add_integer(call, args, "port");
    add_integer(call, args, "tls-port");
    json_add_text(args, "cert-subject", call_text(call, "cert-subject"));
    call_request(call, "client_migrate_info", args, call_finish_with);
}

/* ---- announce_self ---- */

/* The list "a,b,c". */
static json_object *interface_list(const char *text)
{
    g_auto(GStrv) names = g_strsplit(text, ",", -1);
    json_object *list = json_object_new_array();

    for (char **name = names; *name; name++) {
        json_object_array_add(list, json_object_new_string(*name));
    }
    return list;
}

/* The migration parameters give number and interval of the announcements. */
static void announce_as_set(HmpCall *call, json_object *value, const GError *error)
{
    static const char *const members[] = { "initial", "max", "rounds", "step" };

    if (error) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }

    json_object *args = json_object_new_object();
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *parameter = g_strconcat("announce-", members[i], NULL);

        json_object_object_add(args, members[i], json_object_get(json_member(value, parameter)));
    }
    if (call_has(call, "interfaces")) {
        json_object_object_add(args, "interfaces", interface_list(call_text(call, "interfaces")));
    }
    json_add_text(args, "id", call_text(call, "id"));
    call_request(call, "announce-self", args, call_finish_with);
}

static void run_announce(HmpCall *call)
{
    call_request(call, "query-migrate-parameters", NULL, announce_as_set);
}

/* ---- descriptors ---- */

static json_object *fdname_argument(HmpCall *call)
{
    return json_object_with_text("fdname", call_text(call, "fdname"));
}

static void run_getfd(HmpCall *call)
{
    call_request(call, "getfd", fdname_argument(call), call_finish_with);
}

static void run_closefd(HmpCall *call)
{
    call_request(call, "closefd", fdname_argument(call), call_finish_with);
}

const Command cmd_client_migrate_info = {
    .name = "client_migrate_info",
    .params = "protocol hostname port tls-port cert-subject",
    .help = "set migration information for remote display",
    .args = (const ArgSpec[]){ { "protocol", ARG_STRING, .help = "spice" },
                               { "hostname", ARG_STRING, .help = "where clients go" },
                               { "port", ARG_INTEGER32, .optional = true, .help = "plain port" },
                               { "tls-port", ARG_INTEGER32, .optional = true, .help = "TLS port" },
                               { "cert-subject", ARG_STRING, .optional = true,
                                 .help = "what the certificate must name" },
                               { 0 } },
    .run = run_client_info,
};

const Command cmd_announce_self = {
    .name = "announce_self",
    .params = "[interfaces] [id]",
    .help = "Trigger GARP/RARP announcements",
    .args = (const ArgSpec[]){ { "interfaces", ARG_STRING, .optional = true,
                                 .help = "network devices, commas between; default all" },
                               { "id", ARG_STRING, .optional = true,
                                 .help = "name of this round, to change or stop it" },
                               { 0 } },
    .run = run_announce,
};

const Command cmd_getfd = {
    .name = "getfd",
    .params = "getfd name",
    .help = "receive a file descriptor via SCM rights and assign it a name",
    .args = (const ArgSpec[]){ { "fdname", ARG_STRING, .help = "name for it" }, { 0 } },
    .run = run_getfd,
};

const Command cmd_closefd = {
    .name = "closefd",
    .params = "closefd name",
    .help = "close a file descriptor previously passed via SCM rights",
    .args = (const ArgSpec[]){ { "fdname", ARG_STRING, .help = "name that getfd gave" }, { 0 } },
    .run = run_closefd,
};
