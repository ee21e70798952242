/*
 * The only file that knows ncurses. See screen.h.
 *
 * All calls of ncurses are made on the screen's thread, because they block
 * until the terminal takes the output. ncurses only writes; the main loop reads
 * the input. ncurses installs no handlers of signals, because it finds ours.
 */
#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <term.h>
#include <unistd.h>
#include <wchar.h>

#include "backend/base/error.h"
#include "backend/base/lock.h"
#include "tui/screen.h"

/* Macros of ncurses that clash with our names. */
#undef lines
#undef columns

/* Leave the second screen, default attributes, cursor on, mouse off. */
const char screen_rescue[] = "\033[?1006l\033[?1000l\033[?1049l\033[0m\033[?25h\033[?7h\033(B\r\n";

#define MOUSE_ON  "\033[?1000h\033[?1006h"
#define MOUSE_OFF "\033[?1006l\033[?1000l"

/* ---- themes ---- */

enum { THEME_MONO = 2 }; /* 0 and 1 are rows of looks */

/* Colours that people with red-green colour blindness can tell apart: blue, orange, vermilion. */
typedef struct {
    short fg256, fg16; /* -1 = the terminal's own */
    attr_t attributes; /* with colour */
    attr_t mono;
} Look;

static const Look looks[2][STYLE__COUNT] = {
    {
        [STYLE_NORMAL] = { -1, -1, 0, 0 },
        [STYLE_DIM] = { 244, 8, 0, A_DIM },
        [STYLE_TITLE] = { 252, 7, A_BOLD, A_BOLD },
        [STYLE_FRAME] = { 240, 8, 0, A_DIM },
        [STYLE_FOCUS] = { 221, 11, A_BOLD, A_BOLD | A_UNDERLINE },
        [STYLE_BAR] = { 74, 6, A_REVERSE, A_REVERSE },
        [STYLE_KEY] = { 221, 11, A_BOLD | A_REVERSE, A_REVERSE },
        [STYLE_GOOD] = { 74, 12, A_BOLD, A_BOLD },
        [STYLE_WARN] = { 214, 3, A_BOLD, A_BOLD },
        [STYLE_BAD] = { 209, 9, A_BOLD | A_REVERSE, A_BOLD | A_REVERSE },
        [STYLE_RATE] = { 74, 12, 0, 0 },
        [STYLE_DIRTY] = { 214, 3, A_BOLD, A_BOLD },
        [STYLE_LIMIT] = { 175, 13, 0, A_BOLD },
        [STYLE_HEAT_1] = { 222, 11, 0, 0 },
        [STYLE_HEAT_2] = { 214, 3, A_BOLD, A_BOLD },
        [STYLE_HEAT_3] = { 209, 9, A_BOLD | A_REVERSE, A_BOLD | A_REVERSE },
        [STYLE_SELECT] = { -1, -1, A_REVERSE, A_REVERSE },
        [STYLE_FOUND] = { 221, 11, A_REVERSE, A_UNDERLINE },
    },
    {
        [STYLE_NORMAL] = { 231, 15, A_BOLD, 0 },
        [STYLE_DIM] = { 252, 7, 0, 0 },
        [STYLE_TITLE] = { 231, 15, A_BOLD, A_BOLD },
        [STYLE_FRAME] = { 252, 7, 0, 0 },
        [STYLE_FOCUS] = { 226, 11, A_BOLD | A_REVERSE, A_REVERSE },
        [STYLE_BAR] = { 231, 15, A_REVERSE | A_BOLD, A_REVERSE },
        [STYLE_KEY] = { 226, 11, A_BOLD | A_REVERSE, A_REVERSE },
        [STYLE_GOOD] = { 51, 14, A_BOLD, A_BOLD },
        [STYLE_WARN] = { 226, 11, A_BOLD, A_BOLD },
        [STYLE_BAD] = { 231, 15, A_BOLD | A_REVERSE, A_BOLD | A_REVERSE },
        [STYLE_RATE] = { 51, 14, A_BOLD, 0 },
        [STYLE_DIRTY] = { 226, 11, A_BOLD, A_BOLD },
        [STYLE_LIMIT] = { 231, 15, A_BOLD, A_BOLD },
        [STYLE_HEAT_1] = { 226, 11, A_BOLD, 0 },
        [STYLE_HEAT_2] = { 226, 11, A_BOLD | A_UNDERLINE, A_BOLD },
        [STYLE_HEAT_3] = { 226, 11, A_BOLD | A_REVERSE, A_BOLD | A_REVERSE },
        [STYLE_SELECT] = { 231, 15, A_REVERSE | A_BOLD, A_REVERSE },
        [STYLE_FOUND] = { 226, 11, A_REVERSE | A_BOLD, A_UNDERLINE },
    },
};

