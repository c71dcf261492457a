# SPDX-License-Identifier: MIT
"""Plants a mistake: copies a source of the library with one place of it changed.

    plant.py MISTAKE SOURCE COPY

The model tests of the whole scheduler are built with the copy and must find the mistake. Every text
to replace must be in the source exactly once: when the source changes, so must this."""
import pathlib
import re
import sys

PUSH = "      push_outside(client_of(way), node, with.wake, way.may_allocate);\n  }\n"
NAMED = "  node.name = with.name;\n  node.counted = way.counted;\n"
ACCEPT = ("void scheduler_core::accept(admission way, task_node& node, const post_options& with) "
          "noexcept {\n" + NAMED)
REST = "  if (!with.wake) note_unwoken();\n  go_out(way);\n}\n\nvoid scheduler_core::accept_later("
OUTSIDE = "  if (way.how == admission::kind::outside) go_out(way);\n"
REST_WITHOUT = REST.replace("  go_out(way);", "  if (way.how != admission::kind::outside) go_out(way);")

MISTAKES = {
    # A worker goes to sleep without a look at the queues after it has announced itself.
    "look_before_sleep": [
        ("!exits && s.kept.count() == 0 && !work_visible(s);", "!exits && s.kept.count() == 0;"),
        ("    if (found) break;\n", "    (void)found;\n"),
    ],
    # The last searcher finds work and does not see to it that somebody looks for the rest.
    "wake_after_search": [
        ("somebody_may_be_idle && work_visible(s)) core_.wake_for(&s, false);",
         "somebody_may_be_idle && work_visible(s)) return;"),
    ],
    # It does so only if somebody of its own cluster is idle.
    "wake_another_cluster": [
        ("after.idle() != 0 || core_.clusters.size() > 1;", "after.idle() != 0;"),
    ],
    # Who remembers work without a wake-up wakes nobody who has forgotten it meanwhile. Slowly.
    "forgotten_by_another_cluster": [
        ("  if (!all_idle()) note_unwoken();\n",
         "  static os::atomic<std::uint32_t> never_written{0};\n"
         "  (void)os::futex_wait(never_written, 0, os::now() + std::chrono::milliseconds(3));\n"
         "  if (!all_idle()) unwoken_posts.store(true, std::memory_order_seq_cst);\n"),
    ],
    # A thread is out before its work is counted as accepted.
    "out_before_counted": [
        (ACCEPT, ACCEPT + OUTSIDE),
        (REST, REST_WITHOUT),
    ],
    # A thread is out before it has woken somebody for its work.
    "out_before_woken": [
        ("  if (wake) wake_for(nullptr, queued);\n", "  c.go_out();\n  if (wake) wake_for(nullptr, queued);\n  c.go_in();\n"),
        ("  if (wake && !outside.maybe_work() && place_directly(c, work)) return;\n", ""),
    ],
    # A new record and the end of the scheduler are in no total order.
    "record_out_of_order": [
        ("compare_exchange_weak(mine->next, mine, std::memory_order_seq_cst,",
         "compare_exchange_weak(mine->next, mine, std::memory_order_release,"),
    ],
    # The end does not wait for what is suspended.
    "live_not_counted": [
        (" + l.live_begun.load(std::memory_order_acquire);", ";"),
        (" +\n                l.live_ended.load(std::memory_order_acquire);", ";"),
    ],
    # An invitation that is in use is counted as over by who claims the last child, and by its user.
    "invitation_counted_twice": [
        ("  return before == state::armed;\n",
         "  return before == state::armed || before == state::taken;\n"),
    ],
    # A child that cannot be made, and does not count as one that has ended.
    "unmade_not_counted": [
        ("    if (task_promise_base* child = start(next)) {\n",
         "    task_promise_base* child = start(next);\n    if (child == nullptr) return {};\n    {\n"),
    ],
    # An invitation that was revoked when it was in no queue any more is kept as one that is in one.
    "invitation_kept_as_queued": [
        ("  state_.store(state::taken, std::memory_order_relaxed);", "  "),
    ],
    # The last caller has gone and the call is canceled, and it can still be joined.
    "dying_is_joined": [
        ("    if (is_last) remove(f);\n", ""),
        ("  if (is_last) f.ctx.cancel();\n",
         "  if (is_last) f.ctx.cancel();\n  const std::lock_guard lock(lock_);\n  if (is_last) remove(f);\n"),
    ],
    # A call that was forgotten takes the one that came after it out when it ends.
    "forgotten_takes_another": [
        ("found != flights_.end() && found->second.get() == &f)", "found != flights_.end())"),
    ],
    # One caller that leaves ends the call for all.
    "one_leaves_for_all": [
        ("is_last = is_last && c->is == stage::has_left;", "is_last = is_last || c->is == stage::has_left;"),
    ],
    # A call that has ended can still be joined.
    "landed_is_joined": [
        ("    remove(f);\n    those.swap(f.callers);\n", "    those.swap(f.callers);\n"),
    ],
    # A worker that has announced itself does not look whether somebody waits for the end.
    "look_after_announcement": [
        ("  if ((life & task_memory::draining) != 0) core_.check_quiet();\n", ""),
    ],
}

# Names that get the mistake's name at their end, so that a copy of a header can stand beside it.
RENAMED = {
    "singleflight.hpp": ("singleflight", "flight_table", "flying", "landing", "call_in_flight",
                         "inside_flight"),
}


def main() -> int:
    if len(sys.argv) != 4 or sys.argv[1] not in MISTAKES:
        print(f"usage: plant.py {'|'.join(MISTAKES)} SOURCE COPY", file=sys.stderr)
        return 2
    mistake, source, copy = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        text = file.read()
    for right, wrong in MISTAKES[mistake]:
        if text.count(right) != 1:
            print(f"plant.py: {mistake}: {text.count(right)} times in {source}: {right!r}",
                  file=sys.stderr)
            return 2
        text = text.replace(right, wrong)
    for name in RENAMED.get(pathlib.Path(source).name, ()):
        text = re.sub(rf"\b{name}\b", f"{name}_{mistake}", text)
    with open(copy, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


sys.exit(main())
