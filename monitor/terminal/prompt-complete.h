/*
 * Tab at the prompt: carries completion/complete.h over to readline. Main
 * thread.
 */
#pragma once

#include "commands/hmp/hmp.h"

/* @hmp is the monitor that will get the lines: its variables are offered. */
void prompt_complete_install(const Hmp *hmp);
void prompt_complete_remove(void);
