/*
 * The types of migmon's own commands for attached monitors and for the check
 * before a migration.
 */
#include "backend/schema/types.h"

#include "backend/schema/build.h"

const SchemaType schema_x_side = ENUM("XSide", NAMES("source", "destination"));

static const SchemaType str_list = LIST(schema_str);

/* ---- x-query-target ---- */

const SchemaType schema_x_end =
    STRUCT("XEnd",
           MEMBER("side", schema_x_side) MEMBER("address", schema_str) MEMBER("version", schema_str)
               MEMBER("name", schema_str) MEMBER("uuid", schema_str) MEMBER("answers", schema_bool)
                   OPTIONAL("trouble", schema_str) MEMBER("run-state", schema_str)
                       MEMBER("status", schema_str) OPTIONAL("error-desc", schema_str)
                           MEMBER("commands-sent", schema_uint64));
static const SchemaType end_list = LIST(schema_x_end);
const SchemaType schema_x_setting =
    STRUCT("XSetting", MEMBER("name", schema_str) OPTIONAL("type", schema_str)
                           OPTIONAL("values", str_list) OPTIONAL("features", str_list));
static const SchemaType setting_list = LIST(schema_x_setting);
const SchemaType schema_x_target = STRUCT(
    "XTarget", OPTIONAL("attached", schema_bool) OPTIONAL("ends", end_list)
                   OPTIONAL("version", schema_str) OPTIONAL("title", schema_str)
                       OPTIONAL("observe", schema_bool) OPTIONAL("parameters", setting_list)
                           OPTIONAL("capabilities", setting_list) OPTIONAL("commands", str_list));

/* ---- x-migrate-check ---- */

const SchemaType schema_x_severity = ENUM("XSeverity", NAMES("error", "warning"));
const SchemaType schema_x_finding =
    STRUCT("XCheckFinding", MEMBER("severity", schema_x_severity) MEMBER("side", schema_x_side)
                                MEMBER("what", schema_str) MEMBER("observed", schema_str)
                                    MEMBER("needed", schema_str) MEMBER("remedy", schema_str));
static const SchemaType finding_list = LIST(schema_x_finding);
const SchemaType schema_x_check =
    STRUCT("XCheck", MEMBER("findings", finding_list) MEMBER("checked", str_list)
                         MEMBER("not-known", str_list));
