/* read_file - a whole file into memory, bounded. */
#include "read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MAX = 64 << 20,  /* bytes; an auth_file with half a million users is half of this */
    DEVICE_MAX = 1 << 20, /* /dev/null is a fair way to say "nothing"; /dev/zero is not */
    PIECE = 64 << 10,
};

static int read_all(int fd, size_t max, struct buf *out, struct buf *why)
{
    size_t before = out->len;
    for (;;) {
        buf_reserve(out, PIECE);
        ssize_t got = read(fd, out->data + out->len, PIECE);
        if (got == 0)
            return 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            buf_append_str(why, strerror(errno));
            return ERR_IO;
        }
        out->len += (size_t)got;
        if (out->len - before > max) {
            buf_printf(why, "larger than %zu bytes", max);
            return ERR_TOO_LARGE;
        }
    }
}

int read_file(const char *path, struct buf *out, struct file_id *id, struct buf *why)
{
    /* O_NONBLOCK: a FIFO without a writer would hold us for ever */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int err = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
        buf_append_str(why, strerror(errno));
        return err;
    }
    struct stat st;
    int err = ERR_IO;
    if (fstat(fd, &st) != 0) {
        buf_append_str(why, strerror(errno));
        goto out_close;
    }
    *id = (struct file_id){st.st_dev, st.st_ino, st.st_mode};
    if (S_ISREG(st.st_mode))
        err = read_all(fd, FILE_MAX, out, why);
    else if (S_ISCHR(st.st_mode))
        err = read_all(fd, DEVICE_MAX, out, why);
    else
        buf_append_str(why, "not a regular file");
out_close:
    close(fd);
    return err;
}
