/*
 * Tab at the prompt: carries completion/complete.h over to readline. Main
 * thread.
 */
#pragma once

void prompt_complete_install(void);
void prompt_complete_remove(void);
