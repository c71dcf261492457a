// SPDX-License-Identifier: MIT
// All libraries that take part in this build. The first one is compared with the others.
#pragma once

#include "bench/compare/libraries/mutex_pool.hpp"
#include "bench/compare/libraries/pinion.hpp"
#include "bench/compare/libraries/std_async.hpp"
#include "bench/compare/libraries/std_thread.hpp"
#if defined(PINION_BENCH_ONETBB)
#include "bench/compare/libraries/onetbb.hpp"
#endif

namespace pinion::bench {

#if defined(PINION_BENCH_ONETBB)
using libraries = library_list<pinion_pool, std_thread, std_async, mutex_pool, onetbb>;
#else
using libraries = library_list<pinion_pool, std_thread, std_async, mutex_pool>;
#endif

}  // namespace pinion::bench
