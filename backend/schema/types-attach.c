/*
 * The types of migmon's own commands for attached monitors and for the check
 * before a migration.
 */
#include "backend/schema/types.h"

#include "backend/schema/build.h"

const SchemaType schema_x_side = ENUM("XSide", NAMES("source", "destination"));

/* ---- x-query-target ---- */

static const SchemaType x_end =
    STRUCT("XEnd",
           MEMBER("side", schema_x_side) MEMBER("address", schema_str) MEMBER("version", schema_str)
               MEMBER("name", schema_str) MEMBER("uuid", schema_str) MEMBER("answers", schema_bool)
                   OPTIONAL("trouble", schema_str) MEMBER("run-state", schema_str)
                       MEMBER("status", schema_str) OPTIONAL("error-desc", schema_str)
                           MEMBER("commands-sent", schema_uint64));
static const SchemaType end_list = LIST(x_end);
static const SchemaType x_setting =
    STRUCT("XSetting", MEMBER("name", schema_str) OPTIONAL("type", schema_str) OPTIONAL(
                           "values", schema_str_list) OPTIONAL("features", schema_str_list));
static const SchemaType setting_list = LIST(x_setting);
const SchemaType schema_x_target =
    STRUCT("XTarget", OPTIONAL("attached", schema_bool) OPTIONAL("ends", end_list)
                          OPTIONAL("version", schema_str) OPTIONAL("title", schema_str)
                              OPTIONAL("observe", schema_bool) OPTIONAL("parameters", setting_list)
                                  OPTIONAL("capabilities", setting_list)
                                      OPTIONAL("commands", schema_str_list));

/* ---- x-migrate-check ---- */

static const SchemaType x_severity = ENUM("XSeverity", NAMES("error", "warning"));
static const SchemaType x_finding =
    STRUCT("XCheckFinding", MEMBER("severity", x_severity) MEMBER("side", schema_x_side)
                                MEMBER("what", schema_str) MEMBER("observed", schema_str)
                                    MEMBER("needed", schema_str) MEMBER("remedy", schema_str));
static const SchemaType finding_list = LIST(x_finding);
const SchemaType schema_x_check =
    STRUCT("XCheck", MEMBER("findings", finding_list) MEMBER("checked", schema_str_list)
                         MEMBER("not-known", schema_str_list));

const SchemaType *const schema_attach_types[] = {
    &schema_x_side, &x_end,     &x_setting,      &schema_x_target,
    &x_severity,    &x_finding, &schema_x_check, NULL,
};
