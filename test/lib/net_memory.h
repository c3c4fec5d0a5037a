/*
 * net_memory - the second implementation of net: streams in memory, a virtual clock, one thread.
 *
 * All loops of the process turn inside net_memory_run() until nothing is left to do; time stands still until
 * net_memory_advance(). What would be a process at the other end of a connection is a struct memory_peer in the
 * test's hands. Turns, loops and streams come in the order in which they were made, so a failure repeats.
 *
 *    stream_connect(address) --> acceptor of the address   (net_memory_serve)
 *    listener_open(address)  <-- net_memory_dial
 *    accepted(owner, fd)     <-- net_memory_client         (without a listener)
 *
 * Descriptors are numbers that no real one has; net's functions and nothing else understand them.
 */
#ifndef NET_MEMORY_H
#define NET_MEMORY_H

#include "pgpooler/net.h"

/* ---- time and turns ---- */
void net_memory_run(void);              /* until quiet; ends the test when the loops never get quiet */
void net_memory_advance(usec by);       /* fires what falls due on the way, each at its own time */
usec net_memory_now(void);              /* what every loop_now says */
void net_memory_reset(void);            /* forgets peers, acceptors and names; all loops are freed before */
unsigned net_memory_open_streams(void); /* of all loops */

/* ---- connections ---- */
struct memory_peer;
/* Called inside net_memory_run when a stream connects to `at`, before its owner's `opened`. Lends the peer: it lives
 * until peer_close or net_memory_reset. NULL: refuse again, as every address does without an acceptor. */
void net_memory_serve(const struct address *at, void (*accept)(void *context, struct memory_peer *peer), void *context);
/* Connecting to `at` fails with this errno from now on; 0: it never ends. */
void net_memory_fail(const struct address *at, int error);
/* A client of ours: `accepted` gets its descriptor in the next run. `from` NULL: some port of 127.0.0.1. */
struct memory_peer *net_memory_client(const struct address *from, void (*accepted)(void *owner, int fd), void *owner);
/* The same through a listener; NULL when nobody listens there. */
struct memory_peer *net_memory_dial(const struct address *at);

void peer_send(struct memory_peer *peer, const void *bytes, size_t len);
size_t peer_receive(struct memory_peer *peer, void *into, size_t size); /* takes what has arrived, at most size */
struct slice peer_received(const struct memory_peer *peer);             /* lends the same without taking it */
void peer_half_close(struct memory_peer *peer);                         /* FIN; still receives */
void peer_close(struct memory_peer *peer);                              /* takes; what it sent can still be read */
void peer_reset(struct memory_peer *peer);                              /* takes; the same, with an error at the end */
/* Most bytes that may have arrived and not been received: what is above stays pending in the stream. */
void peer_set_window(struct memory_peer *peer, size_t bytes);
size_t peer_unread(const struct memory_peer *peer); /* bytes sent that the stream has not read */
/* Each `readable` shows at most so many of the bytes sent, as if they came in packets of this size; 0: all. */
void peer_set_packet(struct memory_peer *peer, size_t bytes);
/* Called inside net_memory_run after bytes or the end have arrived. */
void peer_on_arrival(struct memory_peer *peer, void (*arrived)(void *context, struct memory_peer *peer), void *context);
bool peer_is_ended(const struct memory_peer *peer);  /* nothing more will arrive: FIN or closed */
bool peer_is_closed(const struct memory_peer *peer); /* the stream was closed */

/* ---- what else a loop waits for ---- */
void net_memory_name(const char *host, const char *numbers); /* "10.0.0.1 ::1"; "": the lookup fails, as all others */
void net_memory_signal(int signum);
void net_memory_ready(int fd, int events); /* WATCH_READ | WATCH_WRITE, told once to who wants it */

#endif