struct Screen {
    /* Constant. */
    ScreenOptions options;
    GThread *thread;
    FILE *out;

    /* Shared, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the thread: something below changed */
    pthread_cond_t gone; /* for the main thread */
    Canvas *next;        /* to be drawn */
    GString *bytes;
    bool repaint;
    bool leave;
    bool has_left;
    bool orphaned; /* screen_close() gave up waiting: the thread frees */
    void (*left)(void *data);
    void *left_data;

    /* The thread's own. */
    SCREEN *curses;
    Canvas *drawn;
    attr_t attributes[STYLE__COUNT];
    short pairs[STYLE__COUNT];
};

/* ---- the thread ---- */

static void choose_looks(Screen *screen)
{
    int colors = has_colors() && start_color() == OK ? COLORS : 0;
    int theme = screen->options.theme;

    if (screen->options.colors >= 0) {
        colors = MIN(colors, screen->options.colors);
    }
    use_default_colors();
    for (short i = 0; i < STYLE__COUNT; i++) {
        const Look *look = &looks[theme == 1][i];
        short fg = look->fg16;

        if (colors < 8 || theme == THEME_MONO) {
            screen->attributes[i] = look->mono;
            continue;
        }
        screen->attributes[i] = look->attributes;
        if (colors >= 256) {
            fg = look->fg256;
        } else if (colors < 16 && fg >= 8) {
            fg = (short)(fg == 8 ? 7 : fg - 8); /* grey of eight colours would be black */
            screen->attributes[i] |= look->fg16 == 8 ? A_DIM : A_BOLD;
        }
        if (fg >= 0 && init_pair((short)(i + 1), fg, -1) == OK) {
            screen->pairs[i] = (short)(i + 1);
        }
    }
}

static bool begin_curses(Screen *screen)
{
    screen->curses = newterm(NULL, screen->out, stdin);
    if (screen->curses == NULL) {
        return false;
    }
    typeahead(-1); /* never look at the input */
    cbreak();
    noecho();
    nonl();
    curs_set(0);
    choose_looks(screen);
    if (screen->options.mouse) {
        fputs(MOUSE_ON, screen->out);
        fflush(screen->out);
    }
    return true;
}

static void end_curses(Screen *screen)
{
    if (screen->curses != NULL) {
        if (screen->options.mouse) {
            fputs(MOUSE_OFF, screen->out);
            fflush(screen->out);
        }
        endwin();
        delscreen(screen->curses);
        screen->curses = NULL;
    }
}

static void draw_row(Screen *screen, const Canvas *canvas, int y)
{
    const Cell *row = canvas_row(canvas, y);
    int width = canvas_width(canvas);
    g_autofree wchar_t *text = g_new(wchar_t, (size_t)width);

    for (int x = 0; x < width;) {
        uint8_t style = row[x].style;
        int begin = x, n = 0;

        for (; x < width && row[x].style == style; x++) {
            if (row[x].ch != 0) {
                text[n++] = (wchar_t)row[x].ch;
            }
        }
        attr_set(screen->attributes[style], screen->pairs[style], NULL);
        mvaddnwstr(y, begin, text, n);
    }
}

static void draw(Screen *screen, Canvas *canvas)
{
    int width = canvas_width(canvas), height = canvas_height(canvas);
    bool whole = screen->drawn == NULL || canvas_width(screen->drawn) != width ||
                 canvas_height(screen->drawn) != height;

    if (LINES != height || COLS != width) {
        resizeterm(height, width);
        clearok(curscr, TRUE);
    }
    for (int y = 0; y < height; y++) {
        if (whole || memcmp(canvas_row(canvas, y), canvas_row(screen->drawn, y),
                            sizeof(Cell) * (size_t)width) != 0) {
            draw_row(screen, canvas, y);
        }
    }
    refresh();
    canvas_free(screen->drawn);
    screen->drawn = canvas;
}

static gboolean tell_left(void *data)
{
    Screen *screen = data;

    screen->left(screen->left_data);
    return G_SOURCE_REMOVE;
}

static void free_screen(Screen *screen)
{
    canvas_free(screen->next);
    canvas_free(screen->drawn);
    g_string_free(screen->bytes, TRUE);
    fclose(screen->out);
    pthread_mutex_destroy(&screen->lock);
    pthread_cond_destroy(&screen->wake);
    pthread_cond_destroy(&screen->gone);
    g_free(screen);
}

