/* consistency - rules about several values of a configuration at once. */
#ifndef CONFIG_CONSISTENCY_H
#define CONFIG_CONSISTENCY_H

#include "pgpooler/config.h"

struct config_complaint {             /* lent for the call */
    bool is_error;                    /* else a warning */
    const char *key;                  /* the global key to blame, or NULL */
    const struct config_entry *entry; /* the entry to blame, or NULL */
    const char *text;
};
typedef void complaint_handler(void *owner, const struct config_complaint *complaint);

void consistency_check(const struct config *c, complaint_handler *handler, void *owner);

#endif
