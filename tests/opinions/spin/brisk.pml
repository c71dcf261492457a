/* SPDX-License-Identifier: MIT */
/* Leaving work to a brisk worker: the brisk bit, and the sentinel that makes up for a wrong guess.
 *
 * A worker that polls may believe, rightly or not, that it copes alone. Then outside threads wake
 * nobody, and it keeps what it polled to itself. Here the guess can be as wrong as it may be: a
 * task ends only when all tasks have started, and there are as many workers as tasks. So one that
 * sleeps has to find out by itself, and the only one to do so is a sentinel, whose sleep has a
 * limit. A limit is over whenever the search likes, so nothing here stands still: what is checked
 * is that all tasks start, where every process that can go on does so some day.
 *
 * As in the model of the idle word, one step is one atomic operation, and all steps have one order.
 *
 * holds: a batch of two, two workers            | -DW=2 -DTASKS=2 -DBATCH | fair
 * holds: one after the other, two workers       | -DW=2 -DTASKS=2 | fair
 * fails: the bit is set without a sentinel      | -DW=2 -DTASKS=2 -DSET_WITHOUT_SENTINEL | fair
 * fails: the last sentinel leaves the bit       | -DW=2 -DTASKS=2 -DLEAVE_THE_BIT | fair
 * fails: a sentinel retires without a look      | -DW=2 -DTASKS=2 -DRETIRE_BLINDLY | fair
 * fails: a sentinel looks at the queue only     | -DW=2 -DTASKS=2 -DBATCH -DNO_LOOK_AT_SEATS | fair
 */

#define ALL ((1 << TASKS) - 1)
#define bit(i) (1 << (i))
#define NONE 7
#define LOOKS_MAX 1 /* of a sentinel, while nobody is brisk */

#define BUSY 0
#define WATCHING 1
#define ASLEEP 2
#define NOTIFIED 3
#define WORK 4

/* The idle word. */
byte idle = 0;
byte searching = 0;
byte sentinels = 0;
bool brisk = false;

byte cell[W];
byte outside = 0;  /* tasks in the queue of outside work */
byte queue[W];     /* tasks in the run queue of a seat */
byte polled[W];    /* how many came to this seat from outside */

byte started = 0;

inline lowest(tasks, t) {
  t = 0;
  do
  :: (tasks & bit(t)) -> break
  :: else -> t++
  od
}

/* S2 to S4; the claimed worker is any. */
inline wake_for(from_outside) {
  atomic { seen = idle; stop = (searching > 0 || (from_outside && brisk)) };
  if
  :: seen != 0 && !stop ->
     atomic {
       if
       :: idle == 0 || searching > 0 -> k = W
       :: else ->
          k = 0;
          do
          :: idle & bit(k) -> break
          :: k < W - 1 && (idle >> (k + 1)) != 0 -> k++
          od;
          idle = idle & ~bit(k);
          searching++
       fi
     };
     atomic {
       if
       :: k < W && (cell[k] == WATCHING || cell[k] == ASLEEP) -> cell[k] = NOTIFIED
       :: else
       fi;
       k = 0
     }
  :: else
  fi;
  atomic { seen = 0; stop = false }
}

inline set_brisk() {
  atomic {
#ifdef SET_WITHOUT_SENTINEL
    brisk = true;
    believes = true
#else
    if
    :: sentinels > 0 -> brisk = true; believes = true
    :: else -> believes = false
    fi
#endif
  }
}

inline remove_sentinel() {
  atomic {
    sentinels--;
#ifndef LEAVE_THE_BIT
    if
    :: sentinels == 0 -> brisk = false
    :: else
    fi;
#endif
    sentinel = false
  }
}

active proctype submitter() {
  byte k = 0, seen = 0, next = 0;
  bool stop = false, placed = false;

  do
  :: next < TASKS ->
#ifdef BATCH
     outside = ALL;
     next = TASKS;
#else
     if
     :: outside == 0 ->
        seen = idle;
        do
        :: k < W && !placed ->
           atomic { /* hand_over */
             if
             :: (seen & bit(k)) && cell[k] == WATCHING -> cell[k] = WORK + next; placed = true
             :: else
             fi;
             k++
           }
        :: else -> break
        od;
        atomic { k = 0; seen = 0 }
     :: else
     fi;
     if
     :: !placed -> outside = outside | bit(next)
     :: else
     fi;
     next++;
#endif
     if
     :: !placed -> wake_for(true)
     :: else -> placed = false
     fi
  :: else -> break
  od
}

inline look_at_queues() {
  visible = (outside != 0);
  k = 0;
  do
  :: k < W && !visible -> atomic { visible = (queue[k] != 0); k++ }
  :: else -> break
  od;
  k = 0
}

