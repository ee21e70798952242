/*
 * Shared by the tests of backend/stream and by the fuzzer: bytes from text, a
 * feeder that hands a stream to the reader in pieces, and the bytes that wait
 * in a writer. No cmocka in here.
 */
#pragma once

#include <glib.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/stream/reader.h"
#include "backend/stream/writer.h"

/*
 * Bytes as text: pairs of hex digits, 'ascii' between quotes, and <COUNT*XX>
 * for a byte COUNT times; blanks mean nothing. Appends to @out.
 */
void stream_test_bytes(GByteArray *out, const char *text);

/* False with the error set makes stream_test_feed() stop with STREAM_BAD. */
typedef bool StreamTestRecord(const StreamRecord *record, void *data, GError **error);

/* The whole stream in pieces of @chunk bytes, by turns copied into the reader's buffer and lent to
 * it (with too little headroom now and then); @record may be NULL. */
StreamResult stream_test_feed(StreamReader *r, const uint8_t *bytes, size_t length, size_t chunk,
                              StreamTestRecord *record, void *data, GError **error);

/* Appends what waits in @w and empties it. */
void stream_test_drain(StreamWriter *w, GByteArray *out);

/* ---- a machine that is known to the tests: RAM and one device ---- */

/* Pieces of streams as text, and how long they are. */
#define HEAD   "5145564d 00000003 07 00000004 'none'"                               /* 17 bytes */
#define START  "01 00000002 03'ram' 00000000 00000004"                              /* 17 */
#define LIST   "0000000000003004 03'ram' 0000000000002000 03'rom' 0000000000001000" /* 32 */
#define EOS    "0000000000000010"
#define FOOTER "7e 00000002"
#define SETUP  HEAD START LIST EOS FOOTER /* 79 */
#define PART   "02 00000002"
#define END    "03 00000002" EOS FOOTER /* 18 */

/* Shortest stream that may end: a machine without RAM. */
#define NO_RAM HEAD "04 00000002 03'ram' 00000000 00000004 0000000000000004" EOS FOOTER /* 55 */

typedef struct {
    uint32_t n;
    uint64_t *list;
} TestDevice;

extern const VmStateDesc stream_test_device;

const VmStateDesc *stream_test_find(void *data, const char *idstr, uint32_t instance,
                                    uint32_t version, GError **error);
StreamReader *stream_test_reader(void);
