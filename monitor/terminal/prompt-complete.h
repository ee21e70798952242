/*
 * Tab at the prompt: connects completion/complete.h with readline. Main
 * thread.
 */
#pragma once

#include "commands/hmp/hmp.h"

/* @hmp runs the lines; its variables are candidates. */
void prompt_complete_install(const Hmp *hmp);
void prompt_complete_remove(void);
