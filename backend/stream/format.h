/*
 * Numbers of QEMU's migration stream, version 3 (docs/stream.md): shared by the
 * writer and the reader.
 */
#pragma once

#define STREAM_MAGIC     0x5145564du /* "QEVM" */
#define STREAM_VERSION   3u
#define STREAM_PAGE_SIZE 4096u /* target page of x86: the data of a page record */

enum {
    STREAM_EOF = 0x00,
    STREAM_SECTION_START = 0x01,
    STREAM_SECTION_PART = 0x02,
    STREAM_SECTION_END = 0x03,
    STREAM_SECTION_FULL = 0x04,
    STREAM_SUBSECTION = 0x05,
    STREAM_VMDESCRIPTION = 0x06,
    STREAM_CONFIGURATION = 0x07,
    STREAM_COMMAND = 0x08,
    STREAM_FOOTER = 0x7e,
};

/* Low bits of the first word of a record in the ram section. */
enum {
    RAM_ZERO = 0x002,
    RAM_MEM_SIZE = 0x004,
    RAM_PAGE = 0x008,
    RAM_EOS = 0x010,
    RAM_CONTINUE = 0x020,
    RAM_XBZRLE = 0x040,
    RAM_COMPRESS_PAGE = 0x100,
    RAM_MULTIFD_FLUSH = 0x200,
    RAM_FLAGS = 0xfff,
};

#define RAM_SECTION_VERSION 4u
#define STREAM_ZERO_BYTES   9u /* a zero page's record without a block name */
#define RAM_XBZRLE_FORM     1u /* the only encoding of a delta */
/* A packed page may be longer than the page; zlib adds at most 14 bytes. */
#define RAM_COMPRESSED_MAX (2 * STREAM_PAGE_SIZE)

typedef enum {
    COMMAND_OPEN_RETURN_PATH = 1,
    COMMAND_PING = 2,
    COMMAND_POSTCOPY_ADVISE = 3,
    COMMAND_POSTCOPY_LISTEN = 4,
    COMMAND_POSTCOPY_RUN = 5,
    COMMAND_POSTCOPY_RAM_DISCARD = 6,
    COMMAND_PACKAGED = 7,
    COMMAND_ENABLE_COLO = 8,
    COMMAND_POSTCOPY_RESUME = 9,
    COMMAND_RECV_BITMAP = 10,
    COMMAND_SWITCHOVER_START = 11, /* QEMU 10.0 and later */
} StreamCommand;

typedef enum {
    RETURN_SHUT = 1,
    RETURN_PONG = 2,
    RETURN_REQ_PAGES_ID = 3,
    RETURN_REQ_PAGES = 4,
    RETURN_RECV_BITMAP = 5,
    RETURN_RESUME_ACK = 6,
    RETURN_SWITCHOVER_ACK = 7, /* QEMU 8.1 and later */
} ReturnPathType;
