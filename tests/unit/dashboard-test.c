/* See dashboard-test.h. */
#include "tests/unit/dashboard-test.h"

void take(Board *board, const char *command, const char *json)
{
    json_object *reply = json_tokener_parse(json);

    assert_non_null(reply);
    model_take(board->model, command, reply);
    json_object_put(reply);
}

static void on_execute(const char *line, void *data)
{
    g_string_append_printf(((Board *)data)->log, "execute %s\n", line);
}

static void on_leave(void *data)
{
    g_string_append(((Board *)data)->log, "leave\n");
}

static void on_export(void *data)
{
    g_string_append(((Board *)data)->log, "export\n");
}

static const UiOps board_ops = { on_execute, on_leave, on_export };

void board_init(Board *board, int width, int height)
{
    board->model = model_new();
    board->ui = ui_new(board->model, &board_ops, board);
    board->log = g_string_new(NULL);
    ui_resize(board->ui, width, height);
    take(board, "query-name", "{\"name\":\"web1\"}");
    take(board, "x-query-guest", "[{\"name\":\"memory\",\"value\":\"256.0 MiB, 65536 pages\"}]");
    take(board, "x-query-owner", "{\"owner\":\"here\",\"evidence\":\"it was started here\"}");
    take(board, "query-status", "{\"status\":\"running\"}");
    take(board, "query-migrate-parameters", "{\"max-bandwidth\":83886080,\"downtime-limit\":300}");
    take(board, "query-migrate-capabilities", "[{\"capability\":\"events\",\"state\":true}]");
}

void board_clear(Board *board)
{
    ui_free(board->ui);
    model_free(board->model);
    g_string_free(board->log, TRUE);
}

void feed(Board *board, unsigned second, const char *status)
{
    GString *passes = g_string_new(NULL);

    model_clock(board->model, second * SECOND, WALL + second * SECOND);
    uint64_t remaining = (256 - 20 * (uint64_t)MIN(second % 4 + 1, 12u)) * MIB;
    g_autofree char *info = g_strdup_printf(
        "{\"status\":\"%s\",\"total-time\":%u,\"expected-downtime\":1600,\"ram\":{"
        "\"transferred\":%" G_GUINT64_FORMAT ",\"mbps\":%u,\"remaining\":%" G_GUINT64_FORMAT
        ",\"total\":268435456,\"dirty-sync-count\":%u,\"page-size\":4096,"
        "\"dirty-pages-rate\":%u}%s}",
        status, second * 1000, second * 80 * MIB, 500 + second % 3 * 80, remaining, second / 3 + 1,
        12000 + second % 5 * 500, strcmp(status, "completed") == 0 ? ",\"downtime\":48" : "");

    for (unsigned pass = 1; pass <= second / 3; pass++) {
        g_string_append_printf(passes,
                               "%s{\"pass\":%u,\"start-ms\":%u,\"duration-ms\":3000,"
                               "\"dirtied-pages\":%u,\"remaining-bytes\":%" G_GUINT64_FORMAT "}",
                               pass > 1 ? "," : "", pass, pass * 3000 - 3000, 40000 / pass,
                               (240 / pass) * MIB);
    }
    g_autofree char *history = g_strdup_printf(
        "{\"direction\":\"outgoing\",\"peer\":\"tcp:peer:4444\",\"states\":[{\"status\":\"setup\","
        "\"time-ms\":0,\"wall-us\":%" G_GINT64_FORMAT "}],\"passes\":[%s],"
        "\"threshold-bytes\":24712242,\"elapsed-ms\":%u,\"outcome\":\"%s\"%s}",
        WALL, passes->str, second * 1000, strcmp(status, "completed") == 0 ? "all is well" : "",
        strcmp(status, "completed") == 0
            ? ",\"downtime\":{\"stop-us\":300,\"sync-us\":1200,\"ram-us\":38000,\"devices-us\":700,"
              "\"load-us\":7000,\"commit-us\":800,\"total-us\":48000}"
            : "");

    g_string_free(passes, TRUE);
    take(board, "query-migrate", info);
    take(board, "x-query-migrate-history", history);
    take(board, "x-query-ram-map",
         "{\"pages-per-cell\":64,\"data\":[0,64,64,64,64,64,32,64],"
         "\"dirty\":[0,64,0,32,64,1,0,64],\"sent\":[0,0,64,64,128,192,32,640]}");
    model_sample(board->model);
}

void press(Board *board, const char *keys)
{
    for (; *keys != '\0'; keys++) {
        ui_key(board->ui, &(UiKey){ .code = (uint8_t)*keys });
    }
}

void press_code(Board *board, uint32_t code)
{
    ui_key(board->ui, &(UiKey){ .code = code });
}

char *screen(const Board *board)
{
    g_autoptr(Canvas) canvas = ui_draw(board->ui);

    return canvas_to_text(canvas);
}

void assert_shows(const Board *board, const char *text)
{
    g_autofree char *shown = screen(board);

    if (!strstr(shown, text)) {
        print_error("'%s' is not on the screen:\n%s\n", text, shown);
        fail();
    }
}

void assert_hides(const Board *board, const char *text)
{
    g_autofree char *shown = screen(board);

    if (strstr(shown, text)) {
        print_error("'%s' is on the screen:\n%s\n", text, shown);
        fail();
    }
}
