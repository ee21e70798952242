/*
 * A model fed with what a backend said, for the tests of the dashboard.
 */
#pragma once

#include "tests/unit/test.h"

#include <string.h>

#include "tui/ui.h"

#define SECOND INT64_C(1000000)
#define WALL   INT64_C(1700000000000000)
#define MIB    (UINT64_C(1) << 20)

typedef struct {
    TuiModel *model;
    Ui *ui;
    GString *log; /* what keys did outside */
} Board;

void take(Board *board, const char *command, const char *json);
void board_init(Board *board, int width, int height);
void board_clear(Board *board);

/* @second seconds into a migration of 256 MiB; the figures follow from the second. */
void feed(Board *board, unsigned second, const char *status);

void press(Board *board, const char *keys);
void press_code(Board *board, uint32_t code);

/* The screen as text; caller frees. */
char *screen(const Board *board);

void assert_shows(const Board *board, const char *text);
void assert_hides(const Board *board, const char *text);
