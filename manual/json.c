/*
 * migmon-json(5): the lines of --json. The envelope is described here; events
 * and the types of replies come from the schema.
 */
#include "manual/manual.h"

#include "backend/schema/schema.h"
#include "commands/hmp/json-line.h"
#include "commands/topics.h"

static const char envelope[] =
    ".Sh DESCRIPTION\n"
    "With\n"
    ".Fl -json\n"
    "a batch of\n"
    ".Xr migmon 1\n"
    "prints on standard output nothing but JSON objects, one a line: one for each\n"
    "command when it has ended, one for each event when it comes, and one when\n"
    "the program ends.\n"
    "Text for people stays on standard error.\n"
    ".Pp\n"
    "The first member of each object is\n"
    ".Cm migmon ,\n"
    "the version of this format.\n"
    "New members may come without a new version, so readers pass over what they\n"
    "do not know.\n"
    ".Ss Commands\n"
    ".Bl -tag -width Ds\n"
    ".It Cm place\n"
    "where the line stands:\n"
    ".Ql script.hmp:12\n"
    "or\n"
    ".Ql -c 1 .\n"
    ".It Cm command\n"
    "the line, with the values of its variables.\n"
    ".It Cm return\n"
    "the reply to the request that the command made, as QMP gives it; of a\n"
    "command that only prints, a string with its output; otherwise an empty\n"
    "object.\n"
    ".It Cm error\n"
    "there if and only if the command failed; see below.\n"
    "A command that has something to tell when it fails\n"
    ".Pq Ic guest_verify , assert\n"
    "gives\n"
    ".Cm return\n"
    "as well.\n"
    ".It Cm x-query-migrate-history , x-query-owner\n"
    "of\n"
    ".Ic info migrate :\n"
    "replies to these requests.\n"
    ".It Cm warnings\n"
    "a list of strings; left out when there are none.\n"
    ".El\n"
    ".Ss Errors\n"
    ".Bl -tag -width Ds\n"
    ".It Cm class\n"
    "the class of the error in QMP.\n"
    ".It Cm desc\n"
    "what is wrong; QEMU's words where QEMU has some.\n"
    ".It Cm hint\n"
    "what can be done about it; left out when there is nothing to say.\n"
    ".It Cm kind\n"
    "of a line:\n"
    ".Cm syntax\n"
    "it was not understood;\n"
    ".Cm failed\n"
    "it was refused or did not work;\n"
    ".Cm verify\n"
    "the guest's memory is not what it should be;\n"
    ".Cm timeout\n"
    "a wait ran out;\n"
    ".Cm assert\n"
    "an assertion did not hold.\n"
    ".El\n"
    ".Pp\n"
    "An object with\n"
    ".Cm error\n"
    "and without\n"
    ".Cm command\n"
    "is about a line that could not be read, or, without\n"
    ".Cm place\n"
    "too, about a program that could not begin.\n"
    ".Ss The end\n"
    "The last object has the member\n"
    ".Cm exit ,\n"
    "the exit status of the program.\n"
    "It is not there when the program was killed.\n";

/* ---- members ---- */

static const char *type_name(const SchemaType *type)
{
    switch (type->kind) {
    case SCHEMA_STR:
    case SCHEMA_STR_OR_NULL:
        return "string";
    case SCHEMA_BOOL:
        return "boolean";
    case SCHEMA_INT:
    case SCHEMA_UINT8:
    case SCHEMA_UINT16:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_SIZE:
        return "integer";
    case SCHEMA_NUMBER:
        return "number";
    case SCHEMA_ANY:
        return "anything";
    default:
        return type->name ? type->name : "object";
    }
}

static void write_members(const SchemaMember *member)
{
    manual_raw(".Bl -tag -width Ds -compact\n");
    for (; member->name; member++) {
        const SchemaType *type = member->type;
        bool list = type->kind == SCHEMA_LIST;
        g_autofree char *text = g_strdup_printf(
            "%s%s%s%s", list ? "list of " : "", type_name(list ? type->element : type),
            member->optional ? ", may be left out" : "", member->deprecated ? ", deprecated" : "");

        manual_macro(".It Cm", member->name, NULL);
        manual_text(text);
    }
    manual_raw(".El\n");
}

