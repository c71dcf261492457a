// SPDX-License-Identifier: MIT
// Select among: the first of a number of like operations that is known only at run time.
//
//     std::vector<op<int>> cases;
//     for (auto& box : boxes) cases.push_back(box.take());
//     auto any = select_among(ctx, std::span(cases));
//     while (auto won = any.wait()) use(won->index, won->value);
//
// The cases stay where they are and keep their numbers, and can be waited for again, one by one or
// all of them.
#pragma once

#include <cstddef>
#include <span>

#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/select_cases.hpp"

namespace pinion {

/// Which case won, and its result.
template <class T>
struct selected_at {
  std::size_t index;
  result<T> value;
};

template <operation Op>
class [[nodiscard("a select does nothing until it is waited for or selected")]] select_among_op
    : public detail::selecting<select_among_op<Op>, selected_at<typename Op::value_type>> {
  using base = detail::selecting<select_among_op, selected_at<typename Op::value_type>>;

 public:
  using value_type = selected_at<typename Op::value_type>;

  select_among_op(const context* bound, std::span<Op> cases) noexcept
      : base(bound, detail::choice::by_lot), cases_(cases) {}

  result<value_type> take() {
    if (this->nobody_won()) return this->why_nobody();
    return value_type{this->won(), this->outcome_of(cases_[this->won()])};
  }

 private:
  friend base;

  std::size_t count() const noexcept {
    return cases_.size();
  }
  std::size_t works() const noexcept {
    return detail::is_timeout<Op> ? 0 : cases_.size();
  }
  static std::size_t work(std::size_t i) noexcept {
    return i;
  }
  template <class F>
  bool at(std::size_t i, F f) noexcept {
    return f(cases_[i]);
  }
  template <class F>
  bool any(F f) const noexcept {
    for (Op& c : cases_) {
      if (f(c)) return true;
    }
    return false;
  }

  std::span<Op> cases_;
};

/// As select(), for cases that stay where they are, and may be waited for again.
template <operation Op, std::size_t N>
select_among_op<Op> select_among(const context& ctx, std::span<Op, N> cases) noexcept {
  return {&ctx, cases};
}
template <operation Op, std::size_t N>
select_among_op<Op> select_among(std::span<Op, N> cases) noexcept {
  return {nullptr, cases};
}
template <operation Op, std::size_t N>
void select_among(scoped_context&&, std::span<Op, N>) = delete;  // must outlive the wait

}  // namespace pinion
