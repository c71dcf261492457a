// SPDX-License-Identifier: MIT
// Which sanitizer a test is built with: compilers have two ways to tell.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define PINION_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PINION_TEST_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define PINION_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PINION_TEST_TSAN 1
#endif
#endif
