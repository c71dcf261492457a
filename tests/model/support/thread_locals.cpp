// SPDX-License-Identifier: MIT
#include "tests/model/support/thread_locals.hpp"

#include <cstring>
#include <utility>

#include "tests/model/support/heap.hpp"
#include <link.h>

namespace pinion::model {

namespace {

constinit thread_locals* running = nullptr;

// Of the program itself: the first object that the dynamic linker tells of.
struct block {
  std::byte* live = nullptr;
  const std::byte* first_values = nullptr;
  std::size_t bytes_with_value = 0;
  std::size_t bytes = 0;
};

int read_program_header(dl_phdr_info* info, std::size_t, void* to) {
  for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_TLS) continue;
    *static_cast<block*>(to) = {
        static_cast<std::byte*>(info->dlpi_tls_data),
        reinterpret_cast<const std::byte*>(info->dlpi_addr + header.p_vaddr), header.p_filesz,
        header.p_memsz};
  }
  return 1;  // the others are not looked at
}

const block& of_program() {
  static const block found = [] {
    block b;
    (void)::dl_iterate_phdr(&read_program_header, &b);
    return b;
  }();
  return found;
}

}  // namespace

void thread_locals::begin() {
  const block& b = of_program();
  of_fiber_ = true;
  destructors_.clear();
  image_.assign(b.bytes, std::byte{0});
  if (b.bytes_with_value != 0) std::memcpy(image_.data(), b.first_values, b.bytes_with_value);
}

void thread_locals::exchange(thread_locals& from, thread_locals& to) {
  running = to.of_fiber_ ? &to : nullptr;
  const block& b = of_program();
  if (b.bytes == 0) return;
  from.image_.assign(b.live, b.live + b.bytes);
  std::memcpy(b.live, to.image_.data(), b.bytes);
}

void thread_locals::end() {
  while (!destructors_.empty()) {
    const destructor last = destructors_.back();
    destructors_.pop_back();
    last.destroy(last.object);
  }
}

bool thread_locals::at_end(void (*destroy)(void*), void* object) {
  if (running == nullptr) return false;
  const heap::unwatched scope;
  running->destructors_.push_back({destroy, object});
  return true;
}

}  // namespace pinion::model

extern "C" {
int __cxa_thread_atexit_impl(void (*)(void*), void*, void*);

// In place of the C++ runtime's: what compilers call where a thread_local is made that has a
// destructor.
int __cxa_thread_atexit(void (*destroy)(void*), void* object, void* library) {
  if (pinion::model::thread_locals::at_end(destroy, object)) return 0;
  return __cxa_thread_atexit_impl(destroy, object, library);
}
}
