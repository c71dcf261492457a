/* SPDX-License-Identifier: MIT */
/* The end of a scheduler: submitting against close, the count that tells that nothing is left, and
 * the destroyer against whoever still looks at what it destroys.
 *
 * The labels are those of the protocol page on the end. Two outside threads hand in a task each;
 * the first task hands in another. With RUN_HERE the second thread runs its task itself, as under
 * reject::caller_runs; with DELAYED it is the time source's, and its task was accepted before. One
 * thread drains and destroys; with STOPPER a second one stops before that, and gives up or not
 * when it should wait for who is inside.
 *
 * Finding and waking are as simple as they can be, for they have models of their own: one queue,
 * and a wake-up for each task if anybody is idle. One step is one atomic operation, and all steps
 * have one order.
 *
 * holds: drain and destroy, with two workers    | -DW=2 | safety
 * holds: a caller runs its own task             | -DW=1 -DRUN_HERE | safety
 * holds: a delayed task comes due meanwhile     | -DW=1 -DDELAYED | safety
 * holds: two end it, one of them by a stop      | -DW=1 -DSTOPPER | safety
 * holds: it ends                                | -DW=1 -DSTOPPER | fair
 * fails: the wait in E2                         | -DW=1 -DNO_WAIT_FOR_INSIDE | safety
 * fails: S2 before S1                           | -DW=1 -DLOOK_BEFORE_INSIDE | safety
 * fails: the look in E4                         | -DW=1 -DNO_LOOK_BY_ENDER | safety
 * fails: the look in W4                         | -DW=1 -DNO_LOOK_BY_WORKER | safety
 * fails: the look in W5                         | -DW=1 -DNO_LOOK_FOR_EXIT | safety
 * fails: Q3 before Q2                           | -DW=2 -DACCEPTED_FIRST | safety
 * fails: the wait for those inside in E7        | -DW=1 -DDELAYED -DNO_LAST_WAIT | safety
 * fails: a caller counts and does not look      | -DW=1 -DRUN_HERE -DNO_LOOK_BY_CALLER | safety
 * fails: no count of late hands                 | -DW=1 -DRUN_HERE -DNO_LATE_HANDS | safety
 * fails: W2 before W1                           | -DW=2 -DCOUNT_BEFORE_TASK | safety
 */

#define CLIENTS 2
#define LANES (CLIENTS + W) /* the clients' first */
#define bit(i) (1 << (i))
#define NONE 7
#define PARENT 0 /* the first client's task */
#define CHILD CLIENTS

/* The word of its life. */
bool closed = false;
bool draining = false;
bool stopping = false;
bool exiting = false;
bool gone = false;

bool inside[CLIENTS];
byte late_hands = 0;

#ifdef DELAYED
#define FIRST_ACCEPTED 1
#define FIRST_TAKEN_IN bit(1)
#else
#define FIRST_ACCEPTED 0
#define FIRST_TAKEN_IN 0
#endif
byte accepted[LANES];
byte finished[LANES];
bool ended = false;

byte queue = 0; /* tasks, as bits */
byte idle = 0;
bool notified[W];
byte exited = 0;
byte stoppers = 0;

/* Ghosts, for the assertions: what was accepted, and what was run or given up. */
byte taken_in = FIRST_TAKEN_IN;
byte done_with = 0;

/* What is destroyed in E8: the idle word, the queue, the counters. `life` and `inside` live on. */
#define touch() assert(!gone)

inline count_accepted(lane, t) {
  d_step { accepted[lane]++; taken_in = taken_in | bit(t) }
}

/* S4, and the same by a worker for the child of its task. */
inline publish_and_wake(t) {
  d_step { touch(); queue = queue | bit(t) };
  atomic {
    touch();
    if
    :: idle & 1 -> idle = idle & ~1; notified[0] = true
#if W > 1
    :: idle & 2 -> idle = idle & ~2; notified[1] = true
#endif
    :: idle == 0
    fi
  }
}

inline add_up(counter, at_first) {
  d_step { l = 0; sum = at_first };
  do
  :: l < LANES -> d_step { touch(); sum = sum + counter; l++ }
  :: else -> break
  od;
  l = 0
}

/* quiet() and check_quiet(). */
inline check_quiet() {
#ifdef ACCEPTED_FIRST
  add_up(accepted[l], FIRST_ACCEPTED); /* Q3 */
  ran = sum;
  add_up(finished[l], 0); /* Q2 */
#else
  add_up(finished[l], 0); /* Q2 */
  ran = sum;
  add_up(accepted[l], FIRST_ACCEPTED); /* Q3 */
#endif
  if
  :: sum == ran ->
     d_step { touch(); sum = 0; ran = 0; assert(taken_in == done_with); ended = true }
  :: else -> d_step { sum = 0; ran = 0 }
  fi
}

