/* SPDX-License-Identifier: MIT */
/* A worker whose task blocks gives its seat to a spare thread, so that the core goes on working.
 *
 * The labels are those of the protocol page on spares. There is one seat, whose worker finds a task
 * that blocks until the other one has run, and there are as many spares as the list may hold: with
 * FIRST_SPARE one stands there, otherwise one is made. One thread drains and ends. Finding work is
 * as simple as it can be; one step is one atomic operation, and all steps have one order.
 *
 * holds: a spare stands in the list             | -DTHREADS=2 -DFIRST_SPARE | safety
 * holds: a spare has to be made                 | -DTHREADS=2 | safety
 * holds: two spares, three tasks that block     | -DTHREADS=3 -DTASKS=3 | safety
 * holds: it ends                                | -DTHREADS=2 -DFIRST_SPARE | fair
 * fails: the seat is not lent                   | -DTHREADS=2 -DFIRST_SPARE -DKEEP_SEAT | safety
 * fails: L4 after the lock is given back        | -DTHREADS=2 -DFIRST_SPARE -DLEAVE_LATE | safety
 * fails: L3 without the wake-up                 | -DTHREADS=2 -DFIRST_SPARE -DNO_UNPARK | safety
 * fails: B3 does not look for the exit          | -DTHREADS=2 -DFIRST_SPARE -DNO_LOOK_FOR_EXIT | safety
 * holds: B1 does not look for it, as B3 does    | -DTHREADS=2 -DFIRST_SPARE -DLOOK_ONCE | safety
 * fails: the look in L7                         | -DTHREADS=2 -DFIRST_SPARE -DNO_LOOK_FOR_QUIET | safety
 */

#ifndef TASKS
#define TASKS 2
#endif
#define NOBODY 7

bool draining = false;
bool exiting = false;
bool ended = false;

bool locked = false;     /* threads_lock */
#ifdef FIRST_SPARE
byte spares = 2;         /* who stands in the list, as bits */
byte made = 2;           /* threads */
#else
byte spares = 0;
byte made = 1;
#endif
bool assigned[THREADS];  /* the seat */
bool sits[THREADS];      /* current.place */
bool wake_up[THREADS];   /* the parker's memory */

byte queue = TASKS;      /* tasks that nobody has taken */
byte finished = 0;
byte exited = 0;
bool notified = false;   /* the seat's cell */
bool idle = false;       /* the seat's bit in the idle word */

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

inline check_quiet() {
  if
  :: draining && finished == TASKS -> ended = true
  :: else
  fi
}

/* lend_seat(). */
inline lend() {
  lock(); /* L2 */
  if
#ifdef KEEP_SEAT
  :: true
#endif
  :: spares != 0 -> /* L3 */
     d_step {
       other = 0;
       do
       :: spares & (1 << other) -> break
       :: else -> other++
       od;
       spares = spares & ~(1 << other)
     };
     assigned[other] = true;
#ifndef NO_UNPARK
     wake_up[other] = true;
#endif
     lent = true
  :: spares == 0 && made < THREADS ->
     assigned[made] = true;
     made++; /* it runs from here on */
     lent = true
  :: else
  fi;
#ifdef LEAVE_LATE
  unlock();
  if
  :: lent -> sits[me] = false
  :: else
  fi;
#else
  if
  :: lent -> sits[me] = false /* L4 */
  :: else
  fi;
  unlock();
#endif
  lent = false;
  other = 0
}

active [THREADS] proctype thread() {
  byte me = _pid, other = 0, k = 0;
  bool lent = false, work = false, seated = false;

  d_step {
    if
    :: me == 0 -> sits[0] = true
    :: else
    fi
  };
  if
  :: me == 0 -> goto seat
#ifdef FIRST_SPARE
  :: me == 1 -> goto wait
#endif
  :: else -> /* it is made some day, or never */
     if
     :: made > me -> goto wait
     :: exiting && made <= me -> goto out
     fi
  fi;

spare:
#ifndef NO_LOOK_FOR_QUIET
  check_quiet(); /* L7 */
#endif
  lock(); /* B1 */
#ifndef LOOK_ONCE
  if
  :: exiting -> unlock(); goto out
  :: else
  fi;
#endif
  spares = spares | (1 << me);
  unlock();
wait:
  lock(); /* B2 */
  if
  :: assigned[me] ->
     d_step {
       assigned[me] = false;
       k = 0;
       do
       :: k < THREADS -> assert(!sits[k]); k++ /* one on a seat */
       :: else -> break
       od;
       k = 0;
       sits[me] = true
     };
     unlock();
     goto seat
  :: else
  fi;
  unlock();
#ifndef NO_LOOK_FOR_EXIT
  if
  :: exiting -> goto out /* B3 */
  :: else
  fi;
#endif
  atomic { wake_up[me] -> wake_up[me] = false };
  goto wait;

seat:
  atomic { work = (queue > 0); queue = (queue > 0 -> queue - 1 : 0) };
  if
  :: work ->
     work = false;
     if
     :: queue > 0 -> lend(); queue == 0 /* L5: until another has taken the last task */
     :: else
     fi;
     finished++; /* L6 */
     seated = sits[me];
     if
     :: seated -> seated = false; goto seat
     :: else -> goto spare
     fi
  :: else
  fi;
  if
  :: exiting -> goto out
  :: else
  fi;
  idle = true;
  check_quiet();
  if
  :: exiting
  :: else -> notified
  fi;
  d_step { notified = false; idle = false };
  goto seat;
out:
  exited++
}

active proctype ender() {
  byte k = 0;
  draining = true;
  check_quiet();
  ended;
  exiting = true;
  atomic {
    if
    :: idle -> idle = false; notified = true
    :: else
    fi
  };
  lock();
  d_step { /* unpark all that stand in the list */
    do
    :: k < THREADS ->
       if
       :: spares & (1 << k) -> wake_up[k] = true
       :: else
       fi;
       k++
    :: else -> break
    od;
    spares = 0
  };
  unlock();
  exited == THREADS;
  assert(finished == TASKS && queue == 0)
}

ltl it_ends { <> (exited == THREADS) }
