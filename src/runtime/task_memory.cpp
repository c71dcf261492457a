// SPDX-License-Identifier: MIT
#include "src/runtime/task_memory.hpp"

#include <algorithm>
#include <vector>

#include "src/runtime/core.hpp"
#include "src/runtime/current.hpp"

namespace pinion::detail {

namespace {

struct attachment {
  task_memory* memory = nullptr;
  client* record = nullptr;
};

// The record used last; the list below knows all of them.
[[gnu::tls_model("initial-exec")]] thread_local constinit attachment latest;
[[gnu::tls_model("initial-exec")]] thread_local constinit bool thread_is_ending = false;

struct attachments {
  std::vector<attachment> all;

  ~attachments() {
    thread_is_ending = true;
    latest = {};
    for (const attachment& a : all) leave(a);
  }

  static void leave(const attachment& a) {
    // release: what this thread did with the record is visible to who takes it next; pairs with
    // the acquire in take_unused().
    a.record->taken.store(false, std::memory_order_release);
    a.memory->release();
  }

  void forget_the_gone() {
    latest = {};
    std::erase_if(all, [](const attachment& a) {
      // acquire: nothing of the scheduler is used any more; pairs with the seq_cst in end().
      const bool gone = (a.memory->life.load(std::memory_order_acquire) & task_memory::gone) != 0;
      if (gone) leave(a);
      return gone;
    });
  }
};

attachments& this_thread() {
  static thread_local attachments list;
  return list;
}

client* take_unused(task_memory& memory) noexcept {
  client* found = nullptr;
  memory.for_each_client([&](client& c) {
    bool taken = false;
    // acquire: sees what the last owner did; pairs with the release in leave(). relaxed first
    // look and relaxed on failure: then the record is somebody else's.
    if (found == nullptr && !c.taken.load(std::memory_order_relaxed) &&
        c.taken.compare_exchange_strong(taken, true, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      found = &c;
    }
  });
  return found;
}

}  // namespace

client* task_memory::attached() noexcept {
  if (latest.memory == this) return latest.record;
  if (thread_is_ending) return nullptr;
  for (const attachment& a : this_thread().all) {
    if (a.memory == this) {
      latest = a;
      return a.record;
    }
  }
  return nullptr;
}

client* task_memory::attach(lockfree::injector& outside) {
  if (client* mine = attached(); mine != nullptr || thread_is_ending) return mine;
  attachments& list = this_thread();
  list.forget_the_gone();
  list.all.reserve(list.all.size() + 1);
  client* mine = take_unused(*this);
  if (mine == nullptr) {
    auto fresh = std::make_unique<client>(pools);
    fresh->producer.emplace(outside);
    mine = fresh.release();
    mine->next = clients_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    // seq_cst: publishes the record, before the thread looks at `life` for the first time; see
    // for_each_client().
    while (!clients_.compare_exchange_weak(mine->next, mine, std::memory_order_seq_cst,
                                           std::memory_order_relaxed)) {
    }
  }
  references_.fetch_add(1, std::memory_order_relaxed);  // relaxed: the scheduler holds its share
  latest = {this, mine};
  list.all.push_back(latest);
  return mine;
}

void task_memory::end() noexcept {
  // seq_cst: against the stores to `inside`: who enters after this sees it, who was inside before
  // is waited for.
  life.fetch_or(gone, std::memory_order_seq_cst);
  std::uint64_t results = results_of_seats;
  for_each_client([&](client& c) {
    // seq_cst: pairs with the store in client::go_in().
    while (c.inside.load(std::memory_order_seq_cst) != 0) os::yield();
    results += c.results.load(std::memory_order_relaxed);  // relaxed: ordered by `inside`
  });
  const auto change = static_cast<std::int64_t>(results) - own_share;
  // acq_rel: the last one out sees all that the others did.
  if (references_.fetch_add(change, std::memory_order_acq_rel) + change == 0) delete this;
}

void task_memory::release() noexcept {
  // acq_rel: as in end().
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

task_memory::~task_memory() {
  for (client* c = clients_.load(std::memory_order_relaxed); c != nullptr;) {  // relaxed: alone
    client* next = c->next;
    delete c;
    c = next;
  }
}

void* task_memory::take_lasting(std::uint8_t size_class, task_memory*& from) {
  const attachment mine = latest;
  if (mine.memory == nullptr) return nullptr;
  struct visit {
    client& c;
    explicit visit(client& who) noexcept : c(who) { c.go_in(); }
    ~visit() { c.go_out(); }
  } const inside(*mine.record);
  // seq_cst: as in give_back().
  if ((mine.memory->life.load(std::memory_order_seq_cst) & gone) != 0) return nullptr;
  void* block = mine.record->take_block(size_class);
  lane::count(mine.record->results);
  from = mine.memory;
  return block;
}

void task_memory::give_back(void* node, std::uint8_t size_class) noexcept {
  if (lane* mine = current.seat_of(*this)) {
    mine->give(node, size_class);
    lane::count(mine->results, ~std::uint64_t{0});
    return;
  }
  if (client* mine = attached()) {
    mine->go_in();
    // seq_cst: against end(), which marks the scheduler as gone and then looks at `inside`.
    const bool alive = (life.load(std::memory_order_seq_cst) & gone) == 0;
    if (alive) {
      mine->give(node, size_class);
      lane::count(mine->results, ~std::uint64_t{0});
    }
    mine->go_out();
    if (alive) return;
  }
  // A thread that has no lane here, or a scheduler that is gone. The pools stay until the release.
  if (size_class == lane::heap_class) {
    ::operator delete (node, std::align_val_t{lane::node_alignment});
  } else {
    pools.of[size_class].give(node);
  }
  release();
}

}  // namespace pinion::detail
