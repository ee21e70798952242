/*
 * See document.h. The document is a list of blocks; each writer walks it
 * once.
 */
#include "backend/base/shown.h"
#include "commands/report/document.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

enum { WRAP = 78 };

typedef enum { HEADING, PARAGRAPH, DRAWING, TABLE } BlockKind;

typedef struct {
    BlockKind kind;
    char *text;       /* NULL for a TABLE */
    GPtrArray *cells; /* of a TABLE: the column names first */
    unsigned columns;
} Block;

struct Document {
    char *title;
    GPtrArray *blocks;
};

static void block_free(void *data)
{
    Block *block = data;

    g_free(block->text);
    g_clear_pointer(&block->cells, g_ptr_array_unref);
    g_free(block);
}

Document *document_new(const char *title)
{
    Document *document = g_new0(Document, 1);

    document->title = shown_line(title);
    document->blocks = g_ptr_array_new_with_free_func(block_free);
    return document;
}

void document_free(Document *document)
{
    if (document) {
        g_free(document->title);
        g_ptr_array_unref(document->blocks);
        g_free(document);
    }
}

static Block *add_block(Document *document, BlockKind kind, const char *text)
{
    Block *block = g_new0(Block, 1);

    block->kind = kind;
    block->text = g_strchomp(shown_lines(text));
    g_ptr_array_add(document->blocks, block);
    return block;
}

void document_heading(Document *document, const char *text)
{
    add_block(document, HEADING, text);
}

void document_paragraph(Document *document, const char *text)
{
    add_block(document, PARAGRAPH, text);
}

void document_drawing(Document *document, const char *lines)
{
    add_block(document, DRAWING, lines);
}

static unsigned add_cells(Block *block, const char *cell, va_list more)
{
    unsigned n = 0;

    for (; cell; cell = va_arg(more, const char *), n++) {
        g_ptr_array_add(block->cells, shown_line(cell));
    }
    return n;
}

void document_table(Document *document, const char *column, ...)
{
    Block *block = add_block(document, TABLE, "");
    va_list more;

    block->cells = g_ptr_array_new_with_free_func(g_free);
    va_start(more, column);
    block->columns = add_cells(block, column, more);
    va_end(more);
}

void document_row(Document *document, const char *cell, ...)
{
    Block *block = g_ptr_array_index(document->blocks, document->blocks->len - 1);
    va_list more;

    g_assert(block->kind == TABLE);
    va_start(more, cell);
    unsigned n = add_cells(block, cell, more);
    va_end(more);
    g_assert(n == block->columns);
}

/* ---- tables ---- */

static const char *cell_at(const Block *block, unsigned row, unsigned column)
{
    const char *text = g_ptr_array_index(block->cells, row * block->columns + column);

    return row == 0 ? text + 1 : text; /* skips the alignment character */
}

static bool is_right(const Block *block, unsigned column)
{
    return *(const char *)g_ptr_array_index(block->cells, column) == '>';
}

static unsigned row_count(const Block *block)
{
    return block->cells->len / block->columns;
}

static size_t column_width(const Block *block, unsigned column)
{
    size_t width = 0;

    for (unsigned row = 0; row < row_count(block); row++) {
        width = MAX(width, (size_t)g_utf8_strlen(cell_at(block, row, column), -1));
    }
    return width;
}

static void pad(GString *out, size_t n)
{
    for (; n > 0; n--) {
        g_string_append_c(out, ' ');
    }
}

static void strip_line(GString *out)
{
    while (out->len > 0 && out->str[out->len - 1] == ' ') {
        g_string_truncate(out, out->len - 1);
    }
}

static void table_to_text(const Block *block, GString *out)
{
    for (unsigned row = 0; row < row_count(block); row++) {
        for (unsigned column = 0; column < block->columns; column++) {
            const char *text = cell_at(block, row, column);
            size_t gap = column_width(block, column) - (size_t)g_utf8_strlen(text, -1);

            pad(out, column > 0 ? 2 : 0);
            pad(out, is_right(block, column) ? gap : 0);
            g_string_append(out, text);
            pad(out, is_right(block, column) ? 0 : gap);
        }
        strip_line(out);
        g_string_append_c(out, '\n');
    }
}

/* Escapes the text for Markdown. */
static void append_escaped(GString *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("\\`*_{}[]<>|#~", *text)) {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *text == '\n' ? ' ' : *text);
    }
}

static void table_to_markdown(const Block *block, GString *out)
{
    for (unsigned row = 0; row < row_count(block); row++) {
        for (unsigned column = 0; column < block->columns; column++) {
            g_string_append(out, column > 0 ? " | " : "| ");
            append_escaped(out, cell_at(block, row, column));
        }
        g_string_append(out, " |\n");
        for (unsigned column = 0; row == 0 && column < block->columns; column++) {
            g_string_append(out, is_right(block, column) ? "|---:" : "|---");
        }
        if (row == 0) {
            g_string_append(out, "|\n");
        }
    }
}

/* ---- writing ---- */

static void underlined(GString *out, const char *text, char line)
{
    g_string_append_printf(out, "%s\n", text);
    for (long n = g_utf8_strlen(text, -1); n > 0; n--) {
        g_string_append_c(out, line);
    }
    g_string_append_c(out, '\n');
}

/* Keeps line ends; wraps long lines between words. */
static void paragraph_to_text(const char *text, GString *out)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);
        long column = 0;

        for (char **word = words; *word; word++) {
            long width = g_utf8_strlen(*word, -1);
            bool next_line = column > 0 && column + 1 + width > WRAP;

            g_string_append(out, word == words ? "" : next_line ? "\n" : " ");
            g_string_append(out, *word);
            column = next_line || word == words ? width : column + 1 + width;
        }
        g_string_append_c(out, '\n');
    }
}

char *document_to_text(const Document *document)
{
    GString *out = g_string_new(NULL);

    underlined(out, document->title, '=');
    for (unsigned i = 0; i < document->blocks->len; i++) {
        const Block *block = g_ptr_array_index(document->blocks, i);

        if (i == 0 ||
            ((const Block *)g_ptr_array_index(document->blocks, i - 1))->kind != HEADING) {
            g_string_append_c(out, '\n');
        }
        if (block->kind == HEADING) {
            underlined(out, block->text, '-');
        } else if (block->kind == TABLE) {
            table_to_text(block, out);
        } else if (block->kind == PARAGRAPH) {
            paragraph_to_text(block->text, out);
        } else {
            g_string_append_printf(out, "%s\n", block->text);
        }
    }
    return g_string_free(out, FALSE);
}

/* Writes each line separately, unchanged. */
static void paragraph_to_markdown(const char *text, GString *out)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        append_escaped(out, *line);
        g_string_append(out, line[1] ? "  \n" : "\n");
    }
}

char *document_to_markdown(const Document *document)
{
    GString *out = g_string_new("# ");

    append_escaped(out, document->title);
    g_string_append_c(out, '\n');
    for (unsigned i = 0; i < document->blocks->len; i++) {
        const Block *block = g_ptr_array_index(document->blocks, i);

        g_string_append_c(out, '\n');
        switch (block->kind) {
        case HEADING:
            g_string_append(out, "## ");
            append_escaped(out, block->text);
            g_string_append_c(out, '\n');
            break;
        case PARAGRAPH:
            paragraph_to_markdown(block->text, out);
            break;
        case DRAWING:
            g_string_append_printf(out, "```\n%s\n```\n", block->text);
            break;
        case TABLE:
            table_to_markdown(block, out);
            break;
        }
    }
    return g_string_free(out, FALSE);
}
