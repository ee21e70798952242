/*
 * migrate_check: asks both ends what a migration will depend on and lets the
 * rules judge. Where a thing cannot be known, that is said instead of guessed.
 */
#include "backend/attach/check.h"

#include <string.h>

#include "backend/base/error.h"

/* ---- facts ---- */

json_object *check_fact(Check *check, Side side, const char *name)
{
    return steps_reply(check->facts, side, name);
}

const char *check_text(Check *check, Side side, const char *name, const char *member)
{
    json_object *reply = check_fact(check, side, name);
    json_object *value =
        json_object_is_type(reply, json_type_object) ? json_object_object_get(reply, member) : NULL;

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

int check_capability(Check *check, Side side, const char *name)
{
    json_object *list = check_fact(check, side, "capabilities");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n; i++) {
        json_object *row = json_object_array_get_idx(list, i);

        if (g_strcmp0(json_object_get_string(json_object_object_get(row, "capability")), name) ==
            0) {
            return json_object_get_boolean(json_object_object_get(row, "state"));
        }
    }
    return -1;
}

void check_doubt(Check *check)
{
    check->doubtful = true;
}

void check_find(Check *check, Severity severity, Side side, const char *observed,
                const char *needed, const char *remedy)
{
    json_object *o = json_object_new_object();

    json_object_object_add(o, "severity",
                           json_object_new_string(severity == FINDING_ERROR ? "error" : "warning"));
    json_object_object_add(o, "side", json_object_new_string(side_name(side)));
    json_object_object_add(o, "what", json_object_new_string(check->rule));
    json_object_object_add(o, "observed", json_object_new_string(observed));
    json_object_object_add(o, "needed", json_object_new_string(needed));
    json_object_object_add(o, "remedy", json_object_new_string(remedy));
    json_object_array_add(check->findings, o);
}

/* ---- the end ---- */

static void check_free(void *data)
{
    Check *check = data;

    json_object_put(check->findings);
    json_object_put(check->checked);
    json_object_put(check->not_known);
    g_free(check->uri);
    g_free(check);
}

static void judge(Check *check)
{
    json_object *answer = json_object_new_object();

    for (const CheckRule *rule = check_rules; rule->name != NULL; rule++) {
        check->rule = rule->name;
        check->doubtful = false;
        rule->run(check);
        json_object_array_add(check->doubtful ? check->not_known : check->checked,
                              json_object_new_string(rule->name));
    }
    json_object_object_add(answer, "findings", g_steal_pointer(&check->findings));
    json_object_object_add(answer, "checked", g_steal_pointer(&check->checked));
    json_object_object_add(answer, "not-known", g_steal_pointer(&check->not_known));
    backend_reply_return(check->reply, answer);
    check_free(check);
}

/* ---- asking ---- */

static json_object *property(const char *path, const char *name)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, "path", json_object_new_string(path));
    if (name != NULL) {
        json_object_object_add(args, "property", json_object_new_string(name));
    }
    return args;
}

/* What the first answers name: the first vCPU's type, how each memory backend is backed. */
static void add_details(Check *check, Steps *details, Side side)
{
    json_object *cpus = check_fact(check, side, "cpus");
    json_object *memdevs = check_fact(check, side, "memdevs");
    json_object *first =
        json_object_is_type(cpus, json_type_array) ? json_object_array_get_idx(cpus, 0) : NULL;
    json_object *path = first != NULL ? json_object_object_get(first, "qom-path") : NULL;
    size_t n =
        json_object_is_type(memdevs, json_type_array) ? json_object_array_length(memdevs) : 0;

    if (path != NULL) {
        steps_add(details, side, "qom-get", property(json_object_get_string(path), "type"),
                  "cpu-type", false);
    }
    for (size_t i = 0; i < n; i++) {
        json_object *id = json_object_object_get(json_object_array_get_idx(memdevs, i), "id");
        g_autofree char *object =
            g_strdup_printf("/objects/%s", id != NULL ? json_object_get_string(id) : "");
        g_autofree char *huge = g_strconcat("hugetlb of ", object, NULL);
        g_autofree char *size = g_strconcat("hugetlbsize of ", object, NULL);

        steps_add(details, side, "qom-get", property(object, "hugetlb"), huge, false);
        steps_add(details, side, "qom-get", property(object, "hugetlbsize"), size, false);
    }
}

static void on_facts(Steps *steps, const GError *error, void *data)
{
    Check *check = data;

    check->facts = steps;
    if (error != NULL) {
        backend_reply_error(check->reply, g_error_copy(error));
        check_free(check);
    } else if (managed_source(check->managed) == NULL ||
               managed_destination(check->managed) == NULL) {
        backend_reply_failure(check->reply, "an end was let go of before all was compared");
        check_free(check);
    } else if (!check->detailed) {
        check->detailed = true;
        for (int side = 0; side < SIDE__COUNT; side++) {
            add_details(check, steps, (Side)side);
        }
        steps_add(steps, SIDE_SOURCE, "query-status", NULL, "state", false);
        steps_run(steps);
    } else {
        judge(check);
    }
}

static const struct {
    const char *command, *name;
} questions[] = {
    { "query-version", "version" },
    { "query-status", "state" },
    { "query-migrate", "migrate" },
    { "query-migrate-capabilities", "capabilities" },
    { "query-migrate-parameters", "parameters" },
    { "query-uuid", "uuid" },
    { "query-memory-size-summary", "memory" },
    { "query-memdev", "memdevs" },
    { "query-cpus-fast", "cpus" },
    { "query-kvm", "kvm" },
    { "query-machines", "machines" },
};

void managed_migrate_check(Managed *m, BackendSession *session, json_object *args,
                           BackendReply *reply)
{
    json_object *uri = json_object_object_get(args, "uri");

    (void)session;
    if (managed_source(m) == NULL || managed_destination(m) == NULL) {
        GError *error = g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                                    "both ends have to be attached to be compared");

        mig_error_hint(&error, "connect unix:PATH attaches the source, peer unix:PATH the "
                               "destination");
        backend_reply_error(reply, error);
        return;
    }

    Check *check = g_new0(Check, 1);
    check->managed = m;
    check->reply = reply;
    check->uri = uri != NULL ? g_strdup(json_object_get_string(uri)) : NULL;
    check->findings = json_object_new_array();
    check->checked = json_object_new_array();
    check->not_known = json_object_new_array();

    Steps *steps = steps_new(m, on_facts, check_free, check);
    for (int side = 0; side < SIDE__COUNT; side++) {
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
            bool first = i == 0; /* an end that does not answer is no end to compare with */

            steps_add(steps, (Side)side, questions[i].command, NULL, questions[i].name, first);
        }
        steps_add(steps, (Side)side, "qom-get", property("/machine", "type"), "machine", false);
        steps_add(steps, (Side)side, "qom-list", property("/machine/peripheral", NULL), "devices",
                  false);
    }
    steps_run(steps);
}
