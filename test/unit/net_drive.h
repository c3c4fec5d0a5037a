/* Running a real loop until something has happened, and pairs of connected descriptors; for the tests of net. */
#ifndef NET_DRIVE_H
#define NET_DRIVE_H

#include "pgpooler/net.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#define DRIVE_PATIENCE (20 * USEC_PER_SEC) /* a hang is a failure, whatever the machine */

struct drive {
    struct message message;
    struct loop *loop;
    bool (*arrived)(void);
    int turns; /* when arrived is NULL */
    usec give_up;
};

static inline void drive_look(struct message *message)
{
    struct drive *drive = (struct drive *)message;
    ck_assert_msg(loop_now(drive->loop) < drive->give_up, "nothing happens any more");
    if (drive->arrived != NULL ? drive->arrived() : drive->turns-- == 0)
        loop_stop(drive->loop);
    else
        loop_post(drive->loop, message);
}

/* Turns the loop until the condition holds; it is looked at once per turn. */
static inline void drive_until(struct loop *loop, bool (*arrived)(void))
{
    struct drive drive = {{NULL, drive_look}, loop, arrived, 0, loop_now(loop) + DRIVE_PATIENCE};
    loop_post(loop, &drive.message);
    loop_run(loop);
}

/* A few turns: enough for whatever is ready already to be delivered. */
static inline void drive_turns(struct loop *loop, int turns)
{
    struct drive drive = {{NULL, drive_look}, loop, NULL, turns, loop_now(loop) + DRIVE_PATIENCE};
    loop_post(loop, &drive.message);
    loop_run(loop);
}

static inline void local_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static inline int tcp_listen(struct address *at)
{
    ck_assert_int_eq(address_parse("127.0.0.1", 0, at), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, &at->any, at->len), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    address_of_self(fd, at);
    return fd;
}

static inline void tcp_pair(int fds[2])
{
    struct address at;
    int listening = tcp_listen(&at);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fds[0], &at.any, at.len), 0);
    fds[1] = accept(listening, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listening);
}

static inline void send_text(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Closes with an RST instead of a FIN. */
static inline void reset_connection(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

#endif