static void *run(void *data)
{
    Screen *screen = data;
    bool orphaned;
    bool works = begin_curses(screen);

    pthread_mutex_lock(&screen->lock);
    while (!screen->leave) {
        Canvas *canvas = g_steal_pointer(&screen->next);
        g_autofree char *bytes = screen->bytes->len > 0 ? g_strdup(screen->bytes->str) : NULL;
        bool repaint = screen->repaint;

        if (!canvas && !bytes && !repaint) {
            pthread_cond_wait(&screen->wake, &screen->lock);
            continue;
        }
        screen->repaint = false;
        g_string_truncate(screen->bytes, 0);
        pthread_mutex_unlock(&screen->lock);
        if (works && repaint) {
            reset_prog_mode();
            clearok(curscr, TRUE);
            refresh();
        }
        if (works && canvas) {
            draw(screen, canvas);
        } else {
            canvas_free(canvas);
        }
        if (bytes) {
            fputs(bytes, screen->out);
            fflush(screen->out);
        }
        pthread_mutex_lock(&screen->lock);
    }
    pthread_mutex_unlock(&screen->lock);
    end_curses(screen);
    pthread_mutex_lock(&screen->lock);
    screen->has_left = true;
    orphaned = screen->orphaned;
    if (screen->left && !orphaned) {
        g_idle_add_full(G_PRIORITY_DEFAULT, tell_left, screen, NULL);
    }
    pthread_cond_signal(&screen->gone);
    pthread_mutex_unlock(&screen->lock);
    if (orphaned) {
        free_screen(screen);
    }
    return NULL;
}

/* ---- the main thread ---- */

static bool check_terminal(GError **error)
{
    int why = 0;
    bool good;

    if (setupterm(NULL, STDOUT_FILENO, &why) != OK) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED, "the terminal '%s' is not known",
                    g_getenv("TERM") ? g_getenv("TERM") : "");
        mig_error_hint(error, "set TERM, or use --plain");
        return false;
    }
    good = cursor_address != NULL;
    del_curterm(cur_term);
    if (!good) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "the terminal '%s' cannot place its cursor", g_getenv("TERM"));
        mig_error_hint(error, "--plain shows the migration in lines");
    }
    return good;
}

Screen *screen_open(const ScreenOptions *options, GError **error)
{
    Screen *screen;
    int fd;

    if (!check_terminal(error)) {
        return NULL;
    }
    fd = dup(STDOUT_FILENO);
    if (fd < 0) {
        mig_error_set_errno(error, errno, "the terminal cannot be opened");
        return NULL;
    }
    FILE *out = fdopen(fd, "w");
    if (out == NULL) {
        mig_error_set_errno(error, errno, "the terminal cannot be opened");
        close(fd);
        return NULL;
    }
    screen = g_new0(Screen, 1);
    screen->options = *options;
    screen->out = out;
    screen->bytes = g_string_new(NULL);
    pthread_mutex_init(&screen->lock, NULL);
    mig_cond_init(&screen->wake);
    mig_cond_init(&screen->gone);
    screen->thread = g_thread_try_new("screen", run, screen, error);
    if (screen->thread == NULL) {
        g_prefix_error(error, "the terminal cannot be opened: ");
        free_screen(screen);
        return NULL;
    }
    return screen;
}

void screen_show(Screen *screen, Canvas *canvas)
{
    pthread_mutex_lock(&screen->lock);
    canvas_free(screen->next);
    screen->next = canvas;
    pthread_cond_signal(&screen->wake);
    pthread_mutex_unlock(&screen->lock);
}

void screen_repaint(Screen *screen)
{
    pthread_mutex_lock(&screen->lock);
    screen->repaint = true;
    pthread_cond_signal(&screen->wake);
    pthread_mutex_unlock(&screen->lock);
}

void screen_send(Screen *screen, const char *bytes)
{
    pthread_mutex_lock(&screen->lock);
    if (screen->bytes->len < 4096) { /* dropped beyond that while the terminal takes no output */
        g_string_append(screen->bytes, bytes);
    }
    pthread_cond_signal(&screen->wake);
    pthread_mutex_unlock(&screen->lock);
}

void screen_leave(Screen *screen, void (*left)(void *data), void *data)
{
    pthread_mutex_lock(&screen->lock);
    screen->leave = true;
    screen->left = left;
    screen->left_data = data;
    pthread_cond_signal(&screen->wake);
    pthread_mutex_unlock(&screen->lock);
}

bool screen_close(Screen *screen, unsigned timeout_ms)
{
    int64_t end = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
    GThread *thread = screen->thread;
    bool has_left;

    pthread_mutex_lock(&screen->lock);
    screen->leave = true;
    pthread_cond_signal(&screen->wake);
    while (!screen->has_left && mig_cond_wait_until(&screen->gone, &screen->lock, end)) {}
    has_left = screen->has_left;
    screen->orphaned = !has_left;
    pthread_mutex_unlock(&screen->lock);
    if (!has_left) {
        g_thread_unref(thread);
        return false;
    }
    g_thread_join(thread);
    if (g_main_context_find_source_by_user_data(NULL, screen) != NULL) {
        g_source_remove_by_user_data(screen); /* tell_left() has not come yet */
    }
    free_screen(screen);
    return true;
}