/* Work that nobody has come near since the last look. No task ends here, so no seat has moved. */
inline look_for_what_stands_still() {
  moved = false;
  k = 0;
  do
  :: k < W ->
     atomic { moved = (moved || polled[k] != last[k]); last[k] = polled[k] };
#ifndef NO_LOOK_AT_SEATS
     if
     :: queue[k] != 0 -> visible = true
     :: else
     fi;
#endif
     k++
  :: else -> break
  od;
  k = 0;
  if
  :: !moved && outside != 0 -> visible = true
  :: else
  fi;
  moved = false
}

/* worker::sleep_on_cell. */
inline sleep_on_cell() {
  looks = 0;
  do
  :: true ->
     atomic { seen = sentinels; stop = brisk };
     if
     :: stop -> looks = 0
     :: else
     fi;
     if
     :: looks < LOOKS_MAX && !sentinel && seen == 0 -> atomic { sentinels++; sentinel = true }
     :: looks == LOOKS_MAX && sentinel ->
        remove_sentinel();
#ifdef RETIRE_BLINDLY
        goto sleep;
#endif
     :: else
     fi;
     if
     :: sentinel && stop -> look_for_what_stands_still()
     :: else -> look_at_queues()
     fi;
     if
     :: visible -> visible = false; break
     :: else
     fi;
#ifdef RETIRE_BLINDLY
sleep:
#endif
     atomic {
       if
       :: cell[me] == WATCHING -> cell[me] = ASLEEP
       :: else
       fi
     };
     if
     :: cell[me] != ASLEEP
     :: sentinel /* the limit */
     fi;
     if
     :: cell[me] != WATCHING && cell[me] != ASLEEP -> break
     :: else -> looks = (looks < LOOKS_MAX -> looks + 1 : looks)
     fi
  od;
  atomic { looks = 0; seen = 0; stop = false };
  if
  :: cell[me] == WATCHING || cell[me] == ASLEEP -> brisk = false /* it did not cope */
  :: else
  fi;
  if
  :: sentinel -> remove_sentinel()
  :: else
  fi
}

active [W] proctype worker() {
  byte me = _pid - 1;
  byte t = NONE, k = 0, seen = 0, got = 0, looks = 0;
  byte last[W];
  bool searches = false, stop = false, visible = false, moved = false;
  bool believes = false, sentinel = false, has_work = false, unclaimed = false;

find:
  atomic {
    if
    :: queue[me] != 0 -> lowest(queue[me], t); queue[me] = queue[me] & ~bit(t); goto work
    :: else
    fi
  };
  atomic {
    if
    :: outside != 0 ->
       got = outside;
       outside = 0;
       polled[me]++;
       lowest(got, t);
       got = got & ~bit(t);
       queue[me] = queue[me] | got
    :: else
    fi
  };
  if
  :: t != NONE ->
     if
     :: set_brisk()
     :: believes -> atomic { believes = false; brisk = false }
     :: !believes
     fi;
     if
     :: !believes && got != 0 -> wake_for(false)
     :: else
     fi;
     got = 0;
     goto work
  :: else
  fi;

  if
  :: believes ->
     atomic { believes = false; brisk = false }
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
  :: else
  fi;

  cell[me] = WATCHING;
  atomic { idle = idle | bit(me); searching--; searches = false };
  look_at_queues();
  if
  :: !visible -> sleep_on_cell()
  :: else -> visible = false
  fi;
  has_work = cell[me] >= WORK;
  atomic { /* retract */
    unclaimed = ((idle & bit(me)) != 0);
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
  atomic { if :: cell[me] >= WORK -> t = cell[me] - WORK :: else fi; cell[me] = BUSY };
  if
  :: t != NONE && outside != 0 ->
     if
     :: set_brisk()
     :: believes = false
     fi;
     if
     :: !believes -> wake_for(false)
     :: else
     fi;
     goto work
  :: t != NONE && outside == 0 -> goto work
  :: t == NONE ->
     if
     :: !searches -> atomic { searches = true; searching++ }
     :: else
     fi;
     goto find
  fi;

work:
  if
  :: searches ->
     atomic { searches = false; searching--; stop = (idle != 0 && searching == 0) };
     if
     :: stop ->
        stop = false;
        look_at_queues();
        if
        :: visible -> visible = false; wake_for(false)
        :: else
        fi
     :: else
     fi
  :: else
  fi;
  atomic { assert((started & bit(t)) == 0); started = started | bit(t) };
  started == ALL
}

ltl every_task_starts { <> (started == ALL) }
