// SPDX-License-Identifier: MIT
#include "tests/model/support/fiber.hpp"

#include <new>
#include <utility>

#include "tests/support/sanitizer.hpp"
#include <boost/context/detail/fcontext.hpp>
#include <cxxabi.h>
#include <sys/mman.h>

#if defined(PINION_TEST_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace pinion::model {

namespace {

namespace context = boost::context::detail;

constexpr std::size_t stack_size = std::size_t{256} << 10;

struct transfer {
  fiber* from;
  fiber* to;
};

}  // namespace

struct fiber::entry {
  static void start(context::transfer_t t) {
    const transfer way = *static_cast<transfer*>(t.data);
    way.from->context_ = t.fctx;
    way.to->arrive(way.from);
    way.to->main_();
  }
};

fiber::~fiber() {
  if (stack_ != nullptr) ::munmap(stack_, stack_size);
}

void fiber::prepare(std::function<void()> main) {
  if (stack_ == nullptr) {
    void* const fresh = ::mmap(nullptr, stack_size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fresh == MAP_FAILED) throw std::bad_alloc();
    stack_ = static_cast<char*>(fresh);
  }
#if defined(PINION_TEST_ASAN)
  __asan_unpoison_memory_region(stack_, stack_size);  // frames of who was dropped in there
#endif
  bottom_ = stack_;
  size_ = stack_size;
  fake_stack_ = nullptr;
  exceptions_ = {};
  locals_.begin();
  main_ = std::move(main);
  context_ = context::make_fcontext(stack_ + stack_size, stack_size, &entry::start);
}

void fiber::switch_to(fiber& from, fiber& to) {
  transfer way{&from, &to};
  from.leave(to);
  const context::transfer_t t = context::jump_fcontext(to.context_, &way);
  const transfer back = *static_cast<transfer*>(t.data);
  back.from->context_ = t.fctx;
  from.arrive(back.from);
}

void fiber::leave([[maybe_unused]] fiber& to) {
  auto* const globals = reinterpret_cast<exceptions*>(abi::__cxa_get_globals());
  exceptions_ = std::exchange(*globals, to.exceptions_);
  thread_locals::exchange(locals_, to.locals_);
#if defined(PINION_TEST_ASAN)
  __sanitizer_start_switch_fiber(&fake_stack_, to.bottom_, to.size_);
#endif
}

void fiber::arrive([[maybe_unused]] fiber* from) {
#if defined(PINION_TEST_ASAN)
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &size);
  if (from->stack_ == nullptr) {  // the system's own stack tells its bounds here only
    from->bottom_ = bottom;
    from->size_ = size;
  }
#endif
}

}  // namespace pinion::model
