/*
 * main() of a fuzzer that is not built with libFuzzer: replays files, then runs
 * broken copies of them. What it runs depends on the files and the number only.
 *
 *     fuzz-NAME [--runs N] FILE|FOLDER...
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static GPtrArray *inputs; /* GBytes */

/* Of exactly this size, so that the address sanitizer sees a byte read behind it. */
static void run(const void *data, size_t size)
{
    g_autofree uint8_t *copy = g_malloc(MAX(size, 1));

    if (size > 0) {
        memcpy(copy, data, size);
    }
    LLVMFuzzerTestOneInput(copy, size);
}

static void add(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    char *bytes;
    gsize size;

    while (folder && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *inner = g_build_filename(path, name, NULL);

        add(inner);
    }
    if (!folder && !g_file_get_contents(path, &bytes, &size, &error)) {
        g_error("%s", error->message);
    } else if (!folder) {
        g_ptr_array_add(inputs, g_bytes_new_take(bytes, size));
    }
}

static int compare(const void *a, const void *b)
{
    return g_bytes_compare(*(GBytes *const *)a, *(GBytes *const *)b);
}

/* Any input of these. */
static const uint8_t *pick(GRand *random, size_t *ret_size)
{
    return g_bytes_get_data(
        g_ptr_array_index(inputs, (guint)g_rand_int_range(random, 0, (gint32)inputs->len)),
        ret_size);
}

static void break_once(GRand *random, GByteArray *bytes)
{
    guint at = (guint)g_rand_int_range(random, 0, (gint32)bytes->len + 1);
    guint left = bytes->len - at, count = (guint)g_rand_int_range(random, 1, 9);
    size_t other_size;
    const uint8_t *other = pick(random, &other_size);

    switch (g_rand_int_range(random, 0, 5)) {
    case 0: /* cut out */
        g_byte_array_remove_range(bytes, at, MIN(count, left));
        break;
    case 1: /* another byte */
        if (left > 0) {
            bytes->data[at] = (guint8)g_rand_int_range(random, 0, 256);
        }
        break;
    case 2: /* another bit */
        if (left > 0) {
            bytes->data[at] ^= (guint8)(1 << (count - 1));
        }
        break;
    case 3: /* an extreme number */
        memset(bytes->data + at, g_rand_boolean(random) ? 0xff : 0, MIN(count, left));
        break;
    default: /* goes on as another input */
        g_byte_array_set_size(bytes, at);
        if (other_size > at) {
            g_byte_array_append(bytes, other + at, (guint)(other_size - at));
        }
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    guint64 runs = 0;

    inputs = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = g_ascii_strtoull(argv[++i], NULL, 10);
        } else {
            add(argv[i]);
        }
    }
    if (inputs->len == 0) {
        g_error("no input");
    }
    g_ptr_array_sort(inputs, compare); /* a folder's order is not everywhere the same */
    for (guint i = 0; i < inputs->len; i++) {
        gsize size;
        const void *data = g_bytes_get_data(g_ptr_array_index(inputs, i), &size);

        run(data, size);
    }
    for (guint64 i = 0; i < runs; i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        size_t size;
        const uint8_t *data = pick(random, &size);

        g_byte_array_append(bytes, data, (guint)size);
        for (int n = g_rand_int_range(random, 1, 5); n > 0; n--) {
            break_once(random, bytes);
        }
        run(bytes->data, bytes->len);
    }
    g_print("%u inputs, %" G_GUINT64_FORMAT " broken ones\n", inputs->len, runs);
    g_ptr_array_unref(inputs);
    return 0;
}
