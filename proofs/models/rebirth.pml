/* SPDX-License-Identifier: MIT */
/*
 * Calls of a server that dies at any step and is reborn: who waits is always told, and a request that is
 * asked again has one effect.
 *
 * What it abstracts (kernel/ipc/endpoint.c, kernel/resurrection/service.c):
 *   k_call       sys_call              queues the caller first in, first out, also while the server is
 *                                      reborn, or refuses it with EXO_EDEAD when no life follows
 *   k_receive    sys_reply_wait        takes the first of the queue
 *   k_reply      sys_reply_wait        answers the caller that is served
 *   k_die        service_life_ended    ends the life: quiet, endpoint_orphan tells the served caller,
 *                endpoint_settle, tell_callers   and those who queued in this life, EXO_ERESTARTED
 *   rebirth      snapshot_restore, begin, endpoint_up      the next life; LIVES of them at most
 *   GONE         rs_died says FAILED or STOPPED; endpoint_settle with `down` tells the queue EXO_EDEAD
 * That a dead server stays DEAD for a while stands for the pieces of a rebirth (service_rebirth): callers
 * come in between. A caller that was told (TOLD) asks again unless the server is GONE: libos/exo/ipc.h,
 * ipc_call_again. The protocol over it is what a client and a server have to follow: each request has a
 * number; a client that was told asks again with the same one; the server keeps, with the state that
 * the request changes, the number of each client's last request (lib/answers.h); it saves that state before
 * it answers (lib/undo.h).
 *
 * The one idea: a restart restores what was saved last, so all that was not saved is undone together.
 * Each kernel call is one atomic step, as all are under the kernel lock.
 */
#define CLIENTS  2
#define REQUESTS 2 /* of each client */
#define LIVES    3
#define NONE     CLIENTS

mtype = { UP, DEAD, GONE };
mtype = { IDLE, QUEUED, SERVED, OK, TOLD };

mtype server = UP;
mtype state[CLIENTS] = IDLE;
byte serving = NONE;
byte lives = 1;
chan queue = [CLIENTS] of { byte };

byte number[CLIENTS];      /* of the request that the client makes now */
byte effects[CLIENTS];     /* live state: what each client's requests did */
byte last[CLIENTS];        /* live state: number of each client's last request that was done */
byte saved_effects[CLIENTS], saved_last[CLIENTS];
byte acknowledged[CLIENTS];
bool finished[CLIENTS];

inline k_call(c) {
  if
  :: server != GONE -> state[c] = QUEUED; queue!c
  :: else -> state[c] = TOLD
  fi
}

inline k_die() {
  server = DEAD;
#ifndef ORPHAN_FORGOTTEN
  if :: serving != NONE -> state[serving] = TOLD :: else fi;
#endif
  serving = NONE;
  do :: queue?f -> state[f] = TOLD :: empty(queue) -> break od;
  f = 0
}

inline k_gone() {
  server = GONE;
#ifndef QUEUE_FORGOTTEN
  do :: queue?f -> state[f] = TOLD :: empty(queue) -> break od;
#endif
  f = 0
}

inline save() {
  f = 0;
  do
  :: f < CLIENTS -> saved_effects[f] = effects[f]; saved_last[f] = last[f]; f++
  :: else -> break
  od;
  f = 0
}

inline restore() {
  f = 0;
  do
  :: f < CLIENTS -> effects[f] = saved_effects[f]; last[f] = saved_last[f]; f++
  :: else -> break
  od;
  f = 0
}

proctype Client(byte me) {
  do
  :: number[me] < REQUESTS && server != GONE ->
     number[me]++;
again:
     atomic { k_call(me) };
     atomic { state[me] == OK || state[me] == TOLD ->
       if
       :: state[me] == OK -> acknowledged[me]++; state[me] = IDLE
       :: state[me] == TOLD && server != GONE -> state[me] = IDLE; goto again
       :: state[me] == TOLD && server == GONE -> state[me] = IDLE; break /* a clear error */
       fi }
  :: number[me] == REQUESTS || server == GONE -> break
  od;
  finished[me] = true
}

/* All lives of the server, one after the other. */
proctype Server() {
  byte f;
  bool done;
end_wait:
  do
  :: atomic { server == UP && serving == NONE && queue?[_] ->
       queue?serving; assert(state[serving] == QUEUED); state[serving] = SERVED; done = false }
#ifdef NO_NUMBERS
  :: atomic { server == UP && serving != NONE && !done ->
       effects[serving]++; last[serving] = number[serving]; done = true }
#else
  :: atomic { server == UP && serving != NONE && !done ->
       if
       :: last[serving] != number[serving] -> effects[serving]++; last[serving] = number[serving]
       :: else
       fi;
       done = true }
#endif
#ifndef ANSWER_FIRST
  :: atomic { server == UP && serving != NONE && done && saved_last[serving] != last[serving] ->
       save() }
  :: atomic { server == UP && serving != NONE && done && saved_last[serving] == last[serving] ->
#else
  :: atomic { server == UP && serving == NONE && done -> save(); done = false }
  :: atomic { server == UP && serving != NONE && done ->
#endif
       assert(state[serving] == SERVED); state[serving] = OK; serving = NONE
#ifndef ANSWER_FIRST
       ; done = false
#endif
     }
  od
}

/* It may die at every step, and need not: the step is never forced. */
proctype Death() {
  byte f;
end_death:
  do
  :: atomic { server == UP -> k_die() }
  :: atomic { server == DEAD && lives < LIVES -> restore(); lives++; server = UP }
  :: atomic { server == DEAD && lives == LIVES -> k_gone() }
  od
}

init {
  byte c;
  atomic {
    do :: c < CLIENTS -> run Client(c); c++ :: else -> break od;
    run Server(); run Death()
  }
}

#define EXACT(c) (effects[c] >= acknowledged[c] && effects[c] <= number[c] && \
                  acknowledged[c] <= saved_effects[c])

/* The saved state has each acknowledged request, and none twice. */
ltl once { [] (EXACT(0) && EXACT(1)) }
/* Nobody waits for ever. A server that is DEAD becomes UP or GONE: weak fairness. */
ltl answered { <> (finished[0] && finished[1]) }
