/*
 * A text with headings, paragraphs, tables and drawings, written as plain
 * text for a terminal or as Markdown. Pure.
 */
#pragma once

#include <glib.h>

typedef struct Document Document;

Document *document_new(const char *title);
void document_free(Document *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Document, document_free)

void document_heading(Document *document, const char *text);
/* Adds a paragraph. Line ends of @text are kept. */
void document_paragraph(Document *document, const char *text);
/* Adds lines without changes: a drawing. */
void document_drawing(Document *document, const char *lines);

/* Begins a table. "<" or ">" before a column's name is its alignment. NULL ends the list. */
void document_table(Document *document, const char *column, ...) G_GNUC_NULL_TERMINATED;
/* Adds a row to the last table: one text for each column, then NULL. */
void document_row(Document *document, const char *cell, ...) G_GNUC_NULL_TERMINATED;

/* Caller frees. */
char *document_to_text(const Document *document);
char *document_to_markdown(const Document *document);
