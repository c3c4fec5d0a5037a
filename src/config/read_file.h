/* read_file - a whole file into memory, bounded. */
#ifndef CONFIG_READ_FILE_H
#define CONFIG_READ_FILE_H

#include "pgpooler/base.h"

#include <sys/types.h>

struct file_id { /* tells the same file under two names */
    dev_t device;
    ino_t inode;
    mode_t mode;
};

/* 0, ERR_NOT_FOUND, ERR_IO or ERR_TOO_LARGE; `why` then has the reason in words. `out` is appended to. */
int read_file(const char *path, struct buf *out, struct file_id *id, struct buf *why);

#endif
