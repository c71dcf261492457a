// SPDX-License-Identifier: MIT
// What most tests include and what takes long to read: compiled once for all of them. Nothing of
// Pinion is in it, so that a change of ours compiles what includes it and no more. Each test still
// includes what it uses: -Db_pch=false builds without this.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <ranges>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
