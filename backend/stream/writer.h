/*
 * Writer of the main channel: converts sections, records and commands to an
 * iovec of small headers (stored here) and guest pages (referenced, not
 * copied). The owner writes the iovec to a transport and resets the writer. One
 * thread at a time; pure bytes.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "backend/stream/format.h"
#include "backend/stream/mapped-ram.h"

typedef struct StreamWriter StreamWriter;

StreamWriter *stream_writer_new(void);
void stream_writer_free(StreamWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamWriter, stream_writer_free)

/* ---- pending bytes ---- */

size_t stream_writer_pending(const StreamWriter *w);  /* bytes */
uint64_t stream_writer_offset(const StreamWriter *w); /* bytes since the start, pending included */
/* How many pages of one block may be added, with any content (the iovec has at most IOV_MAX
 * entries); 0 = write and reset first. */
size_t stream_writer_room(const StreamWriter *w);
/* The same for consecutive zero pages, which need no entry. */
size_t stream_writer_zero_room(const StreamWriter *w);
/* The pending bytes as an iovec; valid until the next call that adds or resets. The caller may
 * change it, as transport_write_all() does. */
struct iovec *stream_writer_iov(StreamWriter *w, int *ret_count);
void stream_writer_reset(StreamWriter *w);

/* ---- top level ---- */

typedef struct {
    const char *machine;
    const char *const *capabilities; /* enabled ones to validate; NULL or empty: no subsection */
    size_t n_capabilities;
    const uint8_t *uuid; /* 16 bytes, NULL: no subsection */
} StreamConfiguration;

void stream_put_header(StreamWriter *w);
void stream_put_configuration(StreamWriter *w, const StreamConfiguration *configuration);
void stream_put_command(StreamWriter *w, StreamCommand command, const void *payload,
                        uint16_t length);
void stream_put_ping(StreamWriter *w, uint32_t value);
void stream_put_section_start(StreamWriter *w, uint32_t id, const char *idstr, uint32_t instance,
                              uint32_t version);
void stream_put_section_part(StreamWriter *w, uint32_t id);
void stream_put_section_end(StreamWriter *w, uint32_t id);
void stream_put_section_full(StreamWriter *w, uint32_t id, const char *idstr, uint32_t instance,
                             uint32_t version);
void stream_put_bytes(StreamWriter *w, const void *bytes,
                      size_t length); /* a device body; copied */
void stream_put_footer(StreamWriter *w, uint32_t id);
void stream_put_eof(StreamWriter *w);
void stream_put_vmdescription(StreamWriter *w, const char *json);

/* ---- inside a ram section; blocks are named by the index of their stream_put_ram_block() ---- */

void stream_put_ram_total(StreamWriter *w, uint64_t total);
void stream_put_ram_block(StreamWriter *w, const char *idstr, uint64_t used_length);
/* Required after each block when x-ignore-shared is on. */
void stream_put_ram_address(StreamWriter *w, uint64_t guest_address);
/* Adds a block without writing to the stream, for a channel that has no block list. */
void stream_writer_add_block(StreamWriter *w, const char *idstr);
/* Makes the next page record name its block, because the reader forgets it (when postcopy begins or
 * resumes). */
void stream_writer_forget_block(StreamWriter *w);
/* Required after each block of a mapped-ram file. */
void stream_put_mapped_ram(StreamWriter *w, const MappedRam *mapped);
/* @page stays the caller's and is read when the iovec is written. */
void stream_put_page(StreamWriter *w, unsigned block, uint64_t offset, const uint8_t *page);
void stream_put_zero_page(StreamWriter *w, unsigned block, uint64_t offset);
/* @count consecutive zero pages. */
void stream_put_zero_pages(StreamWriter *w, unsigned block, uint64_t offset, size_t count);
/* The next three copy their data. */
void stream_put_page_copy(StreamWriter *w, unsigned block, uint64_t offset, const uint8_t *page);
void stream_put_xbzrle_page(StreamWriter *w, unsigned block, uint64_t offset, const uint8_t *delta,
                            size_t length);
void stream_put_compressed_page(StreamWriter *w, unsigned block, uint64_t offset,
                                const uint8_t *packed, size_t length);
/* Marks the end of a pass of multifd channels, for receivers that expect a mark. */
void stream_put_multifd_flush(StreamWriter *w);
void stream_put_ram_eos(StreamWriter *w);
