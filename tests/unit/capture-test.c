/* See capture-test.h. */
#include "tests/unit/capture-test.h"

CaptureFolder capture_folder_open(const char *variable, const char *below)
{
    const char *path = g_getenv(variable);
    if (path == NULL || path[0] == '\0') {
        return (CaptureFolder){ 0 };
    }
    CaptureFolder folder = { .path = g_build_filename(path, below, NULL) };
    g_autofree char *manifest = g_build_filename(folder.path, "manifest.json", NULL);
    folder.manifest = json_object_from_file(manifest);
    if (folder.manifest == NULL) {
        g_clear_pointer(&folder.path, g_free);
    }
    return folder;
}

void capture_folder_close(CaptureFolder *folder)
{
    g_free(folder->path);
    json_object_put(folder->manifest);
}

const char *capture_text(json_object *object, const char *key)
{
    return json_object_get_string(json_object_object_get(object, key));
}

guint64 capture_number(json_object *object, const char *key)
{
    return json_object_get_uint64(json_object_object_get(object, key));
}

json_object *capture_find(const CaptureFolder *folder, const char *name)
{
    if (folder->path == NULL) {
        return NULL;
    }
    json_object *streams = json_object_object_get(folder->manifest, "streams");
    for (size_t i = 0; i < json_object_array_length(streams); i++) {
        json_object *capture = json_object_array_get_idx(streams, i);
        if (strcmp(capture_text(capture, "name"), name) == 0) {
            return capture;
        }
    }
    return NULL;
}

char *capture_sha256(const void *bytes, size_t length)
{
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, length);
}

GBytes *capture_load(const CaptureFolder *folder, json_object *capture, const char *role)
{
    json_object *files = json_object_object_get(capture, "files");
    for (size_t i = 0; i < json_object_array_length(files); i++) {
        json_object *file = json_object_array_get_idx(files, i);
        if (strcmp(capture_text(file, "role"), role) != 0) {
            continue;
        }
        g_autofree char *path = g_build_filename(folder->path, capture_text(file, "file"), NULL);
        g_autoptr(GError) error = NULL;
        char *bytes = NULL;
        gsize length = 0;
        g_file_get_contents(path, &bytes, &length, &error);
        g_assert_no_error(error);
        if (json_object_object_get(file, "compression") != NULL) {
            size_t size = capture_number(file, "size");
            char *plain = g_malloc(size);
            g_assert(ZSTD_decompress(plain, size, bytes, length) == size);
            g_free(bytes);
            bytes = plain;
            length = size;
        }
        g_autofree char *digest = capture_sha256(bytes, length);
        g_assert_cmpstr(digest, ==, capture_text(file, "sha256"));
        g_autoptr(GBytes) whole = g_bytes_new_take(bytes, length);
        gsize before = capture_number(capture, "file_offset");
        return g_bytes_new_from_bytes(whole, before, length - before);
    }
    return NULL;
}

/* ---- content of RAM, as the manifest describes it ---- */

uint64_t capture_mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

void capture_fill_page(uint64_t *words, uint64_t seed, uint64_t page)
{
    const unsigned n = STREAM_PAGE_SIZE / sizeof *words;
    uint64_t h = capture_mix((seed << 32) + page);

    switch (h % 8) {
    case 3:
        memset(words, (int)((h >> 8) & 0xff), STREAM_PAGE_SIZE);
        break;
    case 4:
        for (unsigned i = 0; i < n; i++) {
            words[i] = GUINT64_TO_LE(page * n + i);
        }
        break;
    case 5:
    case 6:
        for (unsigned i = 0; i < n; i++) {
            words[i] = GUINT64_TO_LE(capture_mix(h + i));
        }
        break;
    case 7:
        words[(h >> 16) % n] = GUINT64_TO_LE(h);
        break;
    default:
        break;
    }
}

uint8_t *capture_ram(json_object *capture)
{
    json_object *fill = json_object_object_get(capture, "ram_fill");
    const char *method = capture_text(fill, "method");
    guint64 size = capture_number(capture, "ram_size");
    guint64 seed = capture_number(fill, "seed");
    guint64 step = strcmp(method, "migmon-fill-2") == 0 ? 16 : 1;

    /* With a note the guest ran on and changed it. */
    if (strcmp(method, "none") == 0 || json_object_object_get(fill, "note") != NULL) {
        return NULL;
    }
    uint64_t *ram = g_malloc0(size);
    for (guint64 page = 0; page < size / STREAM_PAGE_SIZE; page += step) {
        capture_fill_page(ram + page * (STREAM_PAGE_SIZE / sizeof *ram), seed, page);
    }
    return (uint8_t *)ram;
}
