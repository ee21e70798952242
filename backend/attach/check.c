/*
 * migrate_check: asks both ends for what a migration depends on and runs the
 * rules. What neither end reports is listed as not known.
 */
#include "backend/attach/check.h"

#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/tables/capabilities.h"

/* ---- facts ---- */

json_object *check_fact(Check *check, Side side, const char *name)
{
    return steps_reply(check->facts, side, name);
}

const char *check_text(Check *check, Side side, const char *name, const char *member)
{
    return json_text(check_fact(check, side, name), member);
}

int check_capability(Check *check, Side side, const char *name)
{
    return capability_in(check_fact(check, side, "capabilities"), name);
}

void check_find(Check *check, Severity severity, Side side, const char *observed,
                const char *needed, const char *remedy)
{
    json_object *o = json_object_new_object();

    json_add_text(o, "severity", severity == FINDING_ERROR ? "error" : "warning");
    json_add_text(o, "side", side_name(side));
    json_add_text(o, "what", check->rule);
    json_add_text(o, "observed", observed);
    json_add_text(o, "needed", needed);
    json_add_text(o, "remedy", remedy);
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

    for (const CheckRule *rule = check->rules; rule->name != NULL; rule++) {
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
    json_object *args = json_object_with_text("path", path);

    json_add_text(args, "property", name);
    return args;
}

/* Second round, which needs the first answers: type of the first vCPU, properties of each memory
 * backend. */
static void add_details(Check *check, Steps *details, Side side)
{
    json_object *cpus = check_fact(check, side, "cpus");
    json_object *memdevs = check_fact(check, side, "memdevs");
    const char *path = json_text(json_at(cpus, 0), "qom-path");

    if (*path != '\0') {
        steps_add(details, side, "qom-get", property(path, "type"), "cpu-type", false);
    }
    for (JsonEach row = json_each(memdevs); json_next(&row);) {
        g_autofree char *object = g_strconcat("/objects/", json_text(row.value, "id"), NULL);
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

void check_run(Managed *m, const CheckRule *rules, json_object *args, BackendReply *reply)
{
    json_object *uri = json_member(args, "uri");

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
    check->rules = rules;
    check->reply = reply;
    check->uri = uri != NULL ? g_strdup(json_object_get_string(uri)) : NULL;
    check->findings = json_object_new_array();
    check->checked = json_object_new_array();
    check->not_known = json_object_new_array();

    Steps *steps = steps_new(m, on_facts, check_free, check);
    for (int side = 0; side < SIDE__COUNT; side++) {
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
            bool first = i == 0; /* an end that does not answer cannot be compared */

            steps_add(steps, (Side)side, questions[i].command, NULL, questions[i].name, first);
        }
        steps_add(steps, (Side)side, "qom-get", property("/machine", "type"), "machine", false);
        steps_add(steps, (Side)side, "qom-list", property("/machine/peripheral", NULL), "devices",
                  false);
    }
    steps_run(steps);
}
