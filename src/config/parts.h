/* parts - entries, users and peers: made, copied, added to a config, freed. */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include "rows.h"

/* New ones with nothing set; the caller owns them. */
struct config_entry *entry_new(const char *name);
struct config_user *user_new(const char *name);
struct config_peer *peer_new(int id);

struct config_entry *entry_copy(const struct config_entry *entry);
struct config_user *user_copy(const struct config_user *user);
struct config_peer *peer_copy(const struct config_peer *peer);

void user_free(struct config_user *user);
void peer_free(struct config_peer *peer);

/*
 * Takes host, port, weight and zone apart into entry->hosts. ERR_INVALID when they do not
 * fit each other; `why` then has the reason.
 */
int entry_split_hosts(struct config_entry *entry, struct buf *why);

/* `c` takes the part. An entry of the same name, or peer of the same id, is replaced in its place; a user must be new.
 */
void config_add_entry(struct config *c, struct config_entry *entry);
void config_add_user(struct config *c, struct config_user *user);
void config_add_peer(struct config *c, struct config_peer *peer);

/* The user of that name to write to; made when there is none. Lent. */
struct config_user *config_need_user(struct config *c, const char *name);
void user_set_secret(struct config_user *user, const char *secret); /* NULL: has no password any more */

#endif
