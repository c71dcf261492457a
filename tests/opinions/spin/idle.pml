/* SPDX-License-Identifier: MIT */
/* Submitting, parking and the chain of wake-ups: how work and an idle worker find each other.
 *
 * The labels are those of the protocol page on the idle word. A step of this model is one atomic
 * operation of the code, and all steps have one order: what this model cannot show is a memory
 * order that is too weak. The kernel's part of a sleep is folded into the cell, because the
 * parker's argument covers it; the age of a search is left out, as every searcher goes on.
 *
 * Every task is a long one: it ends only when all tasks have started. There are as many workers
 * as tasks, so a task that waits beside a sleeping worker is a standstill, which the search
 * reports as an invalid end state.
 *
 * holds: two workers, two outside tasks         | -DW=2 -DOUTSIDE=2 -DTASKS=2 | safety
 * holds: two workers, a task and its child      | -DW=2 -DOUTSIDE=1 -DTASKS=2 | safety
 * holds: a parent works, two workers are idle   | -DW=3 -DOUTSIDE=1 -DTASKS=3 -DBUSY_PARENT | safety
 * holds: both tasks start                       | -DW=2 -DOUTSIDE=2 -DTASKS=2 | fair
 * holds: the task and its child start           | -DW=2 -DOUTSIDE=1 -DTASKS=2 | fair
 * fails: W3, the look after the announcement    | -DW=2 -DOUTSIDE=2 -DTASKS=2 -DNO_LOOK | safety
 * fails: the last searcher wakes nobody         | -DW=3 -DOUTSIDE=1 -DTASKS=3 -DBUSY_PARENT -DNO_CHAIN | safety
 * fails: no look after work came in the cell    | -DW=2 -DOUTSIDE=2 -DTASKS=2 -DNO_LOOK_AFTER_CELL | safety
 * fails: a task's own work left to a cell       | -DW=3 -DOUTSIDE=1 -DTASKS=3 -DBUSY_PARENT -DOWN_WORK_LEFT_TO_A_CELL | safety
 * fails: the cell is emptied by load and store  | -DW=2 -DOUTSIDE=2 -DTASKS=2 -DTAKE_IN_TWO_STEPS | safety
 * fails: S4 writes whatever the cell holds      | -DW=2 -DOUTSIDE=2 -DTASKS=2 -DNOTIFY_BLINDLY | safety
 * fails: a claimed worker forgets its search    | -DW=2 -DOUTSIDE=2 -DTASKS=2 -DRETRACT_ALWAYS | safety
 */

#define ALL ((1 << TASKS) - 1)
#define bit(i) (1 << (i))
#define NONE 7

/* What a cell holds; WORK + t is task t. */
#define BUSY 0
#define WATCHING 1
#define ASLEEP 2
#define NOTIFIED 3
#define WORK 4

/* With BUSY_PARENT the first worker begins with the parent in hand and the others are idle. */
#ifdef BUSY_PARENT
#define PARENT OUTSIDE
#define FIRST_IDLE (((1 << W) - 1) & ~1)
#define FIRST_CELL WATCHING
#else
#if TASKS > OUTSIDE
#define PARENT 0
#endif
#define FIRST_IDLE 0
#define FIRST_CELL BUSY
#endif
#define CHILD (TASKS - 1)

#ifdef OWN_WORK_LEFT_TO_A_CELL
#define ANY_WAKE true
#else
#define ANY_WAKE false
#endif

/* The idle word: one step reads or writes both. */
byte idle = FIRST_IDLE;
byte searching = 0;

byte cell[W] = FIRST_CELL;
byte outside = 0; /* tasks in the queue of outside work */
byte queue[W];    /* tasks in the run queue of a seat */

byte started = 0;
byte finished = 0;

inline lowest(tasks, t) {
  t = 0;
  do
  :: (tasks & bit(t)) -> break
  :: else -> t++
  od
}

/* S3: any idle worker, for whom it is depends on who asks. */
inline claim(slot) {
  atomic {
    if
    :: idle == 0 || searching > 0 -> slot = W
    :: else ->
       if
       :: idle & 1 -> slot = 0
       :: idle & 2 -> slot = 1
#if W > 2
       :: idle & 4 -> slot = 2
#endif
       fi;
       idle = idle & ~bit(slot);
       searching++
    fi
  }
}

/* S4. */
inline notify(slot) {
  atomic {
    if
#ifdef NOTIFY_BLINDLY
    :: true -> cell[slot] = NOTIFIED
#else
    :: cell[slot] == WATCHING || cell[slot] == ASLEEP -> cell[slot] = NOTIFIED
    :: else
#endif
    fi
  }
}

/* Does work lie in the cell of a worker that was seen idle? One look a cell. */
inline look_at_cells() {
  coming = false;
  k = 0;
  do
  :: k < W && !coming ->
     atomic { coming = ((seen & bit(k)) && cell[k] >= WORK); k++ }
  :: else -> break
  od;
  k = 0
}

/* S2 to S4, after work was published. Only outside work may be left to a worker that has work in
 * its cell: that one looks at the queue of outside work, and at no other, when it has taken it. */
inline wake_for(from_outside) {
  atomic { seen = (searching > 0 -> 0 : idle) };
  if
  :: seen == 0
  :: else ->
     if
     :: from_outside -> look_at_cells()
     :: else
     fi;
     if
     :: coming -> coming = false
     :: else ->
        claim(k);
        if
        :: k < W -> notify(k)
        :: else
        fi;
        k = 0
     fi
  fi;
  seen = 0
}

