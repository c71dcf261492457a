/* SPDX-License-Identifier: MIT */
/* The flag in front of the queue of outside work, and the workers that sleep on what it says.
 *
 * The labels are those of the protocol page on the injector. The queue inside is modelled by the
 * four counters of a sub-queue, with every step of a pop of its own: a popper counts itself in,
 * then learns whether there was an item, and counts itself out if not. So a pop can find nothing
 * beside an item, as in the real one. Left out are the producer's first word, which is no work,
 * and all but one of the tries for an item in dispute. One step is one atomic operation; memory
 * orders are not modelled.
 *
 * Every task is a long one: it ends only when all tasks have started. So a task that waits beside
 * a sleeping worker is a standstill, which the search reports as an invalid end state.
 *
 * holds: two workers, two words                 | -DW=2 -DTASKS=2 -DINSIDE=0 | safety
 * holds: three workers, a word is inside        | -DW=3 -DTASKS=2 -DINSIDE=1 | safety
 * holds: both words are run, with two workers   | -DW=2 -DTASKS=2 -DINSIDE=0 | fair
 * fails: C3, the count after the flag is down   | -DW=2 -DTASKS=2 -DINSIDE=0 -DNO_COUNT | safety
 * fails: C4, the wake-up after a raise          | -DW=2 -DTASKS=2 -DINSIDE=0 -DNO_WAKE_AFTER_RAISE | safety
 * fails: P3, the look at the flag               | -DW=2 -DTASKS=2 -DINSIDE=0 -DFLAG_BEFORE_PUSH | safety
 * fails: W2, the look at the flag               | -DW=2 -DTASKS=2 -DINSIDE=0 -DNO_LOOK | safety
 * fails: C1 after C3                            | -DW=2 -DTASKS=2 -DINSIDE=0 -DCOUNT_FIRST | safety
 */

/* INSIDE words have been pushed before, by one who has looked at the sleepers since. */
#define bit(i) (1 << (i))
#define NONE 7

#define BUSY 0
#define WATCHING 1
#define ASLEEP 2
#define NOTIFIED 3

/* The sub-queue: words [head, tail) are in it; a popper that has counted itself in and not out may
 * take one of them. */
byte tail = INSIDE;
byte head = 0;
byte counted_in = 0;
byte counted_out = 0;
byte disputes = 0;
#define DISPUTES 2

bool flag = true; /* as words have left it that are gone */

/* The idle word and the cells. */
byte idle = 0;
byte searching = 0;
byte cell[W];

byte started = 0;
byte finished = 0;

/* The idle word's S2 to S4. */
inline wake_for() {
  seen = (searching == 0 && idle != 0);
  if
  :: seen ->
     atomic {
       seen = false;
       if
       :: searching == 0 && idle != 0 ->
          k = 0;
          do
          :: idle & bit(k) -> break
          :: k < W - 1 && (idle >> (k + 1)) != 0 -> k++
          od;
          idle = idle & ~bit(k);
          searching++
       :: else -> k = W
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
  fi
}

active proctype pusher() {
  byte k = 0, pushed = 0;
  bool seen = false;

  do
  :: pushed < TASKS - INSIDE ->
#ifdef FLAG_BEFORE_PUSH
     if
     :: !flag -> flag = true
     :: else
     fi;
     tail++;
#else
     tail++; /* P1 */
     if
     :: !flag -> flag = true /* P3 */
     :: else
     fi;
#endif
     wake_for(); /* P4 */
     pushed++
  :: else -> break
  od
}

/* After DISPUTES pops that counted themselves in for nothing, all are done in one step: without a
 * bound the counters would grow for ever. */
inline dequeue(t) {
  if
  :: disputes == DISPUTES ->
     atomic {
       if
       :: counted_in - counted_out < tail -> counted_in++; t = head; head++
       :: else
       fi
     }
  :: else ->
     atomic { end = tail; gone = counted_out };
     if
     :: counted_in - gone < end ->
        atomic { mine = counted_in; counted_in++ };
        if
        :: mine - gone < tail -> atomic { t = head; head++ }
        :: else -> atomic { counted_out++; disputes = (disputes < DISPUTES -> disputes + 1 : disputes) }
        fi
     :: else
     fi;
     atomic { end = 0; gone = 0; mine = 0 }
  fi
}

active [W] proctype worker() {
  byte me = _pid - 1;
  byte t = NONE, k = 0, end = 0, gone = 0, mine = 0;
  bool searches = false, seen = false, more = false;

find:
  if
  :: !flag -> goto search
  :: else
  fi;
  dequeue(t);
  if
  :: t == NONE ->
#ifdef COUNT_FIRST
     end = tail;
     more = end > head;
     flag = false;
#else
     flag = false; /* C1 */
     end = tail;   /* C3 */
     more = end > head;
#endif
     end = 0;
#ifdef NO_COUNT
     more = false;
#endif
     if
     :: more ->
        more = false;
        flag = true;
        dequeue(t);
#ifndef NO_WAKE_AFTER_RAISE
        wake_for() /* C4 */
#endif
     :: else
     fi
  :: else
  fi;
  if
  :: t != NONE -> goto work
  :: else
  fi;

search:
  atomic {
    if
    :: !searches -> searches = true; searching++
    :: else
    fi
  };
  if
  :: finished == TASKS -> goto out
  :: else
  fi;
  cell[me] = WATCHING;
  atomic { /* W1 */
    idle = idle | bit(me);
    searching--;
    searches = false
  };
  if
#ifndef NO_LOOK
  :: flag /* W2 */
#endif
  :: else ->
     atomic {
       if
       :: cell[me] == WATCHING -> cell[me] = ASLEEP
       :: else
       fi
     };
     (cell[me] != ASLEEP || finished == TASKS)
  fi;
  atomic { /* retract */
    if
    :: idle & bit(me) -> idle = idle & ~bit(me); searching++
    :: else
    fi;
    searches = true
  };
  cell[me] = BUSY;
  goto find;

work:
  if
  :: searches ->
     atomic { searches = false; searching--; more = (idle != 0 && searching == 0) };
     if
     :: more ->
        more = flag;
        if
        :: more -> more = false; wake_for()
        :: else
        fi
     :: else
     fi
  :: else
  fi;
  atomic { assert(t < TASKS && (started & bit(t)) == 0); started = started | bit(t); t = NONE };
  atomic { started == (1 << TASKS) - 1; finished++ };
  goto find;
out:
  skip
}

ltl every_word_is_run { <> (started == (1 << TASKS) - 1) }
