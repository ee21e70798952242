/*
 * A text with headings, paragraphs, tables and drawings, written as plain text for a terminal or as
 * Markdown. Pure.
 */
#pragma once

#include <glib.h>

typedef struct Document Document;

Document *document_new(const char *title);
void document_free(Document *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Document, document_free)

void document_heading(Document *document, const char *text);
/* What stands together follows without anything else between; lines of @text stay lines. */
void document_paragraph(Document *document, const char *text);
/* Lines as they are: a drawing. */
void document_drawing(Document *document, const char *lines);

/* A table; "<" or ">" before each of the columns' names is how they are aligned. NULL ends. */
void document_table(Document *document, const char *column, ...) G_GNUC_NULL_TERMINATED;
/* A row of the table begun last: as many texts as it has columns. */
void document_row(Document *document, const char *cell, ...) G_GNUC_NULL_TERMINATED;

/* Caller frees. */
char *document_to_text(const Document *document);
char *document_to_markdown(const Document *document);