static void write_events(void)
{
    size_t n;
    const SchemaEvent *events = schema_events(&n);

    manual_raw(".Sh EVENTS\n"
               ".Bl -tag -width Ds -compact\n"
               ".It Cm timestamp\n"
               "object with\n"
               ".Cm seconds\n"
               "since 1970 and\n"
               ".Cm microseconds .\n"
               ".It Cm event\n"
               "its name.\n"
               ".It Cm data\n"
               "object with the members below; left out when there are none.\n"
               ".El\n"
               ".Pp\n"
               "The capability\n"
               ".Cm events\n"
               "need not be on.\n"
               ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < n; i++) {
        g_autofree char *meaning =
            g_strconcat(topic_summary(TOPIC_EVENT, events[i].name), ".", NULL);

        manual_macro(".It Cm", events[i].name, NULL);
        manual_text(meaning);
        if (events[i].data) {
            write_members(events[i].data);
        }
    }
    manual_raw(".El\n");
}

/* ---- replies ---- */

static const struct {
    const char *commands, *type;
} replies[] = {
    { "info migrate, migrate, wait for a state", "MigrationInfo" },
    { NULL, "MigrationStats" },
    { "info status", "StatusInfo" },
    { "info name", "NameInfo" },
    { "info uuid", "UuidInfo" },
    { "info guest (a list)", "XGuestValue" },
    { "guest_verify", "XGuestVerify" },
    { NULL, "XFaultCount" },
    { NULL, "XFinding" },
    { "x-query-owner", "XOwner" },
    { "x-query-migrate-history", "XMigrateHistory" },
    { NULL, "XStateChange" },
    { NULL, "XPass" },
};

static void write_enum(const SchemaType *type)
{
    g_autofree char *values = g_strjoinv(", ", (char **)type->values);

    manual_macro(".It Cm", type->name, NULL);
    manual_text(values);
}

static void write_replies(void)
{
    static const char *const enums[] = { "MigrationStatus", "RunState", "XOwnerState",
                                         "XDirection" };

    manual_raw(".Sh REPLIES\n"
               "Times are in milliseconds and sizes in bytes, unless the name says otherwise.\n"
               ".Ic wait\n"
               "for an event returns that event,\n"
               ".Ic assert\n"
               "an object with\n"
               ".Cm field\n"
               "and\n"
               ".Cm value .\n"
               "Replies that are not listed are as QEMU's reference of QMP describes them.\n");
    for (size_t i = 0; i < G_N_ELEMENTS(replies); i++) {
        manual_macro(".Ss", replies[i].type, NULL);
        if (replies[i].commands) {
            g_autofree char *text = g_strdup_printf("Of: %s.", replies[i].commands);

            manual_text(text);
        }
        write_members(schema_find_type(replies[i].type)->members);
    }
    manual_raw(".Ss Words\n"
               ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < G_N_ELEMENTS(enums); i++) {
        write_enum(schema_find_type(enums[i]));
    }
    manual_raw(".El\n");
}

void manual_write_json(void)
{
    g_autofree char *version = g_strdup_printf("This is version %d.", JSON_LINE_VERSION);

    manual_raw(".Dd November 20, 2026\n"
               ".Dt MIGMON-JSON 5\n"
               ".Os\n"
               ".Sh NAME\n"
               ".Nm migmon-json\n"
               ".Nd output of migmon for programs\n");
    manual_raw(envelope);
    manual_raw(".Ss Version\n");
    manual_text(version);
    write_events();
    write_replies();
    manual_raw(".Sh EXAMPLES\n"
               "The state in which each migration of a script ended:\n"
               ".Bd -literal -offset indent\n"
               "$ migmon --json --batch script.hmp |\n"
               "    jq -r 'select(.event == \"MIGRATION\") | .data.status' | tail -n 1\n"
               ".Ed\n"
               ".Sh SEE ALSO\n"
               ".Xr migmon 1 ,\n"
               ".Xr migmon-hmp 7\n");
}
