// SPDX-License-Identifier: MIT
// Relacy, tamed: what the rest of this folder uses of it, without the macros that would rename
// `new`, `delete`, `free` and every memory order for all that follows.
//
// Relacy runs the threads of a test as fibers, as our own checker does, but is not ours: another
// author's reading of the memory model, by random walks. It is here to disagree.
#pragma once

// Before Relacy, whatever else may be included: it has macros for the names of POSIX as well.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <semaphore>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#pragma push_macro("assert")
#pragma push_macro("errno")
#include <relacy/relacy.hpp>
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#pragma pop_macro("errno")
#pragma pop_macro("assert")

#include "tests/model/support/operation.hpp"

namespace pinion::opinion {

inline constexpr std::size_t threads_max = 4;  // of a test, beside its body

/// What the mutant makes of this operation, and a note that it was met.
model::order meet(model::operation, model::order, model::place) noexcept;
/// As meet(): false if the mutant leaves the fence or the wake-up out.
bool meet_unless_dropped(model::operation, model::order, model::place) noexcept;

/// Ends the execution as failed.
void fail(const char* what, model::place);

/// Waits until a wake-up by address; false if the time was up.
bool sleep_on(const void* address, bool timed);
int wake_at(const void* address, int count);

/// Plain memory is written or read: a data race ends the execution.
void touch(const void* address, bool writes);

/// Memory for what Relacy is told of. It is kept until the execution is over, if not unmade before.
void keep(void* object, void (*unmake)(void*));
void forget(void* object);

template <class T>
void unmake(T* object) {
  object->~T();
  std::free(object);
}
template <class T, class... Arguments>
T* make_kept(Arguments... arguments) {
  T* const made = new (std::malloc(sizeof(T))) T(arguments...);
  keep(made, [](void* object) { unmake(static_cast<T*>(object)); });
  return made;
}
template <class T>
void unmake_kept(T* object) {
  forget(object);
  unmake(object);
}

inline rl::debug_info where(model::place at) noexcept {
  return {at.function, at.file, at.line};
}

constexpr rl::memory_order to_relacy(model::order o) noexcept {
  switch (o) {
    case model::order::relaxed:
      return rl::mo_relaxed;
    case model::order::acquire:
      return rl::mo_acquire;
    case model::order::release:
      return rl::mo_release;
    case model::order::acq_rel:
      return rl::mo_acq_rel;
    default:
      return rl::mo_seq_cst;
  }
}

constexpr model::order to_model(std::memory_order o) noexcept {
  switch (o) {
    case std::memory_order_relaxed:
      return model::order::relaxed;
    case std::memory_order_release:
      return model::order::release;
    case std::memory_order_acq_rel:
      return model::order::acq_rel;
    case std::memory_order_seq_cst:
      return model::order::seq_cst;
    default:
      return model::order::acquire;
  }
}

}  // namespace pinion::opinion
