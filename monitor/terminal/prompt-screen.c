/*
 * A screen in the prompt's place: see PromptScreen in prompt.h. Main thread.
 *
 * Readline goes on as before; what it would draw is given to the screen.
 */
#include "monitor/terminal/prompt-internal.h"

#include <readline/readline.h>
#include <unistd.h>

/* Readline's hooks carry no pointer. */
static Prompt *shown;

static void redisplay_on_screen(void)
{
    shown->screen->line(rl_line_buffer, (size_t)MAX(rl_point, 0), shown->screen_data);
}

void prompt_set_screen(Prompt *prompt, const PromptScreen *screen, void *data)
{
    prompt_remove_line(prompt);
    g_byte_array_set_size(prompt->input, 0);
    prompt->screen = screen;
    prompt->screen_data = data;
    shown = screen != NULL ? prompt : NULL;
    if (screen != NULL) {
        rl_redisplay_function = redisplay_on_screen;
        prompt->bell = g_strdup(rl_variable_value("bell-style"));
        rl_variable_bind("bell-style", "none"); /* it would go past the screen */
        prompt_watch_terminal(prompt);
    } else {
        rl_redisplay_function = rl_redisplay;
        rl_variable_bind("bell-style", prompt->bell != NULL ? prompt->bell : "audible");
        g_clear_pointer(&prompt->bell, g_free);
        rl_reset_screen_size();
    }
    prompt_schedule(prompt);
}

void prompt_type(Prompt *prompt, const uint8_t *bytes, size_t n)
{
    g_byte_array_append(prompt->input, bytes, (unsigned)n);
    prompt_schedule(prompt);
}

void prompt_set_dashboard(Prompt *prompt, bool (*open)(GError **error, void *data), void *data)
{
    prompt->open = open;
    prompt->open_data = data;
}

const struct termios *prompt_found_mode(const Prompt *prompt)
{
    return prompt->have_mode ? &prompt->found : NULL;
}

void prompt_use_mode(Prompt *prompt, bool ours)
{
    if (prompt->have_mode && ours) {
        prompt_set_mode(prompt);
    } else if (prompt->have_mode) {
        tcsetattr(STDIN_FILENO, TCSANOW, &prompt->found);
    }
}
