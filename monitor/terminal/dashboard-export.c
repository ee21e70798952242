/*
 * See dashboard-export.h.
 */
#include "monitor/terminal/dashboard-export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "backend/base/error.h"

bool dashboard_export(const TuiModel *model, const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool good;

    if (file == NULL) {
        mig_error_set_errno(error, errno, "%s", path);
        return false;
    }
    for (uint64_t i = model_first(model); i < model_end(model); i++) {
        g_autofree char *line = sample_to_json(model_at(model, i));

        fprintf(file, "%s\n", line);
    }
    good = !ferror(file);
    if (fclose(file) != 0 || !good) {
        mig_error_set_errno(error, errno, "%s", path);
        return false;
    }
    return true;
}