/* scheduler_core::push_outside, with place_directly in it. */
active [OUTSIDE] proctype submitter() {
  byte k = 0, seen = 0;
  bool coming = false, searched = false, placed = false;

  if
  :: outside != 0 -> goto push
  :: else
  fi;
  atomic { seen = idle; searched = searching > 0 };
  do
  :: seen != 0 && k < W && !placed ->
     atomic { /* hand_over */
       if
       :: (seen & bit(k)) && cell[k] == WATCHING -> cell[k] = WORK + _pid; placed = true
       :: else
       fi;
       k++
     }
  :: else -> break
  od;
  k = 0;
  if
  :: placed -> goto out
  :: !placed && (seen == 0 || searched) -> goto push
  :: else
  fi;
  look_at_cells();
  if
  :: coming -> goto push
  :: else
  fi;
  claim(k);
  if
  :: k == W -> goto push
  :: else
  fi;
  atomic { /* give */
    if
    :: cell[k] == WATCHING || cell[k] == ASLEEP -> cell[k] = WORK + _pid; placed = true
    :: else
    fi;
    k = 0
  };
  if
  :: placed -> goto out
  :: else
  fi;
push:
  atomic { coming = false; searched = false; seen = 0; k = 0; outside = outside | bit(_pid) }; /* S1 */
  wake_for(true);
out:
  skip
}

/* Everything that others may have published, one look a queue. */
inline look_at_queues() {
  visible = (outside != 0);
  k = 0;
  do
  :: k < W && !visible -> atomic { visible = (queue[k] != 0); k++ }
  :: else -> break
  od;
  k = 0
}

active [W] proctype worker() {
  byte me = _pid - OUTSIDE;
  byte t = NONE, k = 0, seen = 0, got = 0;
  bool searches = false, coming = false, visible = false, unclaimed = false, has_work = false;

#ifdef BUSY_PARENT
  if
  :: me == 0 -> t = PARENT; goto work
  :: else -> goto announced
  fi;
#endif
find:
  atomic { /* the own queue */
    if
    :: queue[me] != 0 -> lowest(queue[me], t); queue[me] = queue[me] & ~bit(t); goto work
    :: else
    fi
  };
  atomic { /* a batch from outside */
    if
    :: outside != 0 -> got = outside; outside = 0; lowest(got, t); got = got & ~bit(t)
    :: else
    fi
  };
  if
  :: t != NONE ->
     if
     :: got != 0 ->
        atomic { queue[me] = queue[me] | got; got = 0 };
        wake_for(ANY_WAKE)
     :: else
     fi;
     goto work
  :: else
  fi;

  atomic {
    if
    :: !searches -> searches = true; searching++
    :: else
    fi
  };
  do
  :: k < W && t == NONE ->
     atomic { /* steal */
       if
       :: k != me && queue[k] != 0 -> lowest(queue[k], t); queue[k] = queue[k] & ~bit(t)
       :: else
       fi;
       k++
     }
  :: else -> break
  od;
  k = 0;
  do
  :: k < W && t == NONE ->
     atomic { /* take_back */
       if
       :: k != me && cell[k] >= WORK -> t = cell[k] - WORK; cell[k] = NOTIFIED
       :: else
       fi;
       k++
     }
  :: else -> break
  od;
  k = 0;
  if
  :: t != NONE -> goto work
  :: finished == TASKS -> goto out
  :: else
  fi;

  cell[me] = WATCHING; /* W1 */
  atomic {             /* W2 */
    idle = idle | bit(me);
    if
    :: searches -> searching--; searches = false
    :: else
    fi
  };
announced:
#ifndef NO_LOOK
  look_at_queues(); /* W3 */
#endif
  if
  :: !visible ->
     atomic {
       if
       :: cell[me] == WATCHING -> cell[me] = ASLEEP
       :: else
       fi
     };
     (cell[me] != ASLEEP || finished == TASKS) /* W4 */
  :: else -> visible = false
  fi;
  has_work = cell[me] >= WORK; /* peek */
  atomic {                     /* retract */
#ifdef RETRACT_ALWAYS
    unclaimed = true;
#else
    unclaimed = ((idle & bit(me)) != 0);
#endif
    if
    :: unclaimed ->
       idle = idle & ~bit(me);
       if
       :: !has_work -> searching++
       :: else
       fi
    :: else
    fi;
    searches = !has_work || !unclaimed;
    has_work = false;
    unclaimed = false
  };
#ifdef TAKE_IN_TWO_STEPS
  got = cell[me];
  atomic { cell[me] = BUSY; if :: got >= WORK -> t = got - WORK :: else fi; got = 0 };
#else
  atomic { if :: cell[me] >= WORK -> t = cell[me] - WORK :: else fi; cell[me] = BUSY };
#endif
  if
  :: t == NONE ->
     if
     :: !searches -> atomic { searches = true; searching++ } /* it was taken back */
     :: else
     fi;
     goto find
  :: else ->
#ifndef NO_LOOK_AFTER_CELL
     if
     :: outside != 0 -> wake_for(ANY_WAKE)
     :: else
     fi
#endif
  fi;

work:
  if
  :: searches ->
     atomic { searches = false; searching--; coming = (idle != 0 && searching == 0) };
#ifdef NO_CHAIN
     coming = false;
#endif
     if
     :: coming ->
        coming = false;
        look_at_queues();
        if
        :: visible -> visible = false; wake_for(ANY_WAKE)
        :: else
        fi
     :: else
     fi
  :: else
  fi;
  atomic { assert((started & bit(t)) == 0); started = started | bit(t) }; /* none twice */
#ifdef PARENT
  if
  :: t == PARENT -> queue[me] = queue[me] | bit(CHILD); wake_for(ANY_WAKE)
  :: else
  fi;
#endif
  atomic { started == ALL -> t = NONE; finished++ };
  goto find;
out:
  skip
}

ltl every_task_starts { <> (started == ALL) }
