// SPDX-License-Identifier: MIT
// One stage of a pipeline: a function behind a table, so that all else needs no template.
//
//      token of an item        stage k reads side k - 1 and writes side k, by turns
//     [ side 0 | side 1 ]      source -> 0 -> stage -> 1 -> stage -> 0 -> sink
//
// An item is made where it lies until the next stage takes it: nothing is moved on the way, and
// nothing is ever default-constructed.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "pinion/runtime/job.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

enum class mode {
  parallel,          // any number of items at once
  serial_in_order,   // one at a time, in the order of the source
  serial_any_order,  // one at a time, as they come
};

namespace detail {

/// What became of an item in a stage.
enum class item_fate : std::uint8_t {
  kept,       // there is one for the next stage, or the sink has had it
  dropped,    // the function gave none
  failed,     // it gave an error, or threw
  ended,      // of a source: there are no more
  abandoned,  // the run was canceled before
};

class pipeline_stage {
 public:
  pipeline_stage(const pipeline_stage&) = delete;
  pipeline_stage& operator=(const pipeline_stage&) = delete;
  virtual ~pipeline_stage() = default;

  /// Calls the function with the item at `in` (a source has none), which is destroyed whatever
  /// comes of it. What it gives is made at `out`.
  virtual item_fate run(const context&, void* in, void* out, error& why) noexcept = 0;
  /// Destroys an item that waits for this stage.
  virtual void destroy(void* in) noexcept = 0;

  const mode how;
  const std::size_t out_size;
  const std::size_t out_alignment;

 protected:
  pipeline_stage(mode m, std::size_t size, std::size_t alignment) noexcept
      : how(m), out_size(size), out_alignment(alignment) {}
};

// What a function gives may be wrapped: an optional that is empty drops the item, a result
// without a value makes it fail.
template <class R>
struct unwrapped {
  using type = R;
  static constexpr bool is_optional = false;
  static constexpr bool is_result = false;
};
template <class T>
struct unwrapped<std::optional<T>> : unwrapped<T> {
  static constexpr bool is_optional = true;
  static constexpr bool is_result = false;
};
template <class T>
struct unwrapped<result<T>> : unwrapped<T> {
  static constexpr bool is_optional = false;
  static constexpr bool is_result = true;
};

/// The item in what a function gives.
template <class R>
using item_of = typename unwrapped<std::remove_cvref_t<R>>::type;

template <class R>
item_fate unwrap(R&& got, void* out, error& why) {
  using how = unwrapped<std::remove_cvref_t<R>>;
  if constexpr (how::is_result) {
    if (!got) {
      why = got.error();
      return item_fate::failed;
    }
    if constexpr (!std::is_void_v<typename std::remove_cvref_t<R>::value_type>) {
      return unwrap(*std::forward<R>(got), out, why);
    }
  } else if constexpr (how::is_optional) {
    if (!got) return item_fate::dropped;
    return unwrap(*std::forward<R>(got), out, why);
  } else {
    ::new (out) std::remove_cvref_t<R>(std::forward<R>(got));
  }
  return item_fate::kept;
}

/// Calls f, and makes an item at `out` of what it gives.
template <class F>
item_fate make_item(F&& f, void* out, error& why) noexcept {
  using given = std::invoke_result_t<F>;
  try {
    if constexpr (std::is_void_v<given>) {
      f();
      return item_fate::kept;
    } else if constexpr (std::is_same_v<given, item_of<given>>) {
      ::new (out) given(f());  // in its place at once
      return item_fate::kept;
    } else {
      return unwrap(f(), out, why);
    }
  } catch (...) {
    why = error(std::current_exception());
    return item_fate::failed;
  }
}

template <class F, class... Args>
concept stage_function = std::invocable<F&, Args...> || std::invocable<F&, const context&, Args...>;

/// f(args...), or f(ctx, args...) for functions that wait.
template <class F, class... Args>
requires stage_function<F, Args...>
decltype(auto) call_stage(F& f, [[maybe_unused]] const context& ctx, Args&&... args) {
  constexpr bool is_plain = std::invocable<F&, Args...>;
  using given = typename std::conditional_t<is_plain, std::invoke_result<F&, Args...>,
                                            std::invoke_result<F&, const context&, Args...>>::type;
  static_assert(!is_task<std::remove_cvref_t<given>>, "a stage is a function, not a coroutine");
  if constexpr (is_plain) {
    return std::invoke(f, std::forward<Args>(args)...);
  } else {
    return std::invoke(f, ctx, std::forward<Args>(args)...);
  }
}

template <class F, class... Args>
using stage_result = decltype(call_stage(std::declval<F&>(), std::declval<const context&>(),
                                         std::declval<Args>()...));

template <class T>
concept pipeline_item = std::is_object_v<T> && std::is_nothrow_destructible_v<T>;

template <class T>
inline constexpr std::size_t item_size = sizeof(T);
template <>
inline constexpr std::size_t item_size<void> = 0;
template <class T>
inline constexpr std::size_t item_alignment = alignof(T);
template <>
inline constexpr std::size_t item_alignment<void> = 1;

template <class F>
class source_stage final : public pipeline_stage {
  using out_item = item_of<stage_result<F>>;
  static_assert(pipeline_item<out_item>);

 public:
  explicit source_stage(F&& f)
      : pipeline_stage(mode::serial_in_order, sizeof(out_item), alignof(out_item)),
        f_(std::move(f)) {}

 private:
  item_fate run(const context& ctx, void*, void* out, error& why) noexcept override {
    const item_fate fate =
        make_item([&]() -> decltype(auto) { return call_stage(f_, ctx); }, out, why);
    const bool is_end =
        fate == item_fate::dropped || (fate == item_fate::failed && why == errc::closed);
    return is_end ? item_fate::ended : fate;
  }
  void destroy(void*) noexcept override {}

  F f_;
};

/// A stage, or the sink, which gives nothing.
template <class In, class F>
class item_stage final : public pipeline_stage {
  using out_item = item_of<stage_result<F, In>>;
  static_assert(std::is_void_v<out_item> || pipeline_item<out_item>);

 public:
  item_stage(mode m, F&& f)
      : pipeline_stage(m, item_size<out_item>, item_alignment<out_item>), f_(std::move(f)) {}

 private:
  static In& at(void* in) noexcept { return *std::launder(static_cast<In*>(in)); }

  item_fate run(const context& ctx, void* in, void* out, error& why) noexcept override {
    In& item = at(in);
    const item_fate fate = make_item(
        [&]() -> decltype(auto) { return call_stage(f_, ctx, std::move(item)); }, out, why);
    std::destroy_at(&item);
    return fate;
  }
  void destroy(void* in) noexcept override { std::destroy_at(&at(in)); }

  F f_;
};

}  // namespace detail
}  // namespace pinion
