/*
 * The list of all commands. The rows are in one file for each family; a new
 * command is one row there and one line in table.def. Only this file names
 * them: the parser, the dispatch and help get the list from their caller.
 */
#include "commands/table.h"

#define COMMAND(name) extern const Command cmd_##name;
#include "commands/table.def"
#undef COMMAND

const Command *const command_table[] = {
#define COMMAND(name) &cmd_##name,
#include "commands/table.def"
#undef COMMAND
    NULL,
};