active [CLIENTS] proctype client() {
  byte l = 0, sum = 0, ran = 0;

#ifdef DELAYED
  if
  :: _pid == 1 -> inside[1] = true; goto publish
  :: else
  fi;
#endif
#ifdef LOOK_BEFORE_INSIDE
  if
  :: closed -> goto out /* S2 */
  :: else -> inside[_pid] = true
  fi;
#else
  inside[_pid] = true; /* S1 */
  if
  :: closed -> inside[_pid] = false; goto out /* S2 */
  :: else
  fi;
#endif
  count_accepted(_pid, _pid); /* S3 */
#ifdef RUN_HERE
  if
  :: _pid == 1 ->
#ifndef NO_LATE_HANDS
     late_hands++;
#endif
     inside[_pid] = false;
     d_step { touch(); finished[_pid]++; done_with = done_with | bit(_pid) };
#ifndef NO_LOOK_BY_CALLER
     if
     :: draining -> check_quiet()
     :: else
     fi;
#endif
#ifndef NO_LATE_HANDS
     late_hands--;
#endif
     goto out
  :: else
  fi;
#endif
publish:
  publish_and_wake(_pid); /* S4 */
  inside[_pid] = false;   /* S5 */
out:
  skip
}

active [W] proctype worker() {
  byte me = _pid - CLIENTS;
  byte t = NONE, l = 0, sum = 0, ran = 0;

find:
  atomic {
    touch();
    if
    :: queue & 1 -> t = 0; queue = queue & ~1
    :: queue & 2 -> t = 1; queue = queue & ~2
    :: queue & 4 -> t = 2; queue = queue & ~4
    :: queue == 0
    fi
  };
  if
  :: t != NONE ->
#ifdef COUNT_BEFORE_TASK
     finished[_pid]++;
#endif
     if
     :: stopping -> skip /* given up */
     :: else ->
        if
        :: t == PARENT ->
           count_accepted(_pid, CHILD);
           publish_and_wake(CHILD)
        :: else
        fi
     fi; /* W1 */
     d_step {
#ifndef COUNT_BEFORE_TASK
       finished[_pid]++; /* W2 */
#endif
       assert((done_with & bit(t)) == 0);
       done_with = done_with | bit(t);
       t = NONE
     };
     goto find
  :: else
  fi;
  if
  :: exiting -> goto out
  :: else
  fi;
  idle = idle | bit(me); /* W3 */
  if
#ifndef NO_LOOK_BY_WORKER
  :: draining -> check_quiet() /* W4 */
#endif
  :: else
  fi;
  if
  :: queue != 0
#ifndef NO_LOOK_FOR_EXIT
  :: exiting /* W5 */
#endif
  :: else -> notified[me] /* sleeps */
  fi;
  d_step { idle = idle & ~bit(me); notified[me] = false };
  goto find;
out:
  exited++
}

/* E2. */
inline wait_for_inside() {
#ifdef NO_WAIT_FOR_INSIDE
  skip
#else
  !inside[0];
  !inside[1]
#endif
}

#ifdef STOPPER
active proctype stopper() {
  byte l = 0, sum = 0, ran = 0;
  closed = true;   /* E1 */
  stopping = true;
  if
  :: wait_for_inside();
     draining = true; /* E3 */
     check_quiet();   /* E4 */
     ended            /* E5 */
  :: skip /* its context has ended */
  fi;
  stoppers++
}
#define STOPPERS 1
#else
#define STOPPERS 0
#endif

active proctype destroyer() {
  byte l = 0, sum = 0, ran = 0;
  closed = true; /* E1 */
  wait_for_inside();
  draining = true; /* E3 */
#ifndef NO_LOOK_BY_ENDER
  check_quiet(); /* E4 */
#endif
  ended;                /* E5 */
  stoppers == STOPPERS; /* nobody destroys what somebody stops */
  exiting = true;       /* E6 */
  d_step {
    if
    :: idle & 1 -> notified[0] = true
    :: else
    fi;
#if W > 1
    if
    :: idle & 2 -> notified[1] = true
    :: else
    fi;
#endif
    idle = 0
  };
  exited == W;
#ifndef NO_LAST_WAIT
  !inside[0]; /* E7 */
  !inside[1];
#endif
  late_hands == 0;
  d_step {
    gone = true; /* E8 */
    assert(queue == 0 && taken_in == done_with)
  }
}

ltl it_ends { <> gone }
