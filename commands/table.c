/*
 * The list of all commands. The rows are in one file for each family; a new
 * command is one row there and one line here.
 */
#include "commands/table.h"

#include <string.h>

#include "commands/hmp/hmp-internal.h"

const Command *const command_table[] = {
    &cmd_announce_self,
    &cmd_assert,
    &cmd_calc_dirty_rate,
    &cmd_cancel_vcpu_dirty_limit,
    &cmd_client_migrate_info,
    &cmd_closefd,
    &cmd_connect,
    &cmd_cont,
    &cmd_dashboard,
    &cmd_delvm,
    &cmd_disconnect,
    &cmd_echo,
    &cmd_expect,
    &cmd_fault_release,
    &cmd_getfd,
    &cmd_guest_plant,
    &cmd_guest_set,
    &cmd_guest_verify,
    &cmd_help,
    &cmd_info,
    &cmd_loadvm,
    &cmd_migrate,
    &cmd_migrate_cancel,
    &cmd_migrate_check,
    &cmd_migrate_continue,
    &cmd_migrate_incoming,
    &cmd_migrate_pause,
    &cmd_migrate_recover,
    &cmd_migrate_set_capability,
    &cmd_migrate_set_parameter,
    &cmd_migrate_start_postcopy,
    &cmd_migrate_to,
    &cmd_object_add,
    &cmd_object_del,
    &cmd_on_error,
    &cmd_peer,
    &cmd_print,
    &cmd_qemu,
    &cmd_quit,
    &cmd_report,
    &cmd_savevm,
    &cmd_set,
    &cmd_set_vcpu_dirty_limit,
    &cmd_sleep,
    &cmd_source,
    &cmd_stop,
    &cmd_wait,
    &cmd_x_colo_lost_heartbeat,
    NULL,
};

char *command_usage(const Command *command)
{
    GString *usage = g_string_new(NULL);

    for (const ArgSpec *option = command->options; option && option->name; option++) {
        g_string_append_printf(usage, "[--%s%s%s]%s ", option->name, option->value ? " " : "",
                               option->value ? option->value : "", option->repeatable ? "..." : "");
    }
    g_string_append(usage, command->params);
    return g_string_free(usage, FALSE);
}

static bool is_name_of(const char *names, const char *name, size_t length)
{
    for (;;) {
        size_t n = strcspn(names, "|");

        if (n == length && memcmp(names, name, n) == 0) {
            return true;
        }
        if (names[n] == '\0') {
            return false;
        }
        names += n + 1;
    }
}

const Command *command_find(const Command *const *table, const char *name, size_t length)
{
    for (; length > 0 && *table; table++) {
        if (is_name_of((*table)->name, name, length)) {
            return *table;
        }
    }
    return NULL;
}
