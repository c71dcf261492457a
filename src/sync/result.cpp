// SPDX-License-Identifier: MIT
#include "pinion/sync/result.hpp"

#include <cstdio>
#include <stdexcept>

namespace pinion {
namespace {

static_assert(sizeof(error) == 2 * sizeof(void*));

std::string_view text_of(errc code) noexcept {
  switch (code) {
    case errc::ok:
      return "ok";
    case errc::canceled:
      return "canceled";
    case errc::deadline_exceeded:
      return "deadline exceeded";
    case errc::would_exceed_deadline:
      return "would exceed the deadline";
    case errc::closed:
      return "closed";
    case errc::not_ready:
      return "not ready";
    case errc::too_large:
      return "too large";
    case errc::overloaded:
      return "overloaded";
    case errc::stopped:
      return "stopped";
    case errc::not_started:
      return "not started";
    case errc::would_deadlock:
      return "would deadlock";
    case errc::unavailable:
      return "unavailable";
    case errc::failed:
      return "failed";
  }
  return "unknown error";
}

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "pinion"; }

  std::string message(int code) const override {
    return std::string(text_of(static_cast<errc>(code)));
  }

  std::error_condition default_error_condition(int code) const noexcept override {
    switch (static_cast<errc>(code)) {
      case errc::canceled:
      case errc::not_started:
        return std::errc::operation_canceled;
      case errc::deadline_exceeded:
      case errc::would_exceed_deadline:
        return std::errc::timed_out;
      case errc::closed:
        return std::errc::broken_pipe;
      case errc::not_ready:
        return std::errc::operation_would_block;
      case errc::too_large:
        return std::errc::value_too_large;
      case errc::overloaded:
        return std::errc::no_buffer_space;
      case errc::would_deadlock:
        return std::errc::resource_deadlock_would_occur;
      case errc::unavailable:
        return std::errc::resource_unavailable_try_again;
      default:
        return {code, *this};
    }
  }
};

// Made at compile time and never destroyed: errors outlive main().
union lasting_category {
  constexpr lasting_category() noexcept : it() {}
  ~lasting_category() {}
  category it;
};
constinit const lasting_category the_category;

std::string text_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), the_category.it};
}

error::error(std::exception_ptr thrown) noexcept : code_(errc::failed) {
  if (!thrown) return;
  detail_ = detail::exception;
  std::construct_at(&exception_, std::move(thrown));
}

error::error(const std::string& message)
    : error(std::make_exception_ptr(std::runtime_error(message))) {}

std::error_code error::cause() const noexcept {
  if (detail_ == detail::cause) return {value_, *category_};
  return make_error_code(code_);
}

std::exception_ptr error::exception() const noexcept {
  return detail_ == detail::exception ? exception_ : nullptr;
}

std::string error::what() const {
  const bool thrown = detail_ == detail::exception;
  if (thrown && code_ == errc::failed) return text_of(exception_);
  std::string text(text_of(code_));
  if (thrown) text += ": " + text_of(exception_);
  if (detail_ == detail::cause) text += ": " + cause().message();
  return text;
}

void error::raise() const {
  if (detail_ == detail::exception) std::rethrow_exception(exception_);
  if (detail_ == detail::cause) throw std::system_error(make_error_code(code_), cause().message());
  throw std::system_error(make_error_code(code_));
}

error error::as(errc code) const noexcept {
  if (detail_ == detail::none && code_ != code) return {code, make_error_code(code_)};
  error other(*this);
  other.code_ = code;
  return other;
}

void print_unobserved_error(const error& e, std::string_view where) noexcept {
  const int length = static_cast<int>(where.size());
  try {
    std::fprintf(stderr, "pinion: unobserved error in %.*s: %s\n", length, where.data(),
                 e.what().c_str());
  } catch (...) {  // no memory for the text
    std::fprintf(stderr, "pinion: unobserved error in %.*s\n", length, where.data());
  }
}

}  // namespace pinion
