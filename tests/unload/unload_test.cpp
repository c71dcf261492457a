// SPDX-License-Identifier: MIT
// Usage: unload_test PLUGIN ROUNDS
// Loads a shared object that uses the library, runs it, and unloads it, many times; on a thread
// that ends, too, so that what it keeps for its end is looked at. The library itself stays where
// it is: its thread for timers has no end.
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <dlfcn.h>
#include <unistd.h>

namespace {

// On a thread that ends before, nothing but the library itself may keep it loaded.
int run_and_unload(const char* path, bool on_another_thread) {
  void* const plugin = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    std::fprintf(stderr, "%s\n", ::dlerror());
    return -1;
  }
  const auto run = reinterpret_cast<int (*)()>(::dlsym(plugin, "pinion_plugin_run"));
  int ran = -1;
  if (on_another_thread) {
    std::thread([&] { ran = run(); }).join();
  } else {
    ran = run();
  }
  return ::dlclose(plugin) == 0 ? ran : -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  ::alarm(200);
  int wrong = 0;
  const int rounds = std::atoi(argv[2]);
  for (int i = 0; i < rounds; ++i) {
    wrong += run_and_unload(argv[1], true) != 100 ? 1 : 0;
    if (i == 0) ::usleep(100'000);  // real time: the timer left behind is due after 20 ms
  }
  void* const still = ::dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
  for (int i = 0; i < rounds; ++i) wrong += run_and_unload(argv[1], false) != 100 ? 1 : 0;
  std::printf("%d of %d wrong; the plugin is %s\n", wrong, 2 * rounds,
              still != nullptr ? "still there" : "gone");
  return wrong == 0 ? 0 : 1;
}
